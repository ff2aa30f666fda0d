package main

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// made is a report of two pairs whose figures are known.
func made() *report {
	r := &report{Pairs: 2, Seed: 7, AtOnce: atOnce, DeadlineMS: 1000, WantsCPU: 0.4}
	for _, s := range []scenario{
		{Kind: stopped, Stop: 600 * time.Millisecond, Lasts: time.Second},
		{Kind: hang, Lasts: time.Second, Hangs: time.Second / 2},
	} {
		r.Scenarios = append(r.Scenarios, newResult(s))
	}
	times := func(from, n int) (list []int32) {
		for i := range n {
			list = append(list, int32(from-i)) // not in order
		}
		return list
	}
	one := &r.Scenarios[0]
	one.add(outcome{Client: bare, Runs: 1, Calls: 100, OK: 100, Attempts: 100, Times: times(100, 100)})
	one.add(outcome{
		Client: wrapped, Runs: 1, Calls: 200, OK: 190, Attempts: 230, Failed: map[string]int{"deadline": 10}, Opened: 1, Excused: 3, Pauses: 4,
		Outcomes: map[string]int{"local_pause/timeout": 3, "success/200": 190}, Times: times(200, 190),
	})
	one.add(outcome{Client: bare, Runs: 1, Calls: 300, OK: 298, Attempts: 300, Failed: map[string]int{"deadline": 2}, Times: times(400, 298)})
	one.add(outcome{
		Client: wrapped, Runs: 1, Calls: 200, OK: 200, Attempts: 210, Ejected: 2, Spared: 1, Blamed: 6, Pauses: 5,
		Outcomes: map[string]int{"success/200": 200}, Times: times(300, 200),
	})
	r.Scenarios[1].add(outcome{Client: wrapped, Runs: 1, Calls: 50, OK: 10, Attempts: 60, Opened: 1, OpenedAfter: []float64{1200}, Times: times(20, 10)})
	r.Scenarios[1].add(outcome{Client: wrapped, Runs: 1, Calls: 50, OK: 10, Attempts: 60, Opened: 1, OpenedAfter: []float64{900}, Times: times(20, 10)})
	return r
}

func TestRunsArePooledByTheirCalls(t *testing.T) {
	one := made().Scenarios[0]
	if len(one.Rows) != 2 || len(one.Each) != 4 {
		t.Fatalf("%d rows of %d runs", len(one.Rows), len(one.Each))
	}
	b, h := one.Rows[0], one.Rows[1]
	if b.Runs != 2 || b.Calls != 400 || b.OK != 398 || b.Success != 99.5 || b.PerCall != 1 || b.Failed["deadline"] != 2 {
		t.Errorf("bare: %+v", b)
	}
	if h.Calls != 400 || h.Success != 97.5 || h.PerCall != 1.1 || h.Opened != 1 || h.Ejected != 2 || h.Spared != 1 || h.Excused != 3 || h.Blamed != 6 || h.Pauses != 9 {
		t.Errorf("holdfast: %+v", h)
	}
	if want := map[string]int{"local_pause/timeout": 3, "success/200": 390}; !reflect.DeepEqual(h.Outcomes, want) {
		t.Errorf("outcomes %v, want %v", h.Outcomes, want)
	}
	if one.Points == nil || math.Abs(*one.Points+2) > 1e-9 {
		t.Errorf("points %v, want -2", one.Points)
	}
	// bare: 1 to 100 and 103 to 400, of which the 199th is 201 and the 395th 397.
	if b.P50 != 20.1 || b.P99 != 39.7 {
		t.Errorf("p50 %v, p99 %v", b.P50, b.P99)
	}
	if first := one.Each[1]; first.Outcomes["success/200"] != 190 || first.Times != nil || first.P50 != 10.5 {
		t.Errorf("pooling has changed the first run: %+v", first)
	}
}

func TestPercentileIsTheNearestRank(t *testing.T) {
	for _, c := range []struct {
		of   []int32
		p    int
		want float64
	}{
		{nil, 50, 0}, {[]int32{7}, 0, 0.7}, {[]int32{7}, 99, 0.7}, {[]int32{10, 20}, 50, 1}, {[]int32{10, 20}, 51, 2}, {[]int32{10, 20, 30}, 99, 3},
	} {
		if got := percentile(c.of, c.p); got != c.want {
			t.Errorf("percentile %d of %v = %v, want %v", c.p, c.of, got, c.want)
		}
	}
}

func TestTheTableSaysWhatWasMeasured(t *testing.T) {
	const want = `
                client    calls   success  points  attempts    p50    p99  opened  ejected  blamed  excused  pauses
stopped 600 ms  bare        400  99.500 %             1.000  20 ms  40 ms
                holdfast    400  97.500 %  -2.000     1.100  15 ms  30 ms       1        2       6        3       9
hang            holdfast    100  20.000 %             1.200   2 ms   2 ms       2        0       0        0       0

The servers hung: in 2 of 2 runs a circuit opened, 900 to 1200 ms later.
`
	if got := made().text(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	r := made()
	r.Interrupted = true
	r.Scenarios[1].Rows[0].OpenedAfter = nil
	if got := r.text(); !strings.HasPrefix(got, "Stopped early") || !strings.Contains(got, "in none of 2 runs") {
		t.Errorf("%s", got)
	}
	if got := (&report{Scenarios: []result{newResult(scenario{Kind: hang})}}).text(); strings.Contains(got, "hung") {
		t.Errorf("nothing was run, and it says\n%s", got)
	}
}

func TestTheJSONHasTheRowsAndEachRun(t *testing.T) {
	var b bytes.Buffer
	if err := made().writeJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Scenarios []struct {
			Name   string
			Points *float64
			Within float64 `json:"within_ms"`
			Rows   []struct {
				Client      string
				Calls       int
				Success     float64
				PerCall     float64   `json:"attempts_per_call"`
				Opened      int       `json:"circuits_opened"`
				OpenedAfter []float64 `json:"opened_after"`
			}
			Each []map[string]any
		}
	}
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got.Scenarios) != 2 || len(got.Scenarios[0].Rows) != 2 || len(got.Scenarios[0].Each) != 4 || strings.Contains(b.String(), "times_100us") {
		t.Fatalf("%s", b.String())
	}
	if row := got.Scenarios[0].Rows[1]; row.Client != wrapped || row.Calls != 400 || row.Success != 97.5 || row.PerCall != 1.1 || row.Opened != 1 {
		t.Errorf("%+v", row)
	}
	if last := got.Scenarios[1]; last.Points != nil || last.Within != 5000 || !reflect.DeepEqual(last.Rows[0].OpenedAfter, []float64{1200, 900}) {
		t.Errorf("%+v", last)
	}
}
