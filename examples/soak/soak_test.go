package main

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"
)

// All of it, for two seconds.
func TestASoakLeavesNothing(t *testing.T) {
	var out, wrong bytes.Buffer
	if status := run(t.Context(), []string{"-for", "2s", "-rate", "100"}, &out, &wrong); status != 0 {
		t.Errorf("status %d: %s\n%s", status, wrong.String(), out.String())
	}
	for _, row := range []string{"at start", "all well again", "at end"} {
		if !strings.Contains(out.String(), row) {
			t.Errorf("there is no row %q:\n%s", row, out.String())
		}
	}
}

func TestWhatIsLeftIsSaid(t *testing.T) {
	start := snapshot{goroutines: 3, descriptors: 9, heap: 1}
	if err := start.more(start); err != nil {
		t.Error(err)
	}
	for want, s := range map[string]snapshot{
		"4 goroutines, 3 at the start":        {goroutines: 4, descriptors: 9, heap: 1},
		"10 descriptors, 9 at the start":      {goroutines: 3, descriptors: 10, heap: 1},
		"a heap of 3.1 MiB, 1.0 at the start": {goroutines: 3, descriptors: 9, heap: 1 + heapTolerance + 0.1},
	} {
		if err := s.more(start); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A call that holds its place, and a circuit that stays open, are found.
func TestWhatIsHeldIsFound(t *testing.T) {
	nodes, err := startNodes(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer nodes[0].stop()
	c, err := newClients(nodes)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.close(0) }()
	resp, err := c.web.Get("http://t1.soak.test/")
	if err != nil {
		t.Fatal(err)
	}
	if held := c.held(); !strings.HasPrefix(held, "limit_in_flight 1") {
		t.Errorf("a body that is not closed: %q", held)
	}
	_ = resp.Body.Close()
	if err := c.idle(); err != nil {
		t.Error(err)
	}
	if ill := c.ill(); len(ill) != 0 {
		t.Error(ill)
	}
	c.stacks[0].Breaker().Isolate("t1.soak.test")
	if ill := c.ill(); len(ill) != 1 {
		t.Error(ill)
	}
}

// Each fault is what it is called.
func TestFaults(t *testing.T) {
	nodes, err := startNodes(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	n := nodes[0]
	defer n.stop()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}
	for f := range faults {
		n.ill.Store(int32(f))
		seen := map[string]int{}
		for range 12 {
			resp, err := client.Get("http://" + n.addr)
			if err != nil {
				seen["error"]++
				continue
			}
			got := new(bytes.Buffer)
			if _, err := got.ReadFrom(resp.Body); err != nil {
				seen["half"]++
			} else {
				seen[resp.Status[:3]]++
			}
			_ = resp.Body.Close()
		}
		want := map[fault]string{well: "200", slow: "200", failing: "503", resets: "error", hangs: "error", halves: "half", overloaded: "429"}[f]
		if seen[want] == 0 || f != well && f != slow && (seen["200"] == 0 || seen[want]+seen["200"] != 12) {
			t.Errorf("fault %d: %v, want %s", f, seen, want)
		}
		if f == hangs {
			client.CloseIdleConnections()
		}
	}
}

func TestMostDrawnConfigsAreValid(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	valid := 0
	for range 1000 {
		if c := drawn(r); c.Validate() == nil {
			valid++
		}
	}
	if valid < 300 {
		t.Errorf("%d of 1000", valid)
	}
}

func TestWrongFlags(t *testing.T) {
	for _, args := range [][]string{{"-for", "0s"}, {"-rate", "0"}, {"-what"}, {"more"}} {
		var wrong bytes.Buffer
		if status := run(t.Context(), args, &wrong, &wrong); status != 2 || !strings.HasPrefix(wrong.String(), "soak: ") {
			t.Errorf("%v: %d, %q", args, status, wrong.String())
		}
	}
}
