// Tail repeats published experiments on load balancing and hedging in virtual time,
// through holdfast's own policies, and prints the published figure, ours and the
// verdict.
//
//	go run ./examples/tail [-only E1,E17] [-json FILE]
//
// Minutes of traffic take seconds: time stands still while there is something to
// do, in a bubble of testing/synctest.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// A row is one measure of one experiment.
type row struct {
	ID        string  `json:"id"`
	Measure   string  `json:"measure"`
	Published float64 `json:"published"` // the figure of the source, or what it has to reach
	Ours      float64 `json:"ours"`
	OK        bool    `json:"ok"`
	unit      string
	goal      string
}

func main() {
	only := flag.String("only", "", "run these alone: E1,E17")
	file := flag.String("json", "", "write the rows to this `file`, too")
	testing.Init() // for the bubble, which belongs to package testing
	flag.Parse()
	var ids []string
	if *only != "" {
		ids = strings.Split(*only, ",")
	}
	// Bubbles belong to tests, so that is what the experiments are: one, which fails
	// when a row does.
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{Name: "tail", F: func(t *testing.T) {
		rows := run(t, ids, os.Stdout)
		if *file != "" {
			if err := write(*file, rows); err != nil {
				t.Error(err)
			}
		}
		if slices.ContainsFunc(rows, func(r row) bool { return !r.OK }) {
			t.Fail()
		}
	}}}, nil, nil)
}

// An experiment is run in a bubble of its own.
type experiment struct {
	id    string
	title string
	run   func() []row
}

var experiments = []experiment{
	{"E1", "Buoyant 2016: 11 servers of 167 ms, one takes 2 s for half the time; 1,000 calls/s", e1},
	{"E2", "tower PR 76: ten servers from 1 ms to 1 s, 50 calls at a time", e2},
	{"E3", "brpc 3340: four servers, one or two take 5 ms more; 4,000 calls/s", e3},
	{"E4", "sathwick C2: 16 servers, two take 16 times as long; 500 calls/s", e4},
	{"E5", "prequal-rs: 20 clients, 20 servers of four workers, disturbed in turn; 90 % load", e5},
	{"E11", "The Tail at Scale: a fan-out waits for the slowest", e11},
	{"E13", "The Tail at Scale, BigTable: 100 leaves, hedged after 10 ms", e13},
	{"E15", "bhope/hedge: 5 ms and one straggler in twenty, hedged", e15},
	{"E16", "a server that fails at once among ten", e16},
	{"E17", "a server that hangs among four", e17},
	{"E18", "keys that move when a server goes", e18},
	{"E19", "bounded loads", e19},
}

// run runs the experiments and prints their rows as they come.
func run(t *testing.T, ids []string, w io.Writer) (rows []row) {
	inBubble = func(f func()) { synctest.Test(t, func(*testing.T) { f() }) }
	_, _ = fmt.Fprintf(w, "%-5s %-62s %12s %12s  %s\n", "", "", "PUBLISHED", "OURS", "")
	for _, e := range experiments {
		if len(ids) > 0 && !slices.Contains(ids, e.id) {
			continue
		}
		_, _ = fmt.Fprintf(w, "\n%-5s %s\n", e.id, e.title)
		for _, r := range e.run() {
			r.ID = e.id
			rows = append(rows, r)
			verdict := "ok"
			if !r.OK {
				verdict = "NOT REACHED"
			}
			_, _ = fmt.Fprintf(w, "%-5s   %-60s %12s %12s  %s, %s\n", "", r.Measure, figure(r.Published, r.unit), figure(r.Ours, r.unit), verdict, r.goal)
		}
	}
	return rows
}

func figure(v float64, unit string) string {
	switch {
	case v == 0:
		return "0 " + unit
	case v >= 100:
		return fmt.Sprintf("%.1f %s", v, unit)
	case v >= 1:
		return fmt.Sprintf("%.2f %s", v, unit)
	}
	return fmt.Sprintf("%.4f %s", v, unit)
}

func write(file string, rows []row) error {
	text, err := json.MarshalIndent(map[string]any{"rows": rows}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}

// most and least make rows with a bound.
func most(measure, unit string, published, ours, bound float64) row {
	return row{Measure: measure, unit: unit, Published: published, Ours: ours, OK: ours <= bound, goal: "at most " + figure(bound, unit)}
}

func least(measure, unit string, published, ours, bound float64) row {
	return row{Measure: measure, unit: unit, Published: published, Ours: ours, OK: ours >= bound, goal: "at least " + figure(bound, unit)}
}

// near makes a row that must be within a part of the published figure.
func near(measure, unit string, published, ours, part float64) row {
	off := ours/published - 1
	return row{Measure: measure, unit: unit, Published: published, Ours: ours, OK: off <= part && off >= -part, goal: fmt.Sprintf("within %.3g %%", 100*part)}
}

// inBubble runs f in virtual time.
var inBubble func(f func())
