package hedge_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
)

func TestT65_AnUnfiredHedgeStartsNoGoroutine(t *testing.T) {
	h := holdfast.Chain(hedge.New(hedge.Options{Delay: time.Hour}))
	before := runtime.NumGoroutine()
	_, err := holdfast.Do(t.Context(), h, get, func(context.Context) (int, error) {
		if n := runtime.NumGoroutine(); n != before {
			t.Errorf("%d goroutines, %d before the call", n, before)
		}
		return 0, nil
	})
	if err != nil {
		t.Error(err)
	}
}

func BenchmarkUnfired(b *testing.B) {
	for name, h := range map[string]holdfast.Handler{
		"bare": holdfast.Chain(), "hedge": holdfast.Chain(hedge.New(hedge.Options{Delay: time.Hour})),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, _ = holdfast.Do(b.Context(), h, get, func(context.Context) (int, error) { return 0, nil })
			}
		})
	}
}
