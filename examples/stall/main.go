// Stall shows that a client process which stands still, or is short of the
// processor, blames no server. It starts three healthy HTTP servers in its own
// process and runs clients in child processes, one after the other: a bare
// http.Client and the same with holdfast's policies, each with 100 calls under
// way and a deadline of 1 s per call. It stops the children with SIGSTOP and has
// them go on with SIGCONT, or leaves them a quarter of the processor, and prints
// what became of the calls.
//
//	go run ./examples/stall [-short] [-pairs 10] [-seed 1] [-only NAME] [-deadline 1s] [-limit 500ms] [-post] [-json FILE]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == childFlag {
		go func() { // the parent holds the other end
			_, _ = io.Copy(io.Discard, os.Stdin)
			os.Exit(1)
		}()
		os.Exit(child(os.Args[2], os.Stdout, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const maxPairs = 1000

// A setup is what the flags say.
type setup struct {
	short bool
	pairs int
	seed  uint64
	only  string // a part of the names of the scenarios to run; empty: all
	json  string // the file; empty: none
	terms terms
}

// run is main without the process around it. It returns the exit status: 0, 1
// when the runs failed, 2 for wrong usage, 130 when ctx ended them early.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		complain(stderr, err)
		return 2
	}
	if errCannotStop != nil {
		complain(stderr, errCannotStop)
		return 1
	}
	var file *os.File
	if s.json != "" { // before the runs, not after them
		if file, err = os.Create(s.json); err != nil {
			complain(stderr, fmt.Errorf("the file for -json: %w", err))
			return 2
		}
	}
	report, err := stall(ctx, s, stdout)
	if err == nil {
		_, err = io.WriteString(stdout, report.text())
	}
	if file != nil {
		if err == nil {
			err = report.writeJSON(file)
		}
		err = errors.Join(err, file.Close())
	}
	switch {
	case err != nil:
		complain(stderr, err)
		return 1
	case report.Interrupted:
		return 130
	}
	return 0
}

func complain(stderr io.Writer, err error) {
	_, _ = fmt.Fprintf(stderr, "stall: %v\n", err) // there is nobody else to tell
}

func parse(args []string, stderr io.Writer) (setup, error) {
	var s setup
	flags := flag.NewFlagSet("stall", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said once, by run
	flags.BoolVar(&s.short, "short", false, "fewer and shorter runs, in less than a minute")
	flags.IntVar(&s.pairs, "pairs", 0, "`runs` of each client in each scenario (default 10, with -short 2)")
	flags.Uint64Var(&s.seed, "seed", 1, "of the times that the servers take and of those between stops")
	flags.StringVar(&s.only, "only", "", "run the scenarios whose `name` contains this")
	flags.DurationVar(&s.terms.Deadline, "deadline", patience, "of each call, of both clients")
	flags.DurationVar(&s.terms.Limit, "limit", attemptLimit, "of one attempt, with holdfast")
	flags.BoolVar(&s.terms.Post, "post", false, "make POSTs, which must not be repeated")
	flags.StringVar(&s.json, "json", "", "write the result to this `file` too")
	err := flags.Parse(args)
	if s.pairs == 0 {
		s.pairs = 10
		if s.short {
			s.pairs = 2
		}
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(stderr, "Stall stops client processes, bare and with holdfast, and prints what became of their calls.")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return s, err
	case err != nil:
		return s, fmt.Errorf("%w; -h lists the flags", err)
	case flags.NArg() > 0:
		return s, fmt.Errorf("%q is no flag; -h lists them", flags.Arg(0))
	case s.pairs < 1 || s.pairs > maxPairs:
		return s, fmt.Errorf("-pairs %d is not between 1 and %d", s.pairs, maxPairs)
	case s.terms.Deadline <= 0 || s.terms.Limit <= 0 || max(s.terms.Deadline, s.terms.Limit) > grace/2:
		return s, fmt.Errorf("-deadline %v and -limit %v are not between 0 and %v", s.terms.Deadline, s.terms.Limit, grace/2)
	case len(s.scenarios()) == 0:
		return s, fmt.Errorf("-only %q is part of no scenario's name: %s", s.only, strings.Join(names(setup{}), ", "))
	}
	return s, nil
}
