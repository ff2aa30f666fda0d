package holdfasttest_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/holdfasttest"
)

var errServer = errors.New("the server failed")

// plain is how holdfast.Do, the door for plain functions, describes itself: a
// whole fill-in of a Transport.
var plain = holdfasttest.Transport{
	Target: "users",
	Method: "get",
	// A function's value is there or not; it does not go on, and no connection to
	// anywhere is refused.
	Without: []holdfasttest.Outcome{holdfasttest.Stalling, holdfasttest.Truncated, holdfasttest.Refusing},
	Open: func(_ testing.TB, s holdfasttest.Setup) holdfasttest.Client {
		h := holdfast.Chain(s.Policies...)
		return func(ctx context.Context, o holdfasttest.Outcome) (io.ReadCloser, error) {
			_, err := holdfast.Do(ctx, h, holdfast.Call{Target: "users", Method: "get"}, func(ctx context.Context) (string, error) {
				s.Beneath(ctx)
				switch o {
				case holdfasttest.Failed:
					return "", errServer
				case holdfasttest.Hanging:
					<-ctx.Done()
					return "", ctx.Err()
				}
				return "answer", nil
			})
			return nil, err
		}
	},
}

func TestDoKeepsTheContract(t *testing.T) { holdfasttest.TestTransport(t, plain) }

// The same, as with real sockets: in real time.
func TestDoKeepsTheContractInRealTime(t *testing.T) {
	tr := plain
	tr.Sockets = true
	holdfasttest.TestTransport(t, tr)
}
