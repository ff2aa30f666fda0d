package timeout_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

func ExampleNew() {
	guarded := holdfast.Chain(timeout.New(timeout.Options{Limit: 20 * time.Millisecond})) // built once, used for every call

	_, err := holdfast.Do(context.Background(), guarded, holdfast.Call{Target: "postgres"},
		func(ctx context.Context) (string, error) {
			<-ctx.Done() // a server that does not answer
			return "", ctx.Err()
		})
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.DeadlineExceeded))
	// Output:
	// holdfast: call timed out after 20ms
	// true
}

func ExampleNew_options() {
	attempt := timeout.New(timeout.Options{
		Limit:      2 * time.Second,       // until the answer begins, at most
		Idle:       5 * time.Second,       // then: between two pieces of it
		MinAttempt: 20 * time.Millisecond, // with less left, nothing is sent
		Adaptive:   new(timeout.Adaptive), // less than Limit, once the target is known
	})
	fmt.Println(attempt.Limit("users.internal:443"))
	// Output: 2s
}

// The limit follows what calls to the target take.
func ExampleAdaptive() {
	p := timeout.New(timeout.Options{
		Limit: 2 * time.Second,
		Adaptive: &timeout.Adaptive{
			Quantile:   0.99,
			Factor:     3,
			Min:        100 * time.Millisecond,
			MinSamples: 100,
		},
	})
	guarded := holdfast.Chain(p)
	for range 200 {
		_, _ = holdfast.Do(context.Background(), guarded, holdfast.Call{Target: "cache"},
			func(context.Context) (string, error) { return "a quick answer", nil })
	}
	fmt.Println(p.Limit("cache") <= 2*time.Second, p.Limit("another"))
	// Output: true 2s
}

func ExampleTimeout_Limit() {
	fmt.Println(timeout.New(timeout.Options{Limit: time.Second}).Limit("any"), timeout.New(timeout.Options{Limit: 0}).Limit("any"), timeout.New(timeout.Options{Limit: -1}).Limit("any"))
	// Output: 1s 10s 0s
}

func ExampleWithLimit() {
	calls := holdfast.Chain(timeout.New(timeout.Options{Limit: 20 * time.Millisecond})) // for all that are quick

	ctx := timeout.WithLimit(context.Background(), 5*time.Minute) // for this one, a long poll
	answer, err := holdfast.Do(ctx, calls, holdfast.Call{Target: "consul"}, func(ctx context.Context) (string, error) {
		select {
		case <-time.After(50 * time.Millisecond):
			return "changed", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	fmt.Println(answer, err)
	// Output: changed <nil>
}

func ExampleWithAttemptLimit() {
	ctx := timeout.WithLimit(context.Background(), 10*time.Minute) // the whole call
	ctx = timeout.WithAttemptLimit(ctx, 2*time.Minute)             // each attempt

	attempts := holdfast.Chain(timeout.New(timeout.Options{}), retry{}, timeout.New(timeout.Options{}))
	_, _ = holdfast.Do(ctx, attempts, holdfast.Call{Target: "reports"}, func(ctx context.Context) (int, error) {
		deadline, _ := ctx.Deadline()
		fmt.Println(time.Until(deadline).Round(time.Minute))
		return 0, nil
	})
	// Output: 2m0s
}

// retry stands for the policy of that name.
type retry struct{}

func (retry) Wrap(next holdfast.Handler) holdfast.Handler { return next }
func (retry) Traits() holdfast.Traits                     { return holdfast.Traits{Name: "retry", Retries: true} }
