package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A report is what all runs came to, as the JSON has it.
type report struct {
	Short       bool     `json:"short"`
	Interrupted bool     `json:"interrupted"`
	Pairs       int      `json:"pairs"`
	Seed        uint64   `json:"seed"`
	AtOnce      int      `json:"at_once"`
	DeadlineMS  float64  `json:"deadline_ms"`
	LimitMS     float64  `json:"limit_ms"`           // of an attempt, with holdfast
	Post        bool     `json:"post"`               // else the calls are GETs
	WantsCPU    float64  `json:"wants_cpu"`          // of a bare client that is left alone
	Quota       string   `json:"no_quota,omitempty"` // why there was none
	Scenarios   []result `json:"scenarios"`
}

// A result is what the runs of one scenario came to.
type result struct {
	scenario scenario

	Name   string    `json:"name"`
	Kind   string    `json:"kind"`
	StopMS float64   `json:"stop_ms,omitempty"`
	RunMS  float64   `json:"run_ms"`
	Rows   []row     `json:"rows"`                // pooled: bare, if it ran, and holdfast
	Each   []outcome `json:"each"`                // run by run, in their order
	Points *float64  `json:"points,omitempty"`    // holdfast's success less the bare client's
	Within float64   `json:"within_ms,omitempty"` // a circuit is to open, of kind hang
}

// A row is one client's runs together.
type row struct {
	outcome
	Success float64 `json:"success"` // %
	PerCall float64 `json:"attempts_per_call"`
}

func newResult(s scenario) result {
	r := result{scenario: s, Name: s.name(), Kind: s.Kind, StopMS: millis(s.Stop), RunMS: millis(s.Lasts)}
	if s.Kind == hang {
		r.Within = millis(opensWithin)
	}
	return r
}

// add takes one run in.
func (one *result) add(out outcome) {
	i := slices.IndexFunc(one.Rows, func(r row) bool { return r.Client == out.Client })
	if i < 0 {
		i = len(one.Rows)
		one.Rows = append(one.Rows, row{outcome: outcome{Client: out.Client}})
	}
	r := &one.Rows[i]
	r.pool(out)
	slices.Sort(r.Times)
	r.P50, r.P99 = percentile(r.Times, 50), percentile(r.Times, 99)
	if r.Calls > 0 {
		r.Success, r.PerCall = r.success(), float64(r.Attempts)/float64(r.Calls)
	}
	if len(one.Rows) == 2 {
		points := one.Rows[1].Success - one.Rows[0].Success
		one.Points = &points
	}
	slices.Sort(out.Times)
	out.P50, out.P99, out.Times = percentile(out.Times, 50), percentile(out.Times, 99), nil
	one.Each = append(one.Each, out)
}

// pool adds what another run came to.
func (o *outcome) pool(of outcome) {
	o.Runs += of.Runs
	o.Calls, o.OK, o.Attempts = o.Calls+of.Calls, o.OK+of.OK, o.Attempts+of.Attempts
	o.Opened, o.Ejected, o.Spared = o.Opened+of.Opened, o.Ejected+of.Ejected, o.Spared+of.Spared
	o.Excused, o.Blamed = o.Excused+of.Excused, o.Blamed+of.Blamed
	o.Hedges, o.Repeats = o.Hedges+of.Hedges, o.Repeats+of.Repeats
	o.Pauses, o.StoodMS = o.Pauses+of.Pauses, o.StoodMS+of.StoodMS
	o.LastedMS, o.CPUMS = o.LastedMS+of.LastedMS, o.CPUMS+of.CPUMS
	o.Failed, o.Outcomes, o.Stops = sum(o.Failed, of.Failed), sum(o.Outcomes, of.Outcomes), sum(o.Stops, of.Stops)
	o.OpenedAfter = append(o.OpenedAfter, of.OpenedAfter...)
	o.Times = append(o.Times, of.Times...)
}

// sum is a new map, so that none is shared.
func sum(a, b map[string]int) map[string]int {
	if len(a)+len(b) == 0 {
		return nil
	}
	both := maps.Clone(a)
	if both == nil {
		both = map[string]int{}
	}
	for what, n := range b {
		both[what] += n
	}
	return both
}

// percentile returns the p-th percentile of sorted times by nearest rank, in ms; 0
// when there are none.
func percentile(sorted []int32, p int) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (p*len(sorted) + 99) / 100
	return float64(sorted[max(rank, 1)-1]) / 10
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// success is the part of the calls that ended well, in %.
func (o *outcome) success() float64 {
	if o.Calls == 0 {
		return 0
	}
	return 100 * float64(o.OK) / float64(o.Calls)
}

func (r *report) writeJSON(w io.Writer) error {
	for i := range r.Scenarios {
		for j := range r.Scenarios[i].Rows {
			r.Scenarios[i].Rows[j].Times = nil // they are in the percentiles
		}
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// text is the report for people.
func (r *report) text() string {
	var b strings.Builder
	if r.Interrupted {
		b.WriteString("Stopped early; what there is so far:\n")
	}
	b.WriteByte('\n')
	table := [][]string{{"", "client", "calls", "success", "points", "attempts", "p50", "p99", "opened", "ejected", "blamed", "excused", "pauses"}}
	for _, one := range r.Scenarios {
		for i, row := range one.Rows {
			name, points, policies := one.Name, "", []string{"", "", "", "", ""}
			if i > 0 {
				name = ""
			}
			if row.Client == wrapped {
				if one.Points != nil {
					points = fmt.Sprintf("%+.3f", *one.Points)
				}
				policies = []string{fmt.Sprint(row.Opened), fmt.Sprint(row.Ejected), fmt.Sprint(row.Blamed), fmt.Sprint(row.Excused), fmt.Sprint(row.Pauses)}
			}
			table = append(table, append([]string{
				name, row.Client, fmt.Sprint(row.Calls), fmt.Sprintf("%.3f %%", row.Success), points,
				fmt.Sprintf("%.3f", row.PerCall), fmt.Sprintf("%.0f ms", row.P50), fmt.Sprintf("%.0f ms", row.P99),
			}, policies...))
		}
	}
	writeTable(&b, table)
	for _, one := range r.Scenarios {
		if one.Kind == hang && len(one.Rows) > 0 {
			b.WriteString(one.opened())
		}
	}
	return b.String()
}

// opened tells when circuits opened while the servers hung.
func (one *result) opened() string {
	row := one.Rows[len(one.Rows)-1]
	if len(row.OpenedAfter) == 0 {
		return fmt.Sprintf("\nThe servers hung, and in none of %d runs did a circuit open.\n", row.Runs)
	}
	return fmt.Sprintf("\nThe servers hung: in %d of %d runs a circuit opened, %.0f to %.0f ms later.\n",
		len(row.OpenedAfter), row.Runs, slices.Min(row.OpenedAfter), slices.Max(row.OpenedAfter))
}

// writeTable writes rows in columns as wide as they need, the first two at the left.
func writeTable(b *strings.Builder, rows [][]string) {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			room := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i < 2 {
				line.WriteString(cell + room + "  ")
			} else {
				line.WriteString(room + cell + "  ")
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
