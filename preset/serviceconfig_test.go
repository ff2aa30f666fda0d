package preset_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/preset"
)

// grpcParser is gRPC's own.
func grpcParser(t *testing.T) func(text string) (*grpc.ServiceConfig, error) {
	t.Helper()
	var parser resolver.ClientConn
	m := manual.NewBuilderWithScheme("preset")
	m.BuildCallback = func(_ resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) { parser = cc }
	cc, err := grpc.NewClient("preset:///x", grpc.WithResolvers(m), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithMaxCallAttempts(1000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cc.Close() })
	cc.Connect()
	return func(text string) (*grpc.ServiceConfig, error) {
		res := parser.ParseServiceConfig(text)
		if res.Err != nil {
			return nil, res.Err
		}
		config, ok := res.Config.(*grpc.ServiceConfig)
		if !ok {
			return nil, errors.New("another type")
		}
		return config, nil
	}
}

func TestServiceConfigsAreReadAsByGRPC(t *testing.T) {
	theirs := grpcParser(t)
	for _, c := range serviceConfigs {
		got, err := preset.ParseServiceConfig([]byte(c.text))
		want, wantErr := theirs(c.text)
		switch {
		case c.ours != "":
			if err == nil || !strings.Contains(err.Error(), c.ours) || wantErr != nil {
				t.Errorf("%s: %v, want %q; gRPC: %v", c.text, err, c.ours, wantErr)
			}
		case (err == nil) != (wantErr == nil):
			t.Errorf("%s: %v; gRPC: %v", c.text, err, wantErr)
		case err == nil:
			sameConfig(t, c.text, got, want)
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			again, err := preset.ParseServiceConfig(text)
			if err != nil {
				t.Errorf("%s is written as %s: %v", c.text, text, err)
				continue
			}
			back, err := theirs(string(text))
			if err != nil {
				t.Errorf("%s is written as %s, which gRPC refuses: %v", c.text, text, err)
				continue
			}
			sameConfig(t, string(text), again, back)
			if more, err := json.Marshal(again); err != nil || !bytes.Equal(more, text) {
				t.Errorf("%s is written as %s the second time", text, more)
			}
		}
	}
}

// sameConfig compares what both have understood.
func sameConfig(t *testing.T, text string, got *preset.ServiceConfig, want *grpc.ServiceConfig) {
	t.Helper()
	n := 0
	for i := range got.Methods {
		m := &got.Methods[i]
		for _, name := range m.Names {
			n++
			path := "/" + name.Service + "/" + name.Method
			if name == (preset.MethodName{}) {
				path = ""
			}
			theirs, ok := want.Methods[path]
			if !ok {
				t.Errorf("%s: gRPC has no %q", text, path)
				continue
			}
			ours := fmt.Sprint(show(m.Timeout), show(m.WaitForReady), show(m.MaxRequestBytes), show(m.MaxResponseBytes))
			if other := fmt.Sprint(show(theirs.Timeout), show(theirs.WaitForReady), show(theirs.MaxReqSize), show(theirs.MaxRespSize)); ours != other {
				t.Errorf("%s: %s, gRPC: %s", text, ours, other)
			}
			if (m.Retry == nil) != (theirs.RetryPolicy == nil) {
				t.Errorf("%s: retry %v, gRPC %v", text, m.Retry, theirs.RetryPolicy)
			}
			if r, p := m.Retry, theirs.RetryPolicy; r != nil && p != nil {
				var names []string
				for code := range p.RetryableStatusCodes {
					names = append(names, codeName(code))
				}
				slices.Sort(names)
				mine := slices.Sorted(slices.Values(r.Codes))
				if r.MaxAttempts != p.MaxAttempts || r.InitialBackoff != p.InitialBackoff || r.MaxBackoff != p.MaxBackoff || r.Multiplier != p.BackoffMultiplier || !slices.Equal(mine, names) {
					t.Errorf("%s: %+v, gRPC %+v", text, r, p)
				}
			}
		}
	}
	if n != len(want.Methods) {
		t.Errorf("%s: %d names, gRPC has %d", text, n, len(want.Methods))
	}
}

