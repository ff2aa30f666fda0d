package observe_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/observe"
	"github.com/holdfast-go/holdfast/retry"
)

func ExampleNew() {
	calls := observe.New(observe.Options{Done: func(_ context.Context, r observe.Record) {
		fmt.Println(r.Method, "of", r.Target, "came to", r.Code, "after", r.Attempts, "attempts")
	}})
	h := holdfast.Chain(calls, retry.New(retry.Options{InitialInterval: -1}))
	n := 0
	_, _ = holdfast.Do(context.Background(), h, holdfast.Call{Target: "users", Method: "get", Repeatable: true}, func(context.Context) (int, error) {
		if n++; n < 3 {
			return 0, errors.New("down")
		}
		return n, nil
	})
	// Output: get of users came to ok after 3 attempts
}

func ExampleNewLog() {
	handler := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == "time" || a.Key == "took" || a.Key == "ledger" {
			return slog.Attr{}
		}
		return a
	}})
	log := observe.NewLog(slog.New(handler), observe.LogOptions{})
	h := holdfast.Chain(observe.Watch(log, retry.New(retry.Options{}))...)
	_, _ = holdfast.Do(context.Background(), h, holdfast.Call{Target: "users", Method: "get"}, func(context.Context) (int, error) {
		return 0, errors.New("down")
	})
	// Output: level=WARN msg="holdfast: call" target=users method=get class=failure code=error attempts=1
}
