package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/retry"
)

// made is a report of a made-up storm: five calls before the outage, two in it.
func made() report {
	phases, _ := script(20 * time.Second)
	d := newDeeds(len(phases))
	d.budget = retry.NewBudget(retry.BudgetOptions{})
	d.phases[2].repeats["503"] = 1
	d.phases[5].stops[budgetEmpty] = 2
	d.phases[5].stops["3 attempts made"] = 1234
	d.phases[5].timeouts["attempt"] = 1
	bare := []sample{
		{phase: 0, sent: true, ok: true, took: 5 * time.Millisecond, attempts: 1},
		{phase: 2, sent: true, why: "503", took: 2 * time.Millisecond, attempts: 1},
		{phase: 2, sent: true, ok: true, took: 8 * time.Millisecond, attempts: 1},
		{phase: 3, sent: true, why: "timed out", took: 1001 * time.Millisecond, attempts: 1},
		{phase: 5, sent: true, why: "refused", took: time.Millisecond, attempts: 1},
	}
	ours := []sample{
		{phase: 0, sent: true, ok: true, took: 5 * time.Millisecond, attempts: 1},
		{phase: 2, sent: true, ok: true, took: 12500 * time.Microsecond, attempts: 2},
		{phase: 2, sent: true, ok: true, took: 8 * time.Millisecond, attempts: 1},
		{phase: 3, sent: true, ok: true, took: 259 * time.Millisecond, attempts: 2},
		{phase: 5, sent: true, why: "refused", took: time.Millisecond, attempts: 3},
	}
	return report{
		setup: setup{duration: 20 * time.Second, rate: 300, seed: 9}, phases: phases,
		clients: []*client{{name: "http bare"}, {name: "http holdfast", deeds: d}},
		samples: [][]sample{bare, ours},
	}
}

func TestJSONHasTheStormAndTheOutageApart(t *testing.T) {
	var b bytes.Buffer
	if err := made().writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := []any{
		map[string]any{
			"client": "http bare", "calls": 4.0, "ok": 2.0, "p50_ms": 5.0, "p99_ms": 1001.0, "p999_ms": 1001.0,
			"attempts_per_call": 1.0, "attempts": 4.0, "sent": 4.0, "failed": map[string]any{"503": 1.0, "timed out": 1.0},
		},
		map[string]any{
			"client": "http holdfast", "calls": 4.0, "ok": 4.0, "p50_ms": 8.0, "p99_ms": 259.0, "p999_ms": 259.0,
			"attempts_per_call": 1.5, "attempts": 6.0, "sent": 4.0, "failed": map[string]any{},
		},
	}
	if !reflect.DeepEqual(got["rows"], want) {
		t.Errorf("rows: %v\nwant  %v", got["rows"], want)
	}
	outage, _ := got["outage"].([]any)
	phases, _ := got["phases"].([]any)
	if len(outage) != 2 || len(phases) != 8 {
		t.Fatalf("%d rows of the outage, %d phases", len(outage), len(phases))
	}
	if row, _ := outage[1].(map[string]any); row["calls"] != 1.0 || row["ok"] != 0.0 || row["attempts_per_call"] != 3.0 {
		t.Errorf("outage: %v", row)
	}
	last, _ := phases[5].(map[string]any)
	did := map[string]any{
		"repeated": map[string]any{}, "gave_up": map[string]any{budgetEmpty: 2.0, "3 attempts made": 1234.0},
		"timed_out": map[string]any{"attempt": 1.0}, "hedged": map[string]any{},
	}
	if last["outage"] != true || int(1000*last["end_s"].(float64))-int(1000*last["start_s"].(float64)) != 2000 || !reflect.DeepEqual(last["did"], map[string]any{"http holdfast": did}) {
		t.Errorf("the phase of the outage: %v", last)
	}
	if got["seed"] != 9.0 || got["duration_s"] != 20.0 || got["rate"] != 300.0 || got["interrupted"] != false || got["budget"] == nil {
		t.Errorf("setup: %v", got)
	}
}