func show[T any](p *T) string {
	if p == nil {
		return "- "
	}
	return fmt.Sprintf("%v ", *p)
}

func codeName(c codes.Code) string {
	for _, name := range []string{"UNAVAILABLE", "ABORTED", "CANCELLED", "DEADLINE_EXCEEDED"} {
		var known codes.Code
		if known.UnmarshalJSON([]byte(`"`+name+`"`)) == nil && known == c {
			return name
		}
	}
	return c.String()
}

func FuzzServiceConfig(f *testing.F) {
	for _, c := range serviceConfigs {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := preset.ParseServiceConfig(text)
		if err != nil {
			return
		}
		again, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := preset.ParseServiceConfig(again); err != nil {
			t.Fatalf("%s is written as %s: %v", text, again, err)
		}
		_, _ = s.Policy(preset.Standard())
	})
}

func parsed(t *testing.T, text string) *preset.ServiceConfig {
	t.Helper()
	s, err := preset.ParseServiceConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const perMethod = `{
	"methodConfig": [
		{"name": [{"service": "s.S", "method": "Get"}, {"service": "users.internal:443", "method": "GET"}], "timeout": "2s", "waitForReady": true,
		 "retryPolicy": {"maxAttempts": 9, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 3,
		  "retryableStatusCodes": ["UNAVAILABLE", "ABORTED"], "perAttemptRecvTimeout": "0.5s"}},
		{"name": [{"service": "s.S"}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.02s"}},
		{"name": [{}], "timeout": "7s"}
	],
	"retryThrottling": {"maxTokens": 20, "tokenRatio": 0.5}
}`

func TestMethodsHaveTheirOwnPolicies(t *testing.T) {
	s := parsed(t, perMethod)
	get := s.Config(preset.Standard(), "s.S", "Get")
	if get.Retry.Attempts != 9 || get.Timeout.Limit != 2*time.Second || get.Attempt.Limit != time.Second/2 || get.Budget.Min != 10 || get.Budget.Ratio != 0.5 {
		t.Errorf("Get: %+v", get)
	}
	if !slices.Contains(get.Retry.Codes, "UNAVAILABLE") || !slices.Contains(get.Retry.Codes, "503") || !slices.Contains(get.Retry.Codes, "409") || slices.Contains(get.Retry.Codes, "429") {
		t.Errorf("Get repeats %v", get.Retry.Codes)
	}
	if put := s.Config(preset.Standard(), "s.S", "Put"); put.Hedge.Extra != 2 || put.Hedge.Delay != 20*time.Millisecond || put.Retry.Attempts != -1 {
		t.Errorf("Put: %+v", put)
	}
	if other := s.Config(preset.Standard(), "o.O", "Any"); other.Timeout.Limit != 7*time.Second || other.Attempt.Limit != 7*time.Second || other.Retry.Attempts != 3 {
		t.Errorf("other: %+v", other)
	}
	if wait, said := s.WaitForReady("/s.S/Get"); !wait || !said {
		t.Error("Get waits for a connection")
	}
	if _, said := s.WaitForReady("/s.S/Put"); said {
		t.Error("nothing was said of Put")
	}
	back := preset.MethodConfigOf(get, preset.MethodName{Service: "s.S", Method: "Get"})
	r, want := back.Retry, s.Methods[0].Retry
	if r == nil || r.MaxAttempts != 9 || r.InitialBackoff != want.InitialBackoff || r.MaxBackoff != want.MaxBackoff || r.Multiplier != 3 || r.PerAttempt != want.PerAttempt || *back.Timeout != 2*time.Second {
		t.Errorf("written back: %+v", r)
	}
	if slices.Sort(r.Codes); !slices.Equal(r.Codes, []string{"ABORTED", "UNAVAILABLE"}) && !slices.Equal(r.Codes, []string{"ABORTED", "ALREADY_EXISTS", "UNAVAILABLE"}) {
		t.Errorf("written back: %v", r.Codes)
	}
	if h := preset.MethodConfigOf(s.Config(preset.Standard(), "s.S", "Put")).Hedging; h == nil || h.MaxAttempts != 3 || h.Delay != 20*time.Millisecond {
		t.Errorf("written back: %+v", h)
	}
}

// T68: retryThrottling, and the schedule, hold for gRPC's and for HTTP's calls.
func TestT68_AServiceConfigIsObeyed(t *testing.T) {
	for name, call := range map[string]holdfast.Call{
		"gRPC": {Target: "dns:///users", Method: "/s.S/Get", Repeatable: true},
		"HTTP": {Target: "users.internal:443", Method: "GET", Repeatable: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := preset.Standard()
				base.Breaker.Row, base.Breaker.LongRow, base.Breaker.Ratio = -1, -1, -1
				p, err := parsed(t, perMethod).Policy(base)
				if err != nil {
					t.Fatal(err)
				}
				h := holdfast.Chain(p)
				var sent []time.Time
				down := errors.New("down")
				sender := senderOf(func(context.Context) holdfast.Result {
					sent = append(sent, time.Now())
					code := holdfast.Code("UNAVAILABLE")
					if name == "HTTP" {
						code = "503"
					}
					return holdfast.Result{Err: down, Class: holdfast.Failure, Code: code, After: -1} // the door's caution
				})
				start := time.Now()
				call.Sender = sender
				if res := h(t.Context(), &call); !errors.Is(res.Err, down) {
					t.Error(res.Err)
				}
				// 0.1, 0.3, 0.9 s, a fifth more or less; the fourth, of a second, passes the 2 s
				// but when all are short.
				if len(sent) < 4 || len(sent) > 5 || time.Since(start) > 2*time.Second {
					t.Errorf("%d attempts in %v", len(sent), time.Since(start))
				}
				for i, want := range []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond} {
					if got := sent[i+1].Sub(sent[i]); got < want*8/10 || got > want*12/10 {
						t.Errorf("wait %d is %v", i+1, got)
					}
				}
				left := 10 - (len(sent) - 1) // of Min's ten tokens
				sent = nil
				for range 20 {
					again := holdfast.Call{Target: call.Target, Method: call.Method, Repeatable: true, Sender: sender}
					h(t.Context(), &again)
				}
				if len(sent) != 20+left {
					t.Errorf("%d attempts of 20 calls, want %d", len(sent), 20+left)
				}
			})
		})
	}
}

