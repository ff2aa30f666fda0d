package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
)

// Both clients, as they are in their processes, whose figures must agree with each
// other.
func TestAClientCountsItsCalls(t *testing.T) {
	servers, err := startServers(1)
	if err != nil {
		t.Fatal(err)
	}
	defer servers.stop()
	for _, kind := range []string{bare, wrapped} {
		text, err := json.Marshal(order{Client: kind, Nodes: servers.addrs, LastsMS: 200, Terms: terms{Deadline: patience, Limit: attemptLimit, Post: kind == bare}})
		if err != nil {
			t.Fatal(err)
		}
		var out, errs bytes.Buffer
		if status := child(string(text), &out, &errs); status != 0 {
			t.Fatalf("%s: status %d, %s", kind, status, &errs)
		}
		line, found := strings.CutPrefix(out.String(), ready)
		var got outcome
		if err := json.Unmarshal([]byte(line), &got); err != nil || !found {
			t.Fatalf("%q: %v", out.String(), err)
		}
		failed := 0
		for _, n := range got.Failed {
			failed += n
		}
		if got.Client != kind || got.Runs != 1 || got.Calls < atOnce || got.OK+failed != got.Calls || got.OK != len(got.Times) || got.Attempts < got.Calls {
			t.Errorf("%s: %+v", kind, got)
		}
		if kind == bare && got.Attempts != got.Calls {
			t.Errorf("the bare client made %d attempts in %d calls", got.Attempts, got.Calls)
		}
		if kind == wrapped && got.Outcomes["success/200"] < got.OK {
			t.Errorf("of %d successes, attempts were %v", got.OK, got.Outcomes)
		}
	}
}

func TestAnOrderThatIsNoneIsAnError(t *testing.T) {
	var errs bytes.Buffer
	if status := child("{", &errs, &errs); status != 2 || !strings.Contains(errs.String(), "order") {
		t.Errorf("status %d, %s", status, &errs)
	}
}

func TestTheShortFormHasFewerAndShorterRuns(t *testing.T) {
	long, short := setup{}.scenarios(), setup{short: true}.scenarios()
	if got := names(setup{}); !slices.Equal(got, []string{
		"undisturbed", "stopped 50 ms", "stopped 200 ms", "stopped 600 ms", "stopped 2000 ms", "starved", "quota", "hang",
	}) {
		t.Errorf("%q", got)
	}
	var all time.Duration
	for _, s := range short {
		i := slices.IndexFunc(long, func(l scenario) bool { return l.name() == s.name() })
		if i < 0 || long[i].Lasts <= s.Lasts {
			t.Errorf("%+v is no shorter than in the long form", s)
		}
		if s.Kind == stopped && s.Lasts < between*6/5+s.Stop {
			t.Errorf("%s: no stop fits into %v", s.name(), s.Lasts)
		}
		if s.Kind == hang && s.Lasts < s.Hangs+opensWithin {
			t.Errorf("a circuit may open within %v; the run lasts %v", opensWithin, s.Lasts)
		}
		runs := 2 * 2
		if !s.both() {
			runs = 2
		}
		all += time.Duration(runs) * s.Lasts
	}
	if all > 55*time.Second {
		t.Errorf("the short form takes %v", all)
	}
}

func TestErrorsAreNamed(t *testing.T) {
	for want, err := range map[string]error{
		"circuit open":           fmt.Errorf("x: %w", breaker.ErrOpen),
		"limited":                limit.ErrLimited,
		"limit of the attempt":   &holdfast.TimeoutError{Limit: time.Second, Scope: "attempt"},
		"deadline":               fmt.Errorf("x: %w", context.DeadlineExceeded),
		"status: 503":            fmt.Errorf("%w: %d", errStatus, 503),
		"wrong answer":           errWrong,
		"dial N refused after N": errors.New("dial 127.0.0.1:80: refused after 12.5ms"),
		"holdfast: no endpoint":  loadbalance.ErrNoEndpoint,
		"odd":                    errors.New("odd"),
	} {
		if got := reason(err); got != want {
			t.Errorf("%v is %q, want %q", err, got, want)
		}
	}
}

func TestPoliciesAreListenedTo(t *testing.T) {
	d := &deeds{outcomes: map[string]int{}, stops: map[string]int{}}
	d.changed(t.Context(), holdfast.Event{To: "half-open"})
	if d.open() || (*deeds)(nil).open() {
		t.Error("no circuit has opened")
	}
	d.changed(t.Context(), holdfast.Event{To: "open", Detail: "5 failures in a row"})
	for _, what := range []string{"ejected", "spared", "back", "ejected"} {
		d.told(t.Context(), holdfast.Event{Kind: "endpoint", To: what, Detail: "5 errors in a row"})
	}
	d.told(t.Context(), holdfast.Event{Kind: "discovery"})
	paused := d.attempts(func(context.Context, *holdfast.Call) holdfast.Result {
		return holdfast.Result{Class: holdfast.LocalPause, Code: holdfast.CodeDeadline}
	})
	for range 3 {
		paused(t.Context(), &holdfast.Call{})
	}
	d.outcomes["failure/reset"], d.outcomes["refused/dial"] = 1, 2
	var out outcome
	d.tell(&out)
	if out.Opened != 1 || out.Ejected != 2 || out.Spared != 1 || out.Excused != 3 || out.Blamed != 3 || out.Outcomes["local_pause/deadline"] != 3 || len(out.Changes) != 4 {
		t.Errorf("%+v", out)
	}
}

func TestServersTakeTheSameTimeForTheSameItem(t *testing.T) {
	seen := map[time.Duration]bool{}
	for id := range uint64(100) {
		took := serviceTime(1, id)
		if took < fastest || took > slowest || took != serviceTime(1, id) {
			t.Errorf("item %d takes %v", id, took)
		}
		seen[took] = true
	}
	if len(seen) < 90 || serviceTime(1, 1) == serviceTime(2, 1) {
		t.Errorf("%d times for 100 items", len(seen))
	}
}

func TestWrongUsageIsSaidBeforeTheRuns(t *testing.T) {
	for wrong, args := range map[string][]string{
		"not between":     {"-pairs", "-1"},
		"parse error":     {"-seed", "-1"},
		"not defined":     {"-sed", "1"},
		`"10" is no flag`: {"10"},
		"-deadline 0s":    {"-deadline", "0s"},
		"-limit 1h0m0s":   {"-limit", "1h"},
		"no scenario":     {"-only", "nothing"},
		"for -json":       {"-json", filepath.Join(t.TempDir(), "nowhere", "stall.json")},
	} {
		if errCannotStop != nil && wrong == "for -json" {
			continue
		}
		var out, errs bytes.Buffer
		if status := run(t.Context(), args, &out, &errs); status != 2 || !strings.Contains(errs.String(), wrong) || out.Len() > 0 {
			t.Errorf("%q: status %d, %q, and on the output %q", args, status, &errs, &out)
		}
		if n := strings.Count(errs.String(), "\n"); n != 1 {
			t.Errorf("%q: %d lines: %q", args, n, &errs)
		}
	}
	var errs bytes.Buffer
	if status := run(t.Context(), []string{"-h"}, &errs, &errs); status != 0 || !strings.Contains(errs.String(), "-pairs") {
		t.Errorf("-h: status %d, %s", status, &errs)
	}
}
