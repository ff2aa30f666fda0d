package preset_test

import (
	"context"
	"errors"
	"iter"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/internal/alloctest"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/timeout"
)

func TestR18_AReloadKeepsWhatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := preset.NewStack(preset.Standard())
		if err != nil {
			t.Fatal(err)
		}
		h := holdfast.Chain(s)
		down := errors.New("down")
		call := func() error {
			_, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "t", Repeatable: true}, func(context.Context) (int, error) { return 0, down })
			return err
		}
		for range 3 {
			_ = call()
		}
		tokens := s.Budget().Stats("t").Tokens
		if s.Breaker().State("t") != breaker.Open || tokens >= 5 {
			t.Fatalf("%v, %v tokens", s.Breaker().State("t"), tokens)
		}
		bad := s.Config()
		bad.Attempt.Limit = time.Hour
		if _, err := s.Update(bad); err == nil || !strings.Contains(err.Error(), "attempt.limit") || s.Config().Attempt.Limit != 10*time.Second {
			t.Errorf("a bad Config: %v", err)
		}
		good := s.Config()
		good.Retry.MaxAttempts = 2
		changes, err := s.Update(good)
		if err != nil || len(changes) != 1 || changes[0] != "retry.maxAttempts: 3 -> 2" {
			t.Errorf("%v, %v", changes, err)
		}
		if err := call(); !errors.Is(err, breaker.ErrOpen) || s.Budget().Stats("t").Tokens != tokens {
			t.Errorf("after the reload: %v, %v tokens, before %v", err, s.Budget().Stats("t").Tokens, tokens)
		}
	})
}

func TestR18_ReloadsUnderTraffic(t *testing.T) {
	s, err := preset.NewStack(preset.Standard())
	if err != nil {
		t.Fatal(err)
	}
	h := holdfast.Chain(s)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if _, err := holdfast.Do(t.Context(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 0, nil }); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for c := range configs() {
		if _, err := s.Update(c); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	if n := s.Limit().Stats("").InFlight; n != 0 {
		t.Errorf("%d places are still taken", n)
	}
}

func configs() iter.Seq[preset.Config] {
	return func(yield func(preset.Config) bool) {
		for i := range 200 {
			if c := []preset.Config{preset.Standard(), preset.Conservative(), preset.Background()}[i%3]; !yield(c) {
				return
			}
		}
	}
}

func TestT93_WhatMakesNoSenseIsRefusedWithThePath(t *testing.T) {
	for text, want := range map[string]string{
		`{"retry": {"maxAtempts": 3}}`:                                  "retry.maxAtempts: there is no such field: did you mean maxAttempts?",
		`{"retry": {"wibble": 3}}`:                                      "retry.wibble: there is no such field: use one of codes, initialInterval",
		`{"retry": {"MaxAttempts": 3}}`:                                 "retry.MaxAttempts: there is no such field: did you mean maxAttempts?",
		`{"retry": {"initialInterval": "1s", "initialInterval": "2s"}}`: "retry.initialInterval: it is there twice",
		`{"retry": {"maxAttempts": "3"}}`:                               "retry.maxAttempts: 3 is no whole number",
		`{"attempt": {"limit": 500}}`:                                   "attempt.limit: 500 is no duration",
		`{"attempt": {"limit": "31s"}}`:                                 "attempt.limit: 31s is longer than timeout.limit, 30s",
		`{"breaker": {"failureRatio": 70}}`:                             "breaker.failureRatio: 70 is more than all of them",
		`{"retry": {"jitter": "some"}}`:                                 "retry.jitter: some is no jitter",
		`{"retry": []}`:                                                 "retry: [] is no object",
		`{"limit": {"perTarget": 1}}`:                                   "limit.perTarget: 1 is neither true nor false",
		`{"retry": {"codes": "503"}}`:                                   "retry.codes: 503 is no list of names",
		`{"preset": "best"}`:                                            "best is no preset",
		`{} {}`:                                                         "something follows",
		`{"retry": {"budget": {}}}`:                                     "retry.budget: there is no such field",
		`{"timeout": {"limit": "48h"}}`:                                 "timeout.limit: 48h0m0s is longer than a day",
	} {
		if _, err := preset.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestJSONIsReadAsItIsWritten(t *testing.T) {
	some := preset.Standard()
	some.Retry.Codes = []holdfast.Code{"503", "UNAVAILABLE"}
	adaptive, unlimited, none := preset.Standard(), preset.Standard(), preset.Config{}
	adaptive.Attempt.Adaptive = &timeout.Adaptive{}
	unlimited.Timeout.Limit, unlimited.Retry.MaxAttempts, unlimited.Limit.Max = 0, 0, 0
	for _, c := range []preset.Config{preset.Standard(), preset.Conservative(), preset.Background(), some, adaptive, unlimited, none} {
		text, err := c.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		got, err := preset.Parse(text)
		if err != nil || values(got) != values(c) || (got.Attempt.Adaptive == nil) != (c.Attempt.Adaptive == nil) {
			t.Errorf("%s: %v\n%s\nwant\n%s", text, err, got.Describe(), c.Describe())
		}
	}
}

// What JSON does not name stays, within an object too, and the Config that was copied
// keeps its own.
func TestJSONChangesWhatItNames(t *testing.T) {
	was := preset.Standard()
	was.Attempt.Adaptive = &timeout.Adaptive{Quantile: 0.9, MinSamples: 7}
	is := was
	if err := is.UnmarshalJSON([]byte(`{"attempt": {"adaptive": {"factor": 3}}}`)); err != nil {
		t.Fatal(err)
	}
	if a := is.Attempt.Adaptive; a.Quantile != 0.9 || a.MinSamples != 7 || a.Factor != 3 || was.Attempt.Adaptive.Factor != 0 {
		t.Errorf("%+v, and the first is %+v", a, was.Attempt.Adaptive)
	}
}

// values is what Describe says, without where it comes from.
func values(c preset.Config) string {
	var b strings.Builder
	for line := range strings.Lines(c.Describe()) {
		b.WriteString(strings.Join(strings.Fields(line)[:2], " ") + "\n")
	}
	return b.String()
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"preset": "background", "retry": {"jitter": "equal", "initialInterval": "off"}, "attempt": {"adaptive": {"quantile": 0.9}}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var c preset.Config
		var err error
		alloctest.Within(t, 512<<10+120*len(text), func() { c, err = preset.Parse(text) })
		if err != nil {
			if len(err.Error()) > 10_000 || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\r\x00\x1b") {
				t.Errorf("an error of %d bytes: %q", len(err.Error()), err)
			}
			return
		}
		again, err := c.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := preset.Parse(again); err != nil && c.Validate() == nil {
			t.Fatalf("%s is read as %s, which is refused: %v", text, again, err)
		} else if err == nil && len(got.Policies()) != len(c.Policies()) {
			t.Fatal("other policies")
		}
	})
}