func TestTextSaysTheDifference(t *testing.T) {
	text := made().text()
	for _, line := range []string{
		"PHASE            CLIENT    CALLS   SUCCESS      P50     P99   P99.9  ATTEMPTS  FAILED",
		"one answers 503     http bare          2   50.00 %     2 ms     8 ms     8 ms      1.00  1 x 503",
		"                    http holdfast      2  100.00 %     8 ms  12.5 ms  12.5 ms      1.50",
		"ALL BUT THE OUTAGE  http bare          4   50.00 %     5 ms   1.00 s   1.00 s      1.00  1 x 503, 1 x timed out",
		"all six down       -                      1,234 x 3 attempts made, 2 x budget empty  - 1 x attempt",
		"Outside the outage and the moment after it http bare lost 2 (1 in 2) of 4 calls, http holdfast none, for 1.50 attempts per call;",
		"the slowest in a hundred took 1.00 s or longer with the former, 259 ms with the latter.",
		"In the outage http holdfast made 3.00 attempts per call, of 4 that it may: its breaker rejected 0 calls.",
	} {
		if squeezed := strings.Join(strings.Fields(line), " "); !strings.Contains(squeeze(text), squeezed) {
			t.Errorf("%q is missing in\n%s", squeezed, text)
		}
	}
	for _, line := range strings.Split(text, "\n") {
		if strings.HasSuffix(line, " ") {
			t.Errorf("%q ends in a blank", line)
		}
	}
	if strings.Contains(text, "one hangs, ") || strings.Contains(text, "recovered") || strings.Contains(text, "Stopped") {
		t.Errorf("a phase without calls has a line in\n%s", text)
	}
	if strings.Contains(text, "busy") {
		t.Errorf("a machine that kept up is called busy in\n%s", text)
	}
	loaded := made()
	loaded.samples[1][3].late = 51 * time.Millisecond
	if text := loaded.text(); !strings.Contains(text, "machine was busy: one call in a hundred was sent 51 ms late") || loaded.result().LateMS != 51 {
		t.Errorf("a machine that was late:\n%s", text)
	}
	early := made()
	early.interrupted = true
	early.samples = [][]sample{nil, nil}
	if text := early.text(); !strings.Contains(text, "Stopped early") || !strings.Contains(text, "nothing to compare") {
		t.Errorf("a storm stopped before its first call:\n%s", text)
	}
}

// squeeze makes every run of blanks in a line one.
func squeeze(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}

func TestWriteTableAligns(t *testing.T) {
	var b strings.Builder
	writeTable(&b, [][]string{{"A", "N", "WHY"}, {"long", "7", "x"}, nil, {"µ", "1,234", ""}}, 1, 1)
	want := "A         N  WHY\nlong      7  x\n\nµ     1,234\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestNumbersForPeople(t *testing.T) {
	for _, pair := range [][2]string{ // what it is, what it should be
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(1234567), "1,234,567"}, {thousands(-1000), "-1,000"},
		{ms(1234 * time.Microsecond), "1.23 ms"}, {ms(999 * time.Millisecond), "999 ms"}, {ms(1500 * time.Millisecond), "1.50 s"},
		{percent(figures{calls: 100_000, ok: 99_999}), "99.99 %"}, {percent(figures{calls: 3, ok: 3}), "100.00 %"},
		{percent(figures{}), "0.00 %"}, {percent(figures{calls: 1000, ok: 1}), "0.10 %"},
		{lost(figures{calls: 10, ok: 10}), "none"}, {lost(figures{calls: 5384, ok: 5384 - 332}), "332 (1 in 16)"},
		{counts(map[string]int{"b": 2, "a": 2, "c": 3}, "-"), "3 x c, 2 x a, 2 x b"}, {counts(nil, "-"), "-"},
		{gist("180 ms left < 250 ms wait"), "no time left"}, {gist(budgetEmpty), budgetEmpty},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%q, want %q", pair[0], pair[1])
		}
	}
}