type senderOf func(context.Context) holdfast.Result

func (s senderOf) Send(ctx context.Context, _ *holdfast.Call) holdfast.Result { return s(ctx) }

// The methods of a target share its circuit.
func TestMethodsShareTheirCircuits(t *testing.T) {
	p, err := parsed(t, perMethod).Policy(preset.Standard())
	if err != nil {
		t.Fatal(err)
	}
	h := holdfast.Chain(p)
	send := func(method string) error {
		return h(t.Context(), &holdfast.Call{Target: "t", Method: method, Sender: senderOf(func(context.Context) holdfast.Result {
			return holdfast.Result{Err: errors.New("down"), Class: holdfast.Failure, Code: "UNKNOWN", After: -1}
		})}).Err
	}
	for range 5 {
		_ = send("/s.S/Get")
	}
	if err := send("/o.O/Other"); !errors.Is(err, breaker.ErrOpen) {
		t.Errorf("another method of the target: %v", err)
	}
}

func TestAServiceConfigThatMakesNoSenseWithItsBaseIsRefused(t *testing.T) {
	base := preset.Standard()
	base.Breaker.Ratio = 7
	if _, err := parsed(t, perMethod).Policy(base); err == nil || !strings.Contains(err.Error(), "breaker.ratio") {
		t.Error(err)
	}
	s := parsed(t, strings.Replace(perMethod, `"0.5s"`, `"5s"`, 1))
	if p, err := s.Policy(preset.Standard()); p == nil || err != nil {
		t.Errorf("an attempt's limit above the call's: %v, want the call's", err)
	}
}
