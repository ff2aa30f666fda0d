package retry_test

import (
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

func TestCodesSayWhatIsRepeated(t *testing.T) {
	for name, c := range map[string]struct {
		res        holdfast.Result
		repeatable bool
		why        string // "" where it is repeated
	}{
		"named":                    {status(holdfast.Failure, "ABORTED", 0), true, ""},
		"a success that is named":  {status(holdfast.Success, "ABORTED", 0), true, ""},
		"the transport's caution":  {status(holdfast.Failure, "ABORTED", -1), true, ""},
		"the server's own no":      {status(holdfast.Failure, "ABORTED", holdfast.Never), true, "told not to repeat"},
		"not named":                {status(holdfast.Failure, "UNAVAILABLE", 0), true, "not one of Codes"},
		"named and not repeatable": {status(holdfast.Failure, "ABORTED", 0), false, "not repeatable"},
		"refused":                  {status(holdfast.Refused, "dial", 0), false, ""},
		"refused here":             {status(holdfast.Ignored, "ABORTED", 0), true, "ABORTED"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := retry.New(retry.Options{Codes: []holdfast.Code{"ABORTED", "x"}})
				s := &script{results: []holdfast.Result{c.res, success()}}
				_, record := send(t.Context(), c.repeatable, s, r)
				want := 1
				if c.why == "" {
					want = 2
				}
				if got := record.Ledger().Stopped; len(s.sends) != want || got != c.why {
					t.Errorf("%d sends, stopped because %q; want %d and %q", len(s.sends), got, want, c.why)
				}
				if n := r.Budget().Stats("t").Successes; c.why == "" && n != 1 {
					t.Errorf("%d successes paid in, want that of the last attempt", n)
				}
			})
		})
	}
}
