// Soak runs clients of holdfast for an hour, through servers that are slow, fail, reset, hang,
// break their bodies off and restart, with another Config every second, and many more targets
// than the tables have room for. It prints every minute what the process holds, and at the end,
// when the servers have been well for a while and then everything is closed, whether that is
// what it held at the start. It exits with 1 where it is not.
//
//	go run ./examples/soak [-for 1h] [-seed 1] [-rate 400]
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
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// A setup is what the flags say.
type setup struct {
	length time.Duration // of the faults
	seed   uint64
	rate   int // calls in a second
}

// run is main without the process around it. It returns the exit status: 0, 1 where something is
// left or the soak failed, 2 for wrong usage. Ctrl-C ends the faults early, and no more.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		_, _ = fmt.Fprintf(stderr, "soak: %v\n", err)
		return 2
	}
	if err := soak(ctx, s, stdout); err != nil {
		_, _ = fmt.Fprintf(stderr, "soak: %v\n", err)
		return 1
	}
	return 0
}

func parse(args []string, stderr io.Writer) (setup, error) {
	var s setup
	flags := flag.NewFlagSet("soak", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // what is wrong is said once, by run
	flags.DurationVar(&s.length, "for", time.Hour, "how long the servers have faults")
	flags.Uint64Var(&s.seed, "seed", 1, "of the faults, the calls and the Configs")
	flags.IntVar(&s.rate, "rate", 400, "calls in a second")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(stderr, "Soak runs clients through faults and reloads, and looks for what is left of them.")
		flags.SetOutput(stderr)
		flags.PrintDefaults()
		return s, err
	case err != nil:
		return s, fmt.Errorf("%w; -h lists the flags", err)
	case flags.NArg() > 0:
		return s, fmt.Errorf("%q is no flag; -h lists them", flags.Arg(0))
	case s.length <= 0 || s.rate < 1 || s.rate > 10_000:
		return s, fmt.Errorf("-for %v must be positive, and -rate %d between 1 and 10000", s.length, s.rate)
	}
	return s, nil
}
