// Bench measures what holdfast's policies cost a call that goes well, beside the
// same written by hand and beside other libraries, in one run:
//
//	go run . [-rounds 16] [-each 20ms] [-only REGEXP] [-json FILE]
//
// The subjects of a row are run in turn, round after round, so that what else the
// machine does falls on all of them; the figures are the process's own CPU time
// and allocations, the median of the rounds. Trust the ratios to about a tenth,
// and allocations exactly. The tests of this module show that each subject does
// what it is measured for.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"
)

func main() {
	rounds := flag.Int("rounds", 16, "rounds of each row")
	each := flag.Duration("each", 20*time.Millisecond, "time of one subject in one round")
	only := flag.String("only", "", "rows and groups whose names match")
	file := flag.String("json", "", "write the figures to this file, too")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: -only:", err)
		os.Exit(2)
	}
	var done []measured
	for _, r := range rows() {
		if !pattern.MatchString(r.group + ": " + r.name) {
			continue
		}
		m := measure(r, *rounds, *each)
		if len(done) == 0 || done[len(done)-1].group != r.group {
			fmt.Print(heading(r.group))
		}
		fmt.Print(m)
		done = append(done, m)
	}
	if pattern.MatchString("memory") {
		fmt.Printf("\nmemory: a Pool of 10,000 endpoints keeps %d bytes for each, addresses not counted\n", memory())
	}
	fmt.Print(verdict(done))
	if *file != "" {
		if err := write(*file, done); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			os.Exit(1)
		}
	}
}

// rows are all that is measured.
func rows() []row {
	all := httpRows()
	all = append(all, grpcRows()...)
	all = append(all, functionRows()...)
	all = append(all, limitRows()...)
	all = append(all, observedRows()...)
	return append(all, pickRows()...)
}
