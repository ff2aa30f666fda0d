package prometheus_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/holdfast-go/holdfast"
	holdprom "github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/retry"
)

func ExampleRegister() {
	registry := prometheus.NewRegistry()
	metrics, err := holdprom.Register(registry, holdprom.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	h := holdfast.Chain(metrics.Watch("users", retry.New(retry.Options{InitialInterval: -1}))...)
	n := 0
	_, _ = holdfast.Do(context.Background(), h, holdfast.Call{Target: "users", Method: "get", Repeatable: true}, func(context.Context) (int, error) {
		if n++; n == 1 {
			return 0, errors.New("down")
		}
		return n, nil
	})
	calls, _ := testutil.GatherAndCount(registry, "holdfast_calls_total")
	attempts, _ := testutil.GatherAndCount(registry, "holdfast_attempts_total")
	fmt.Println(calls, "series of calls,", attempts, "of attempts")
	// Output: 1 series of calls, 2 of attempts
}
