package holdfast_test

import (
	"context"
	"errors"
	"testing"

	"github.com/holdfast-go/holdfast"
)

func BenchmarkDo(b *testing.B) {
	h := holdfast.Chain(holdfast.PolicyFunc(func(next holdfast.Handler) holdfast.Handler {
		return func(ctx context.Context, call *holdfast.Call) holdfast.Result { return next(ctx, call) }
	}))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := holdfast.Do(context.Background(), h, holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 1, nil }); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDo(t *testing.T) {
	boom := errors.New("boom")
	_, err := holdfast.Do(context.Background(), nil, holdfast.Call{}, func(context.Context) (int, error) { return 1, boom })
	if err != boom {
		t.Fatalf("got %v, want the function's own error", err)
	}
}
