package holdfast_test

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/timeout"
)

// A function that did not finish can tell a limit of ours from its caller's cancel.
func ExampleRanOut() {
	limited := holdfast.Chain(timeout.New(timeout.Options{Limit: time.Millisecond}))
	_, _ = holdfast.Do(context.Background(), limited, holdfast.Call{Target: "reports"}, func(ctx context.Context) (int, error) {
		<-ctx.Done()
		fmt.Println(holdfast.RanOut(ctx))
		return 0, ctx.Err()
	})
	// Output: holdfast: call timed out after 1ms
}
