// Stormcheck reads what `go run ./examples/storm -json FILE` wrote and fails
// unless the wrapped client came through: stormcheck FILE.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
)

// What the wrapped client must reach over the whole storm but the outage, and in
// the outage.
const (
	minSuccess  = 0.999
	maxAttempts = 1.25
	minCalls    = 1000 // fewer say nothing about either

	maxOutageAttempts = 0.6
	maxServedAgain    = 1000 // ms after the end of the outage
	minOutageCalls    = 100
)

type row struct {
	Client          string   `json:"client"`
	Calls           int      `json:"calls"`
	OK              int      `json:"ok"`
	P50             *float64 `json:"p50_ms"`
	P99             *float64 `json:"p99_ms"`
	P999            *float64 `json:"p999_ms"`
	AttemptsPerCall float64  `json:"attempts_per_call"`
	ServedAgain     *float64 `json:"served_again_ms"`
}

func main() {
	log.SetFlags(0)
	log.SetPrefix("stormcheck: ")
	if len(os.Args) != 2 {
		log.Fatal("usage: stormcheck FILE")
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	var result struct {
		Rows   []row `json:"rows"`
		Outage []row `json:"outage"`
	}
	if err := json.Unmarshal(text, &result); err != nil {
		log.Fatalf("%s: %v", os.Args[1], err)
	}
	bare, wrapped := need(result.Rows, "http bare", minCalls), need(result.Rows, "http holdfast", minCalls)
	outage := need(result.Outage, "http holdfast", minOutageCalls)
	success := func(r row) float64 { return float64(r.OK) / float64(r.Calls) }
	switch {
	case success(wrapped) < minSuccess:
		log.Fatalf("%d of %d calls succeeded (%.2f %%), want %.1f %%", wrapped.OK, wrapped.Calls, 100*success(wrapped), 100*minSuccess)
	case wrapped.AttemptsPerCall > maxAttempts:
		log.Fatalf("%.3f attempts per call, want at most %v", wrapped.AttemptsPerCall, maxAttempts)
	case wrapped.AttemptsPerCall < 1 || bare.AttemptsPerCall != 1:
		log.Fatalf("attempts per call are miscounted: %v wrapped, %v bare", wrapped.AttemptsPerCall, bare.AttemptsPerCall)
	case outage.AttemptsPerCall > maxOutageAttempts:
		log.Fatalf("%.3f attempts per call in the outage, want at most %v", outage.AttemptsPerCall, maxOutageAttempts)
	case outage.ServedAgain == nil || *outage.ServedAgain > maxServedAgain:
		log.Fatalf("not served again within %v ms of the outage's end", maxServedAgain)
	case success(wrapped) <= success(bare):
		log.Fatalf("the bare client did as well (%.2f %%): that was no storm", 100*success(bare))
	}
	if bare, ours := need(result.Rows, "grpc bare", minCalls), need(result.Rows, "grpc holdfast", minCalls); success(ours) < success(bare) || ours.AttemptsPerCall > maxAttempts {
		log.Fatalf("gRPC: %.2f %% at %.3f attempts per call, bare %.2f %%", 100*success(ours), ours.AttemptsPerCall, 100*success(bare))
	}
	fmt.Printf("storm: %.3f %% of %d calls at %.3f attempts each; the bare client %.3f %%; in the outage %.3f, served again after %.0f ms\n",
		100*success(wrapped), wrapped.Calls, wrapped.AttemptsPerCall, 100*success(bare), outage.AttemptsPerCall, *outage.ServedAgain)
}

func need(rows []row, name string, calls int) row {
	for _, r := range rows {
		switch {
		case r.Client != name:
		case r.P50 == nil || r.P99 == nil || r.P999 == nil:
			log.Fatalf("%s: a percentile is missing", name)
		case r.Calls < calls || r.OK > r.Calls:
			log.Fatalf("no sound row for %q: %+v", name, r)
		default:
			return r
		}
	}
	log.Fatalf("no row for %q", name)
	return row{}
}
