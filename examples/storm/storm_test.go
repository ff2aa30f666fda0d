package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// One short storm, with real servers and real time, whose figures must agree
// with each other.
func TestStorm(t *testing.T) {
	s := setup{duration: 3500 * time.Millisecond, rate: 200, seed: 3}
	r := stormy(t, s)
	// On a busy machine a server can look so slow at first that the balancer does not ask it in the
	// half second in which it answers 503. Then that fault has shown nothing, and another storm must.
	for range 2 {
		if r.clients[1].deeds.total(func(int) bool { return true }).repeats["503"] == 0 {
			r = stormy(t, s)
		}
	}

	arrivals := len(schedule(s.seed, s.rate, s.duration))
	for i, c := range r.clients {
		all := r.figures(i, func(int) bool { return true })
		if all.calls != arrivals {
			t.Errorf("%s: %d calls of %d arrivals", c.name, all.calls, arrivals)
		}
		apart := figures{}
		for p := range r.phases {
			f := r.figures(i, only(p))
			apart.calls, apart.ok, apart.attempts = apart.calls+f.calls, apart.ok+f.ok, apart.attempts+f.attempts
		}
		if apart.calls != all.calls || apart.ok != all.ok || apart.attempts != all.attempts {
			t.Errorf("%s: the phases sum up to %+v, the storm to %+v", c.name, apart, all)
		}
		failed := 0
		for _, n := range all.failed {
			failed += n
		}
		if all.ok+failed != all.calls || all.failed["wrong answer"] > 0 {
			t.Errorf("%s: %d succeeded and %v failed of %d", c.name, all.ok, all.failed, all.calls)
		}
	}
	if bare := r.figures(0, r.storm); bare.attempts != bare.sent || bare.ok == bare.calls {
		t.Errorf("bare: %+v; want one attempt for each call, and some lost", bare)
	}
	if out := r.figures(1, r.outage); out.calls == 0 {
		t.Error("no call was due in the outage")
	}
	checkBudget(t, r)
	if err := r.disagreement(); err != nil {
		t.Error(err)
	}
	// What the clients came to says something of them only where the machine
	// sends calls when they are due.
	if late := r.late(); late > busy {
		t.Skipf("calls were sent %v late: this machine is too busy to compare clients on", late)
	}
	checkComparison(t, r)
}

// checkBudget checks what retry said it did against what its budget says.
func checkBudget(t *testing.T, r report) {
	t.Helper()
	for _, c := range r.clients {
		if c.deeds == nil {
			continue
		}
		did, spent := c.deeds.total(func(int) bool { return true }), c.deeds.spent()
		granted, refused := repeats(did)+did.hedges["sent"], did.stops[budgetEmpty]+did.hedges["denied: "+budgetEmpty]
		if granted != int(spent.Withdrawn) || refused != int(spent.Refused) {
			t.Errorf("%s: %d were granted and %d refused; the budget says %+v", c.name, granted, refused, spent)
		}
	}
}

func repeats(d deed) (n int) {
	for _, of := range d.repeats {
		n += of
	}
	return n
}

// checkComparison checks what a machine that is not busy shows.
func checkComparison(t *testing.T, r report) {
	t.Helper()
	all := func(int) bool { return true }
	if bare, ours := r.figures(0, r.storm), r.figures(1, r.storm); ours.ok < bare.ok || ours.perCall() > 1.25 {
		t.Errorf("holdfast: %d of %d at %.2f attempts per call; bare: %d", ours.ok, ours.calls, ours.perCall(), bare.ok)
	}
	f, d := r.figures(1, all), r.clients[1].deeds
	did, refunded := d.total(all), int(d.spent().Refunded)
	none := 0 // calls that the breaker rejected
	for _, s := range r.samples[1] {
		if s.sent && s.attempts == 0 {
			none++
		}
	}
	// A hedge that is superseded as it sets out is told of, and never gets there.
	if sent := f.sent - none + repeats(did) + did.hedges["sent"] - refunded; f.attempts > sent || f.attempts < sent-3 {
		t.Errorf("%d attempts at the transport; calls and repeats make %d", f.attempts, sent)
	}
	if did.repeats["503"] == 0 || did.repeats["dial"] == 0 || did.timeouts["attempt"]+did.hedges["sent"] == 0 { // a hang is cut, or beaten by a hedge
		t.Errorf("a fault left no trace: repeated %v, cut %v", did.repeats, did.timeouts)
	}
}

