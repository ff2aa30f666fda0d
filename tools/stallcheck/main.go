// Stallcheck reads what `go run ./examples/stall -json FILE` wrote and fails
// unless holdfast did as well as the bare client and blamed no server: stallcheck
// FILE.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"math"
	"os"
)

// What holdfast's pooled success may be below the bare client's, in points, and the
// calls of each client that say anything.
const (
	maxBelow = 0.1
	minCalls = 1000
)

type row struct {
	Client      string    `json:"client"`
	Runs        int       `json:"runs"`
	Calls       int       `json:"calls"`
	OK          int       `json:"ok"`
	Attempts    int       `json:"attempts"`
	Opened      int       `json:"circuits_opened"`
	Ejected     int       `json:"nodes_ejected"`
	Spared      int       `json:"nodes_spared"`
	Pauses      int       `json:"pauses"`
	OpenedAfter []float64 `json:"opened_after"`
}

type scenario struct {
	Name   string  `json:"name"`
	Kind   string  `json:"kind"`
	Within float64 `json:"within_ms"`
	Rows   []row   `json:"rows"`
}

type result struct {
	Short       bool       `json:"short"`
	Interrupted bool       `json:"interrupted"`
	AtOnce      int        `json:"at_once"`
	Scenarios   []scenario `json:"scenarios"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("stallcheck: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: stallcheck FILE")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		log.Fatalf("%s: %v", os.Args[1], err)
	}
	said, err := check(r)
	for _, line := range said {
		fmt.Println("stall:", line)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// check returns a line for each scenario, and what is wrong.
func check(r result) (said []string, err error) {
	if r.Interrupted || r.AtOnce <= 0 {
		return nil, errors.New("the runs were stopped early")
	}
	kinds := map[string]bool{}
	var wrong []error
	for _, s := range r.Scenarios {
		line, err := s.check(r)
		if err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", s.Name, err))
			continue
		}
		said = append(said, s.Name+": "+line)
		kinds[s.Kind] = true
	}
	for _, kind := range []string{"stopped", "starved", "hang"} {
		if !kinds[kind] && len(wrong) == 0 {
			wrong = append(wrong, fmt.Errorf("no scenario of kind %q", kind))
		}
	}
	return said, errors.Join(wrong...)
}

func (s scenario) check(r result) (line string, err error) {
	ours, ok := s.row("holdfast")
	if !ok {
		return "", errors.New("no row of holdfast")
	}
	if s.Kind == "hang" {
		return s.checkHang(ours)
	}
	bare, ok := s.row("bare")
	switch {
	case !ok || bare.Runs != ours.Runs:
		return "", errors.New("no pairs of runs")
	case bare.Calls < minCalls || ours.Calls < minCalls:
		return "", fmt.Errorf("%d calls of the bare client and %d of holdfast say nothing", bare.Calls, ours.Calls)
	case bare.Attempts != bare.Calls:
		return "", fmt.Errorf("attempts are miscounted: %d of the bare client, in %d calls", bare.Attempts, bare.Calls)
	case s.Kind != "undisturbed" && ours.Pauses < ours.Runs:
		return "", fmt.Errorf("%d pauses were noticed in %d runs: nobody was stopped", ours.Pauses, ours.Runs)
	case ours.Opened > 0 || ours.Ejected > 0 || ours.Spared > 0:
		return "", fmt.Errorf("healthy servers were blamed: %d circuits opened, %d nodes ejected and %d spared", ours.Opened, ours.Ejected, ours.Spared)
	}
	points, below := 100*(ours.success()-bare.success()), maxBelow
	if r.Short {
		below += chance(bare, ours, r.AtOnce)
	}
	if points < -below {
		return "", fmt.Errorf("%.3f %% of the bare client's calls succeeded and %.3f %% of holdfast's: %.3f points less, %.3f are allowed",
			100*bare.success(), 100*ours.success(), -points, below)
	}
	return fmt.Sprintf("bare %.3f %%, holdfast %.3f %% (%+.3f points, allowed %.3f)", 100*bare.success(), 100*ours.success(), points, -below), nil
}

// checkHang checks that a circuit opened in every run, after the servers hung and in
// time.
func (s scenario) checkHang(ours row) (line string, err error) {
	if s.Within <= 0 || ours.Runs == 0 || len(ours.OpenedAfter) != ours.Runs {
		return "", fmt.Errorf("a circuit opened in %d of %d runs", len(ours.OpenedAfter), ours.Runs)
	}
	for _, after := range ours.OpenedAfter {
		if after < 0 || after > s.Within {
			return "", fmt.Errorf("a circuit opened %.0f ms after the servers hung, want 0 to %.0f", after, s.Within)
		}
	}
	return fmt.Sprintf("a circuit opened in each of %d runs, after %.0f ms", ours.Runs, ours.OpenedAfter), nil
}

// chance is by how many points two clients that are alike may differ in a few short
// runs: three standard errors of the bare client's success, where the calls that are
// under way at once count as one, since a stop ends them all alike, and as if one of
// these at least had failed.
func chance(bare, ours row, atOnce int) float64 {
	nb, no := float64(bare.Calls)/float64(atOnce), float64(ours.Calls)/float64(atOnce)
	failed := max(float64(bare.Calls-bare.OK)/float64(atOnce), 1) / nb
	return 100 * 3 * math.Sqrt(failed*(1-failed)*(1/nb+1/no))
}

func (r row) success() float64 { return float64(r.OK) / float64(r.Calls) }

func (s scenario) row(client string) (row, bool) {
	for _, r := range s.Rows {
		if r.Client == client {
			return r, r.OK <= r.Calls
		}
	}
	return row{}, false
}
