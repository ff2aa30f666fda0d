package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"time"
)

// stall runs all scenarios, round after round, so that a machine that is busy for a
// while is so for all of them, and leaves nothing running.
func stall(ctx context.Context, s setup, w io.Writer) (report, error) {
	self, err := os.Executable()
	if err != nil {
		return report{}, err
	}
	r := report{Short: s.short, Pairs: s.pairs, Seed: s.seed, AtOnce: atOnce, DeadlineMS: millis(s.terms.Deadline), LimitMS: millis(s.terms.Limit), Post: s.terms.Post}
	p := &parent{self: self, seed: s.seed, terms: s.terms}
	if err := p.calibrate(ctx); err != nil {
		return r, err
	}
	r.WantsCPU, r.Quota = p.wants, p.limits
	_, _ = fmt.Fprintf(w, "%d servers on 127.0.0.1, %d calls under way, a deadline of %v each; seed %d.\n", nodeCount, atOnce, s.terms.Deadline, s.seed)
	_, _ = fmt.Fprintf(w, "Left alone, a bare client gets %.1f %% of its calls through and uses %.2f of a CPU.\n", p.alone.success(), p.wants)
	for _, one := range s.scenarios() {
		if one.Kind == quota && p.limits != "" {
			_, _ = fmt.Fprintf(w, "No scenario %q: %s.\n", quota, p.limits)
			continue
		}
		r.Scenarios = append(r.Scenarios, newResult(one))
	}
	err = r.run(ctx, p, w)
	if ctx.Err() != nil {
		r.Interrupted, err = true, nil
	}
	return r, err
}

// run runs the pairs of all scenarios.
func (r *report) run(ctx context.Context, p *parent, w io.Writer) error {
	for pair := range r.Pairs {
		for i := range r.Scenarios {
			one := &r.Scenarios[i]
			for _, kind := range []string{bare, wrapped} {
				if kind == bare && !one.scenario.both() {
					continue
				}
				out, err := p.run(ctx, one.scenario, kind, pair)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", one.Name, kind, err)
				}
				one.add(out)
			}
			_, _ = fmt.Fprintf(w, "%3d of %d  %s\n", pair+1, r.Pairs, one.progress())
		}
	}
	return nil
}

// A parent starts the clients.
type parent struct {
	self   string // this program
	seed   uint64
	terms  terms
	runs   uint64
	wants  float64 // the CPUs that a client uses which is left alone
	limits string  // why there are no quotas; empty: there are
	alone  outcome
}

// calibrate finds out what a client uses that is left alone, and whether quotas can be
// had.
func (p *parent) calibrate(ctx context.Context) error {
	out, err := p.run(ctx, scenario{Kind: alone, Lasts: time.Second}, bare, 0)
	if err != nil {
		return err
	}
	p.alone, p.wants = out, out.CPUMS/out.LastedMS
	if err := canLimit(); err != nil {
		p.limits = err.Error()
	}
	return nil
}

// enough is more items than one client asks for.
const enough = 1 << 20

// run has one client make its calls, and does to it what the scenario says. Servers
// are the client's own, so that no call of an earlier one is left in them.
func (p *parent) run(ctx context.Context, s scenario, kind string, pair int) (outcome, error) {
	servers, err := startServers(p.seed)
	if err != nil {
		return outcome{}, err
	}
	defer servers.stop()
	p.runs++
	text, err := json.Marshal(order{
		Client: kind, Nodes: servers.addrs, LastsMS: s.Lasts.Milliseconds(), First: p.runs * enough, Terms: p.terms, UntilOpen: s.Kind == hang,
	})
	if err != nil {
		return outcome{}, err
	}
	cmd := exec.Command(p.self, childFlag, string(text))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil { // its end tells the child that nobody waits for it
		return outcome{}, err
	}
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return outcome{}, err
	}
	if err := cmd.Start(); err != nil {
		return outcome{}, err
	}
	v := &victim{cmd: cmd, rand: rand.New(rand.NewPCG(p.seed, uint64(pair)))} //nolint:gosec // not negative
	out, err := v.follow(ctx, s, lines, p.wants*share, servers)
	_ = goOn(cmd.Process) // a process that stands still ends only by force
	if err != nil {
		_ = cmd.Process.Kill()
	}
	if ended := cmd.Wait(); err == nil {
		err = ended
	}
	v.lift()
	out.CPUMS = millis(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	return out, err
}

// A victim is the child process of one run.
type victim struct {
	cmd  *exec.Cmd
	rand *rand.Rand
	lift func() // takes its quota away
}

// grace is how long a client may take after its last call, or to start.
const grace = 30 * time.Second

// follow reads what the child says, and does to it what the scenario says meanwhile.
func (v *victim) follow(ctx context.Context, s scenario, lines io.Reader, cpus float64, servers *servers) (out outcome, err error) {
	v.lift = func() {}
	in := bufio.NewReader(lines)
	read := make(chan error, 1)
	next := func(f func() error) error {
		go func() { read <- f() }()
		select {
		case err := <-read:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(s.Lasts + grace):
			return errors.New("the client does not answer")
		}
	}
	if err := next(func() error { _, err := in.ReadString('\n'); return err }); err != nil {
		return out, err
	}
	if s.Kind == quota {
		if v.lift, err = limitCPU(v.cmd.Process.Pid, cpus); err != nil {
			v.lift = func() {}
			return out, err
		}
	}
	begun := time.Now()
	var hung time.Time
	if s.Kind == hang {
		timer := time.AfterFunc(s.Hangs, func() { servers.hanging.Store(true) })
		defer timer.Stop()
		hung = begun.Add(s.Hangs)
	}
	tormenting, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- v.torment(tormenting, s) }()
	err = next(func() error { return json.NewDecoder(in).Decode(&out) })
	stop()
	if failed := <-done; err == nil {
		err = failed
	}
	if out.FirstOpened != 0 && !hung.IsZero() {
		out.OpenedAfter = []float64{float64(out.FirstOpened - hung.UnixMilli())}
	}
	return out, err
}

// torment stops the child and has it go on until ctx ends, when it goes on.
func (v *victim) torment(ctx context.Context, s scenario) error {
	stands, runs := s.Stop, between
	switch s.Kind {
	case stopped:
	case starved, hang:
		stands, runs = period-working, working
	default:
		return nil
	}
	for {
		d := runs
		if s.Kind == stopped {
			d = runs*4/5 + time.Duration(v.rand.Int64N(int64(runs*2/5)))
		}
		if !wait(ctx, d) {
			return nil
		}
		if err := stopChild(v.cmd.Process); err != nil {
			return ended(err)
		}
		wait(ctx, stands)
		if err := goOn(v.cmd.Process); err != nil {
			return ended(err)
		}
	}
}

// ended takes it for no error that the child has ended by itself.
func ended(err error) error {
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// wait reports whether ctx has lasted for d.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (one *result) progress() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-16s", one.Name)
	for _, row := range one.Rows {
		fmt.Fprintf(&b, "  %s %7.3f %%", row.Client, row.Success)
	}
	return b.String()
}
