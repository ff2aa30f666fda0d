package hedge_test

import (
	"context"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

func ExampleNew() {
	handler := holdfast.Chain(hedge.New(hedge.Options{Delay: time.Millisecond, Share: -1}))
	answer, err := holdfast.Do(context.Background(), handler, holdfast.Call{Target: "users", Repeatable: true},
		func(ctx context.Context) (string, error) {
			if holdfast.CallFrom(ctx).Hedge {
				return "from the hedge", nil
			}
			<-ctx.Done() // the first attempt hangs, until the hedge has won
			return "", context.Cause(ctx)
		})
	fmt.Println(answer, err)
	// Output: from the hedge <nil>
}
