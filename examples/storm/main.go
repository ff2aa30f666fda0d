// Storm sends real traffic through real faults, through a bare http.Client, a bare
// gRPC client with gRPC's own retry policy, and through both with holdfast's
// policies, all at once, and prints the difference.
//
// It starts six servers of HTTP and gRPC in its own process, lets each client call them in
// turn at the same times, and makes one fault after the other: a node that is
// 20 times slower, one that answers 503, one that hangs, one that refuses
// connections and returns, and then all six down.
//
//	go run ./examples/storm [-duration 20s] [-rate 300] [-seed 1] [-json FILE] [-metrics 127.0.0.1:0 [-linger 10s]]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	info, err := os.Stdout.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr, terminal))
}

// What the storm may be asked for, so that it stays within memory and ports.
const (
	maxRate  = 5000
	maxCalls = 1_000_000
	minStorm = 700 * time.Millisecond
)

type setup struct {
	duration time.Duration
	rate     float64 // calls per second of each client
	seed     uint64
	json     string // the file; empty: none
	metrics  string // where they are served; empty: nowhere
	linger   time.Duration
}

// run is main without the process around it. It returns the exit status: 0, 1
// when the storm failed, 2 for wrong usage, 130 when ctx ended it early.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, terminal bool) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		complain(stderr, err)
		return 2
	}
	var file *os.File
	if s.json != "" { // before the storm, not after it
		if file, err = os.Create(s.json); err != nil {
			complain(stderr, fmt.Errorf("the file for -json: %w", err))
			return 2
		}
	}
	meter, err := newMeter()
	stopServing := func() {}
	if err == nil && s.metrics != "" {
		var at string
		if at, stopServing, err = meter.serve(s.metrics); err == nil {
			_, _ = fmt.Fprintf(stdout, "metrics: %s\n", at)
		} else {
			stopServing = func() {}
		}
	}
	defer func() { stopServing() }()
	var report report
	if err == nil {
		report, err = storm(ctx, s, meter, stdout, terminal)
	}
	if err == nil {
		_, err = io.WriteString(stdout, report.text())
	}
	if file != nil {
		if err == nil {
			err = report.writeJSON(file)
		}
		err = errors.Join(err, file.Close())
	}
	if err == nil && s.metrics != "" {
		waitUntil(ctx, time.Now().Add(s.linger))
	}
	switch {
	case err != nil:
		complain(stderr, err)
		return 1
	case report.interrupted:
		return 130
	}
	return 0
}

func complain(stderr io.Writer, err error) {
	_, _ = fmt.Fprintf(stderr, "storm: %v\n", err) // there is nobody else to tell
}

func parse(args []string, stderr io.Writer) (setup, error) {
	var s setup
	flags := flag.NewFlagSet("storm", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said once, by run
	flags.DurationVar(&s.duration, "duration", 20*time.Second, "how long the storm lasts")
	flags.Float64Var(&s.rate, "rate", 300, "calls per second of each client, on average")
	flags.Uint64Var(&s.seed, "seed", 1, "of the schedule and of the service times")
	flags.StringVar(&s.json, "json", "", "write the result to this `file` too")
	flags.StringVar(&s.metrics, "metrics", "", "serve the clients' metrics for Prometheus at this `address`, such as 127.0.0.1:0")
	flags.DurationVar(&s.linger, "linger", 0, "serve them for so long after the storm")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(stderr, "Storm sends real traffic through real faults, bare and with holdfast, and prints the difference.")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return s, err
	case err != nil:
		return s, fmt.Errorf("%w; -h lists the flags", err)
	case flags.NArg() > 0:
		return s, fmt.Errorf("%q is no flag; -h lists them", flags.Arg(0))
	case s.duration < minStorm:
		return s, fmt.Errorf("-duration %v is too short for seven phases; %v is the least", s.duration, minStorm)
	case !(s.rate > 0) || s.rate > maxRate:
		return s, fmt.Errorf("-rate %v is not between 0 and %d calls per second", s.rate, maxRate)
	case s.rate*s.duration.Seconds() > maxCalls:
		return s, fmt.Errorf("-rate %v for -duration %v is more than %d calls", s.rate, s.duration, maxCalls)
	}
	return s, nil
}
