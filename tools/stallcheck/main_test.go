package main

import (
	"strings"
	"testing"
)

func sound() result {
	pair := func(name, kind string, ok int) scenario {
		return scenario{Name: name, Kind: kind, Rows: []row{
			{Client: "bare", Runs: 2, Calls: 10_000, OK: 10_000, Attempts: 10_000},
			{Client: "holdfast", Runs: 2, Calls: 10_000, OK: ok, Attempts: 10_100, Pauses: 4},
		}}
	}
	return result{AtOnce: 100, Scenarios: []scenario{
		pair("stopped 600 ms", "stopped", 9_991), pair("starved", "starved", 10_000),
		{Name: "hang", Kind: "hang", Within: 5000, Rows: []row{{Client: "holdfast", Runs: 2, Calls: 1, Opened: 2, OpenedAfter: []float64{900, 1100}}}},
	}}
}

func TestSoundResultsPass(t *testing.T) {
	said, err := check(sound())
	if err != nil || len(said) != 3 || !strings.Contains(said[0], "-0.090 points") {
		t.Errorf("%q, %v", said, err)
	}
}

func TestNobodyNeedBeStoppedWhoIsLeftAlone(t *testing.T) {
	r := sound()
	alone := r.Scenarios[0]
	alone.Kind, alone.Rows = "undisturbed", append([]row(nil), alone.Rows...)
	alone.Rows[1].Pauses = 0
	r.Scenarios = append(r.Scenarios, alone)
	if _, err := check(r); err != nil {
		t.Error(err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for want, spoil := range map[string]func(r *result){
		"stopped early":        func(r *result) { r.Interrupted = true },
		"points less":          func(r *result) { r.Scenarios[0].Rows[1].OK = 9_989 },
		"1 circuits opened":    func(r *result) { r.Scenarios[1].Rows[1].Opened = 1 },
		"1 nodes ejected":      func(r *result) { r.Scenarios[0].Rows[1].Ejected = 1 },
		"1 spared":             func(r *result) { r.Scenarios[0].Rows[1].Spared = 1 },
		"nobody was stopped":   func(r *result) { r.Scenarios[0].Rows[1].Pauses = 1 },
		"miscounted":           func(r *result) { r.Scenarios[0].Rows[0].Attempts++ },
		"say nothing":          func(r *result) { r.Scenarios[0].Rows[0].Calls, r.Scenarios[0].Rows[0].OK = 10, 10 },
		"no pairs":             func(r *result) { r.Scenarios[0].Rows = r.Scenarios[0].Rows[1:] },
		"no row of holdfast":   func(r *result) { r.Scenarios[0].Rows = r.Scenarios[0].Rows[:1] },
		"in 1 of 2 runs":       func(r *result) { r.Scenarios[2].Rows[0].OpenedAfter = []float64{900} },
		"want 0 to 5000":       func(r *result) { r.Scenarios[2].Rows[0].OpenedAfter[1] = 5001 },
		"-1 ms after":          func(r *result) { r.Scenarios[2].Rows[0].OpenedAfter[1] = -1 },
		`of kind "hang"`:       func(r *result) { r.Scenarios = r.Scenarios[:2] },
		`no scenario of kind `: func(r *result) { r.Scenarios = nil },
	} {
		r := sound()
		spoil(&r)
		if _, err := check(r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
}

func TestFewCallsMayDifferByChance(t *testing.T) {
	r := sound()
	r.Short = true
	// As if one stop's calls of a hundred had been lost: three standard errors are 4.2 points.
	for ok, fails := range map[int]bool{9_900: false, 9_800: false, 9_500: true, 4_000: true} {
		r.Scenarios[0].Rows[1].OK = ok
		if _, err := check(r); (err != nil) != fails {
			t.Errorf("%d of 10000: %v", ok, err)
		}
	}
}
