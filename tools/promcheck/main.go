// Promcheck has a real Prometheus scrape the storm, and fails unless what it answers is
// what the storm counted: promcheck STORM DOCS, the program and the folder of
// alerts.yml and dashboard.json. prometheus and promtool are found in the PATH.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("promcheck: ")
	if len(os.Args) != 3 {
		log.Fatal("usage: promcheck STORM DOCS")
	}
	dir, err := os.MkdirTemp("", "promcheck")
	if err != nil {
		log.Fatal(err)
	}
	err = check(dir, os.Args[1], os.Args[2])
	_ = os.RemoveAll(dir)
	if err != nil {
		log.Fatal(err)
	}
}

// A counted is what the storm says of one client.
type counted struct {
	Calls, OK, Attempts, Retries int
	Paid                         int `json:"retries_ok"`
	Hedges                       int
	Won                          int `json:"hedges_won"`
}

func check(dir, storm, docs string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	result := filepath.Join(dir, "storm.json")
	cmd := exec.CommandContext(ctx, storm, "-duration", "8s", "-metrics", "127.0.0.1:0", "-linger", "1m", "-json", result)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() }()
	lines := bufio.NewReader(out)
	first, err := lines.ReadString('\n')
	at, found := strings.CutPrefix(strings.TrimSpace(first), "metrics: ")
	if err != nil || !found {
		return fmt.Errorf("the storm says %q, and not where its metrics are: %v", first, err)
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }()

	api, stop, err := prometheus(ctx, dir, docs, at)
	if err != nil {
		return err
	}
	defer stop()
	clients, err := awaitResult(ctx, result)
	if err != nil {
		return err
	}
	for name, c := range clients {
		if err := agrees(ctx, api, name, c); err != nil {
			return err
		}
	}
	if err := lint(ctx, at); err != nil {
		return err
	}
	if err := rules(ctx, api); err != nil {
		return err
	}
	return panels(ctx, api, filepath.Join(docs, "dashboard.json"))
}

// prometheus starts one that scrapes the storm each second.
func prometheus(ctx context.Context, dir, docs, at string) (api string, stop func(), err error) {
	alerts, err := filepath.Abs(filepath.Join(docs, "alerts.yml"))
	if err != nil {
		return "", nil, err
	}
	target, err := url.Parse(at)
	if err != nil {
		return "", nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		return "", nil, err
	}
	addr := l.Addr().String()
	_ = l.Close()
	config := fmt.Sprintf("global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [%q]\nscrape_configs: [{job_name: storm, static_configs: [{targets: [%q]}]}]\n", alerts, target.Host)
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o600); err != nil {
		return "", nil, err
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(ctx, "prometheus", "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--log.level=warn")
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = cmd.Process.Signal(os.Interrupt); _ = cmd.Wait() }
	api = "http://" + addr
	for ctx.Err() == nil {
		if resp, err := http.Get(api + "/-/ready"); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return api, stop, nil
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("prometheus is not ready: %s", &said)
}

// awaitResult reads what the storm has written once it is over.
func awaitResult(ctx context.Context, file string) (map[string]counted, error) {
	var r struct{ Metrics map[string]counted }
	for ctx.Err() == nil {
		if text, err := os.ReadFile(file); err == nil && json.Unmarshal(text, &r) == nil && len(r.Metrics) > 0 {
			return r.Metrics, nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	return nil, fmt.Errorf("the storm does not end")
}

// agrees has Prometheus say the same, once it has scraped the end of the storm.
func agrees(ctx context.Context, api, client string, c counted) error {
	of := fmt.Sprintf(`{client=%q}`, client)
	and := func(more string) string { return fmt.Sprintf(`{client=%q,%s}`, client, more) }
	for query, want := range map[string]float64{
		`sum(holdfast_calls_total` + of + `)`:                                                                             float64(c.Calls),
		`sum(holdfast_calls_total` + and(`class="success"`) + `)`:                                                         float64(c.OK),
		`sum(holdfast_call_duration_seconds_count` + of + `)`:                                                             float64(c.Calls),
		`sum(holdfast_hedges_total` + of + `)`:                                                                            float64(c.Hedges),
		`sum(holdfast_hedges_won_total` + of + `)`:                                                                        float64(c.Won),
		`sum(holdfast_attempts_total` + of + `) / sum(holdfast_calls_total` + of + `)`:                                    float64(c.Attempts) / float64(c.Calls),
		`sum(holdfast_retry_outcomes_total` + and(`class="success"`) + `) / sum(holdfast_retry_outcomes_total` + of + `)`: float64(c.Paid) / float64(c.Retries),
	} {
		var got float64
		var err error
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(200 * time.Millisecond) {
			if got, err = one(ctx, api, query); err == nil && math.Abs(got-want) < 1e-9 {
				break
			}
		}
		if err != nil {
			return err
		}
		if math.Abs(got-want) >= 1e-9 {
			return fmt.Errorf("%s is %v, the storm counted %v", query, got, want)
		}
		fmt.Printf("%s = %v\n", query, got)
	}
	return nil
}

// one asks for a single value.
func one(ctx context.Context, api, query string) (float64, error) {
	values, err := ask(ctx, api, query)
	if err != nil || len(values) != 1 {
		return 0, fmt.Errorf("%s: %d values, %w", query, len(values), err)
	}
	return values[0], nil
}

func ask(ctx context.Context, api, query string) (values []float64, err error) {
	var r struct {
		Status, Error string
		Data          struct{ Result []struct{ Value [2]any } }
	}
	if err := get(ctx, api+"/api/v1/query?query="+url.QueryEscape(query), &r); err != nil {
		return nil, err
	}
	if r.Status != "success" {
		return nil, fmt.Errorf("%s: %s", query, r.Error)
	}
	for _, one := range r.Data.Result {
		text, _ := one.Value[1].(string)
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

func get(ctx context.Context, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(into)
}

// lint has promtool read the page itself.
func lint(ctx context.Context, at string) error {
	resp, err := http.Get(at)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	cmd := exec.CommandContext(ctx, "promtool", "check", "metrics")
	cmd.Stdin = resp.Body
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("promtool check metrics: %w\n%s", err, out)
	}
	return nil
}

// rules are those that Prometheus itself has evaluated.
func rules(ctx context.Context, api string) error {
	var r struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := get(ctx, api+"/api/v1/rules", &r); err != nil {
		return err
	}
	n := 0
	for _, g := range r.Data.Groups {
		for _, rule := range g.Rules {
			if n++; rule.Health != "ok" {
				return fmt.Errorf("rule %s is %s: %s", rule.Name, rule.Health, rule.LastError)
			}
		}
	}
	if n < 6 {
		return fmt.Errorf("%d rules", n)
	}
	return nil
}

// quiet are the panels whose queries may have no answer: nothing of the kind need
// happen in a storm.
var quiet = regexp.MustCompile(`ejections_total|hedges_denied|retries_stopped`)

// panels asks each query of the dashboard.
func panels(ctx context.Context, api, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var d struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		return err
	}
	n := 0
	for _, p := range d.Panels {
		for _, target := range p.Targets {
			query := strings.NewReplacer("$__rate_interval", "1m", "$client", ".*", "$target", ".*").Replace(target.Expr)
			values, err := ask(ctx, api, query)
			if err != nil {
				return fmt.Errorf("panel %q: %w", p.Title, err)
			}
			if len(values) == 0 && !quiet.MatchString(query) {
				return fmt.Errorf("panel %q shows nothing: %s", p.Title, query)
			}
			n++
		}
	}
	fmt.Printf("%d queries of the dashboard are answered\n", n)
	return nil
}
