package grpcclient_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// Calls and streams that are under way as the client is shut down finish; what hangs is cut off;
// what comes later is not sent.
func TestShutdownOfAGateOverGRPC(t *testing.T) {
	release, begun := make(chan struct{}), make(chan struct{}, 3)
	waits := func(ctx context.Context, what string) error {
		begun <- struct{}{}
		if what == "hangs" {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		}
		<-release
		return nil
	}
	s := &service{
		get: func(ctx context.Context, _ int, what string) (string, error) { return "ok", waits(ctx, what) },
		list: func(n int, what string, stream grpc.ServerStream) error {
			if err := waits(stream.Context(), what); err != nil {
				return err
			}
			return sends(nil, "a", "b")(n, what, stream)
		},
	}
	var gate holdfast.Gate
	cc, stop := s.dial(t, through(grpcclient.Wrapper{}, &gate)...)
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := cc.Invoke(t.Context(), get, say("well"), new(message)); err != nil {
			t.Errorf("under way: %v", err)
		}
	})
	wg.Go(func() {
		if err := cc.Invoke(t.Context(), get, say("hangs"), new(message)); !errors.Is(err, holdfast.ErrClosed) || status.Code(err) != codes.Canceled {
			t.Errorf("cut off: %v", err)
		}
	})
	wg.Go(func() {
		if got, err := read(lister(t, t.Context(), cc, "well")); len(got) != 2 {
			t.Errorf("a stream that is under way: %v, %v", got, err)
		}
	})
	for range 3 {
		<-begun
	}
	ctx, cancel := context.WithCancel(t.Context())
	down := make(chan error)
	go func() { down <- gate.Shutdown(ctx) }()
	for {
		limited, end := context.WithTimeout(t.Context(), time.Millisecond)
		err := cc.Invoke(limited, get, say("late"), new(message))
		end()
		if errors.Is(err, holdfast.ErrClosed) {
			if status.Code(err) != codes.Canceled {
				t.Errorf("it is %v", status.Code(err))
			}
			break
		}
		select {
		case <-begun:
		default:
		}
	}
	close(release)
	time.AfterFunc(500*time.Millisecond, cancel)
	if err := <-down; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	wg.Wait()
}
