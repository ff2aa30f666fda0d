package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"

	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
)

// A meter counts what the wrapped clients do, and is where the last table is read from.
type meter struct {
	registry *prometheus.Registry
	metrics  *holdprom.Metrics
}

func newMeter() (*meter, error) {
	r := prometheus.NewRegistry()
	m, err := holdprom.Register(r, holdprom.Options{})
	return &meter{r, m}, err
}

// serve answers scrapes at addr until stop is called.
func (m *meter) serve(addr string) (at string, stop func(), err error) {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", nil, fmt.Errorf("-metrics: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{EnableOpenMetrics: true}))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	return "http://" + l.Addr().String() + "/metrics", func() { _ = server.Close(); <-served }, nil
}

// A reading is what the metrics of one client say after the storm.
type reading struct {
	Calls    int     `json:"calls"`
	OK       int     `json:"ok"`
	P50      float64 `json:"p50_ms"` // within a tenth: of buckets
	P99      float64 `json:"p99_ms"`
	Attempts int     `json:"attempts"`
	Replays  int     `json:"replays"`    // attempts that the transport sent once more by itself
	Retries  int     `json:"retries"`    // attempts that are retries
	Paid     int     `json:"retries_ok"` // of them
	Hedges   int     `json:"hedges"`
	Won      int     `json:"hedges_won"`
	Denied   int     `json:"denied"`   // hedges that were due
	Rejected int     `json:"rejected"` // by the breaker
	Opened   int     `json:"circuit_opened"`
	Granted  int     `json:"budget_granted"`
	Refused  int     `json:"budget_refused"`
	most     uint64  // calls of the series that the quantiles are of
}

// amplification is how many attempts reach the servers for each call.
func (r *reading) amplification() float64 { return float64(r.Attempts) / float64(max(r.Calls, 1)) }

// read sums up the metrics of each client.
func (m *meter) read() (map[string]*reading, error) {
	families, err := m.registry.Gather()
	if err != nil {
		return nil, err
	}
	clients := map[string]*reading{}
	for _, f := range families {
		for _, one := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range one.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			client := labels["client"]
			if client == "" {
				continue // the process's own
			}
			r := clients[client]
			if r == nil {
				r = new(reading)
				clients[client] = r
			}
			r.add(strings.TrimPrefix(f.GetName(), "holdfast_"), labels, one)
		}
	}
	return clients, nil
}

func (r *reading) add(name string, labels map[string]string, m *dto.Metric) {
	n := int(m.GetCounter().GetValue())
	ok := labels["class"] == "success"
	switch name {
	case "calls_total":
		r.Calls += n
		if ok {
			r.OK += n
		}
	case "attempts_total":
		r.Attempts += n
		if labels["kind"] == "retry" {
			r.Retries += n
			if ok {
				r.Paid += n
			}
		}
	case "replays_total":
		r.Replays += n
	case "hedges_total":
		r.Hedges += n
	case "hedges_won_total":
		r.Won += n
	case "hedges_denied_total":
		r.Denied += n
	case "rejections_total":
		if labels["policy"] == "breaker" {
			r.Rejected += n
		}
	case "circuit_changes_total":
		if labels["to"] == "open" {
			r.Opened += n
		}
	case "retry_budget_withdrawn_total":
		r.Granted += n
	case "retry_budget_refused_total":
		r.Refused += n
	case "call_duration_seconds":
		if h := m.GetHistogram(); h.GetSampleCount() > r.most { // of several series, that of most calls
			r.most = h.GetSampleCount()
			r.P50, r.P99 = quantile(h, 0.5), quantile(h, 0.99)
		}
	}
}

// quantile is that of a native histogram, in milliseconds: the geometric middle of the
// bucket that it is in.
func quantile(h *dto.Histogram, q float64) float64 {
	growth := math.Pow(2, math.Pow(2, float64(-h.GetSchema())))
	rank := q * float64(h.GetSampleCount())
	seen := float64(h.GetZeroCount())
	index, delta, count := 0, 0, int64(0)
	for _, span := range h.GetPositiveSpan() {
		index += int(span.GetOffset())
		for range span.GetLength() {
			if delta < len(h.GetPositiveDelta()) {
				count += h.GetPositiveDelta()[delta]
				delta++
			}
			if seen += float64(count); seen >= rank {
				return 1000 * math.Pow(growth, float64(index)-0.5)
			}
			index++
		}
	}
	return 0
}

// writeMetrics writes the last table, which is read from the metrics.
func (r report) writeMetrics(b *strings.Builder) {
	rows := [][]string{{"THE STORM BY ITS METRICS", "CALLS", "SUCCESS", "P50", "P99", "ATTEMPTS", "RETRIES", "THAT PAID", "HEDGES", "THAT WON", "DENIED", "REJECTED", "OPENED", "GRANTED", "REFUSED"}}
	for _, c := range r.clients {
		m := r.metrics[c.name]
		if m == nil {
			continue
		}
		row := []string{c.name, thousands(m.Calls), percent(figures{calls: m.Calls, ok: m.OK}), fmt.Sprintf("%.3g ms", m.P50), fmt.Sprintf("%.3g ms", m.P99), fmt.Sprintf("%.3f", m.amplification())}
		for _, n := range []int{m.Retries, m.Paid, m.Hedges, m.Won, m.Denied, m.Rejected, m.Opened, m.Granted, m.Refused} {
			row = append(row, thousands(n))
		}
		rows = append(rows, row)
	}
	if len(rows) == 1 {
		return
	}
	b.WriteString("\n")
	writeTable(b, rows, 1, len(rows[0])-1)
	b.WriteString("\nAll of the storm, the outage too, as Prometheus gets it: attempts per call; retries and hedges that the budget granted and refused.\n")
}

// disagreement is where the metrics and what was counted at the calls and the transport
// are not the same.
func (r report) disagreement() error {
	var errs []error
	for i, c := range r.clients {
		m := r.metrics[c.name]
		if m == nil {
			continue
		}
		f := r.figures(i, func(int) bool { return true })
		// An attempt that is cancelled as it sets out is one for the policies, and does not
		// get to the transport; one that no server has begun is sent once more, as a replay.
		sent, cancelled := m.Attempts+m.Replays, 3+f.attempts/1000
		if r.late() > busy { // calls run out of time as they set out
			cancelled += f.sent - f.ok
		}
		if m.Calls != f.sent || m.OK != f.ok || sent < f.attempts || sent > f.attempts+cancelled {
			errs = append(errs, fmt.Errorf("%s: by the metrics %d calls, %d well, %d attempts and %d replays; counted %d, %d, %d", c.name, m.Calls, m.OK, m.Attempts, m.Replays, f.sent, f.ok, f.attempts))
		}
	}
	return errors.Join(errs...)
}