// stormy makes a storm, which leaves nothing running.
func stormy(t *testing.T, s setup) report {
	t.Helper()
	before := runtime.NumGoroutine()
	var out bytes.Buffer
	m, err := newMeter()
	if err != nil {
		t.Fatal(err)
	}
	r, err := storm(t.Context(), s, m, &out, false)
	if err != nil {
		t.Fatal(err)
	}
	noneLeft(t, before)
	t.Log(out.String() + r.text())
	return r
}

// noneLeft checks that the goroutines are back at what they were. Those of
// connections that were just closed need a moment.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		<-tick.C
	}
	stacks := make([]byte, 1<<20)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

func TestStoppedEarly(t *testing.T) {
	before := runtime.NumGoroutine()
	file := filepath.Join(t.TempDir(), "storm.json")
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	var out, errs bytes.Buffer
	start := time.Now()
	status := run(ctx, []string{"-duration", "20s", "-json", file}, &out, &errs, true)
	if took := time.Since(start); status != 130 || took > 5*time.Second || errs.Len() > 0 {
		t.Errorf("status %d after %v, %s", status, took, &errs)
	}
	noneLeft(t, before)
	if text := out.String(); !strings.Contains(text, "Stopped early") || !strings.Contains(text, "all healthy") || !strings.Contains(text, "\r[") {
		t.Errorf("no bar, no table so far:\n%q", text)
	}
	var got result
	if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &got) != nil {
		t.Fatalf("%s, %v", text, err)
	}
	if !got.Interrupted || len(got.Rows) != 4 || got.Rows[0].Calls == 0 || got.Rows[0].Calls > 2000 {
		t.Errorf("%+v", got)
	}
}

func TestWrongUsageIsSaidBeforeTheStorm(t *testing.T) {
	for wrong, args := range map[string][]string{
		"-rate":            {"-rate", "0"},
		"not between":      {"-rate", "NaN"},
		"-duration":        {"-duration", "1ms"},
		"too short":        {"-duration", "-5s"},
		"more than":        {"-duration", "100h"},
		"parse error":      {"-seed", "-1"},
		"not defined":      {"-sed", "1"},
		`"20s" is no flag`: {"20s"},
		"for -json":        {"-json", filepath.Join(t.TempDir(), "nowhere", "storm.json")},
	} {
		var out, errs bytes.Buffer
		if status := run(t.Context(), args, &out, &errs, false); status != 2 || !strings.Contains(errs.String(), wrong) || out.Len() > 0 {
			t.Errorf("%q: status %d, %q, and on the output %q", args, status, &errs, &out)
		}
		if n := strings.Count(errs.String(), "\n"); n != 1 {
			t.Errorf("%q: %d lines: %q", args, n, &errs)
		}
	}
	var errs bytes.Buffer
	if status := run(t.Context(), []string{"-h"}, &errs, &errs, false); status != 0 || !strings.Contains(errs.String(), "-rate") {
		t.Errorf("-h: status %d, %s", status, &errs)
	}
}

func TestABodyThatIsCutCountsAsATimeout(t *testing.T) {
	d := newDeeds(1)
	d.cut(&sample{}, context.DeadlineExceeded) // not ours
	d.cut(&sample{}, limitError())
	(*deeds)(nil).cut(&sample{}, limitError())
	d.stopped(withSample(t.Context(), &sample{}), holdfast.Event{Kind: "retry_stopped", Err: limitError(), Reason: "not_repeatable", Detail: "not repeatable"})
	if got := d.total(only(0)); got.timeouts["idle"] != 2 || len(got.timeouts) != 1 || got.stops["not repeatable"] != 1 {
		t.Errorf("%+v", got)
	}
}

func limitError() error {
	return &holdfast.TimeoutError{Limit: time.Second, Scope: "idle"}
}
