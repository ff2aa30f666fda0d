package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Every experiment reaches its goals. What is drawn by chance in a pick has no seed,
// so one that does not is run once more.
func TestExperimentsReachTheirGoals(t *testing.T) {
	if raceEnabled {
		t.Skip("minutes of traffic, with goroutines for each call: the ordinary run has them")
	}
	var all []row
	for _, e := range experiments {
		rows := run(t, []string{e.id}, io.Discard)
		if !reached(rows) {
			t.Logf("once more: %+v", rows)
			rows = run(t, []string{e.id}, io.Discard)
		}
		for _, r := range rows {
			if !r.OK {
				t.Errorf("%s: %s: %s, %s", r.ID, r.Measure, figure(r.Ours, r.unit), r.goal)
			}
		}
		all = append(all, rows...)
	}
	file := filepath.Join(t.TempDir(), "tail.json")
	if err := write(file, all); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Rows []row }
	if err := json.Unmarshal(text, &got); err != nil || len(got.Rows) != len(all) || got.Rows[0].ID != "E1" {
		t.Errorf("%v: %s", err, text)
	}
}

func reached(rows []row) bool {
	for _, r := range rows {
		if !r.OK {
			return false
		}
	}
	return true
}

func TestAGoalCanBeMissed(t *testing.T) {
	for _, r := range []row{most("", "", 1, 2, 1), least("", "", 1, 1, 2), near("", "", 100, 106, 0.05), near("", "", 100, 94, 0.05)} {
		if r.OK {
			t.Errorf("%+v", r)
		}
	}
	for _, r := range []row{most("", "", 1, 1, 1), least("", "", 1, 2, 2), near("", "", 100, 104, 0.05)} {
		if !r.OK {
			t.Errorf("%+v", r)
		}
	}
}
