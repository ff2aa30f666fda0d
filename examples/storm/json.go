package main

import (
	"encoding/json"
	"io"
	"time"
)

// A result is the report for machines. Its rows are the whole storm but the
// outage, which has rows of its own, and the moment after it, which has only its
// phase.
type result struct {
	DurationS   float64       `json:"duration_s"`
	Rate        float64       `json:"rate"` // calls per second of each client
	Seed        uint64        `json:"seed"`
	Interrupted bool          `json:"interrupted"`
	LateMS      float64       `json:"late_p99_ms"` // how late calls were sent, in the worst phase: over 50, the machine was busy
	Rows        []row         `json:"rows"`
	Outage      []row         `json:"outage"`
	Phases      []phaseResult `json:"phases"`

	Budget  map[string]budgetResult `json:"budget"`  // by client
	Metrics map[string]*reading     `json:"metrics"` // the whole storm as Prometheus gets it
}

// A row is one client's. Percentiles are of all calls sent, failed ones too.
type row struct {
	Client          string         `json:"client"`
	Calls           int            `json:"calls"`
	OK              int            `json:"ok"`
	P50             float64        `json:"p50_ms"`
	P99             float64        `json:"p99_ms"`
	P999            float64        `json:"p999_ms"`
	AttemptsPerCall float64        `json:"attempts_per_call"`
	Attempts        int            `json:"attempts"`
	Sent            int            `json:"sent"` // less than calls where too many were under way
	Failed          map[string]int `json:"failed"`
	ServedAgainMS   *float64       `json:"served_again_ms,omitempty"` // after the outage; in its rows
}

type phaseResult struct {
	Phase  string  `json:"phase"`
	StartS float64 `json:"start_s"`
	EndS   float64 `json:"end_s"`
	Outage bool    `json:"outage"`
	After  bool    `json:"after"` // the outage
	Rows   []row   `json:"rows"`

	Did map[string]didResult `json:"did"` // by the policies, by client
}

type didResult struct {
	Repeated map[string]int `json:"repeated"`
	Hedged   map[string]int `json:"hedged"`
	GaveUp   map[string]int `json:"gave_up"`
	TimedOut map[string]int `json:"timed_out"`
}

type budgetResult struct {
	Granted  uint64 `json:"granted"`
	Refused  uint64 `json:"refused"`
	Refunded uint64 `json:"refunded"`
}

func (r report) result() result {
	out := result{
		DurationS: r.setup.duration.Seconds(), Rate: r.setup.rate, Seed: r.setup.seed, Interrupted: r.interrupted,
		LateMS: millis(r.late()), Rows: r.rows(r.storm), Outage: r.rows(r.outage), Budget: map[string]budgetResult{}, Metrics: r.metrics,
	}
	for i := range r.clients {
		if after, ok := r.servedAgain(i); ok {
			after := millis(after)
			out.Outage[i].ServedAgainMS = &after
		}
	}
	for i, p := range r.phases {
		out.Phases = append(out.Phases, phaseResult{
			Phase: p.name, StartS: p.start.Seconds(), EndS: p.end.Seconds(), Outage: p.outage, After: p.after, Rows: r.rows(only(i)), Did: map[string]didResult{},
		})
	}
	for _, c := range r.clients {
		if c.deeds == nil {
			continue
		}
		for i := range out.Phases {
			did := c.deeds.total(only(i))
			out.Phases[i].Did[c.name] = didResult{did.repeats, did.hedges, did.stops, did.timeouts}
		}
		b := c.deeds.spent()
		out.Budget[c.name] = budgetResult{b.Withdrawn, b.Refused, b.Refunded}
	}
	return out
}

func (r report) rows(in func(phase int) bool) []row {
	var rows []row
	for i, c := range r.clients {
		f := r.figures(i, in)
		rows = append(rows, row{
			Client: c.name, Calls: f.calls, OK: f.ok, P50: millis(f.p50), P99: millis(f.p99), P999: millis(f.p999),
			AttemptsPerCall: f.perCall(), Attempts: f.attempts, Sent: f.sent, Failed: f.failed,
		})
	}
	return rows
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func (r report) writeJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r.result())
}
