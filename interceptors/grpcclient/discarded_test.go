package grpcclient_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-go/holdfast"
)

// The header that the caller is shown is that of the attempt whose messages come: not of one whose
// answer a policy has discarded, while it waits to send again.
func TestTheHeaderOfADiscardedAttemptIsNotShown(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
			_ = ss.SendHeader(metadata.Pairs("n", fmt.Sprint(n)))
			return ss.SendMsg(say(fmt.Sprint(n)))
		}}
		twice := holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
			return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
				next(ctx, call).Discard()
				pass(10 * time.Second)
				return next(ctx, call.Again())
			}
		})
		cc, stop := s.dial(t, through(all, twice)...)
		defer stop()
		stream := asks(t, t.Context(), cc, list)
		synctest.Wait() // the first is over, the second is yet to come
		before, err := stream.Header()
		if err != nil {
			t.Fatal(err)
		}
		m := new(message)
		if err := stream.RecvMsg(m); err != nil {
			t.Fatal(err)
		}
		after, _ := stream.Header()
		if got := fmt.Sprint(before["n"], after["n"]); got != fmt.Sprintf("[%s] [%s]", m.GetValue(), m.GetValue()) {
			t.Errorf("headers %s, and the message is of %s", got, m.GetValue())
		}
	})
}
