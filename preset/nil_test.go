package preset_test

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"runtime/debug"
	"testing"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/observe"
	"github.com/holdfast-go/holdfast/observe/prometheus"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// Whoever has a nil or a zero value in hand, since what was to make it failed, can call all its
// methods: none panics, none waits for ever, and as a Policy it lets calls through. Calls and errors
// are nobody's to make but Holdfast's.
func TestNilAndZeroValuesAreHarmless(t *testing.T) {
	for _, of := range []any{
		new(preset.Stack), new(preset.ServiceConfig), new(preset.Config),
		new(retry.Retry), new(retry.Budget), new(hedge.Hedge), new(breaker.Breaker), new(timeout.Timeout), new(limit.InFlight), new(limit.Rate),
		new(loadbalance.Set), new(loadbalance.Pool), new(loadbalance.Node), new(discovery.Source),
		new(prometheus.Metrics), new(observe.Observe),
	} {
		made := reflect.TypeOf(of)
		for _, v := range []any{of, reflect.Zero(made).Interface()} {
			p, ok := v.(holdfast.Policy)
			if !ok {
				continue
			}
			if n, err := holdfast.Do(t.Context(), holdfast.Chain(p), holdfast.Call{Target: "t"}, func(context.Context) (int, error) { return 7, nil }); n != 7 || err != nil {
				t.Errorf("through %T: %d, %v", v, n, err)
			}
		}
		for name, v := range map[string]reflect.Value{"nil": reflect.Zero(made), "zero": reflect.New(made.Elem())} {
			for i := range made.NumMethod() {
				m := made.Method(i)
				if _, byValue := made.Elem().MethodByName(m.Name); name == "nil" && byValue && made != reflect.TypeFor[*loadbalance.Set]() {
					continue // Go itself looks into what there is not
				}
				t.Run(fmt.Sprintf("%v/%s/%s", made, name, m.Name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						defer func() {
							if p := recover(); p != nil {
								t.Errorf("it panics: %v\n%s", p, debug.Stack())
							}
						}()
						ctx, stop := context.WithCancel(t.Context())
						defer stop()
						go func() { synctest.Wait(); stop() }()
						use(ctx, v.Method(i), 0)
					})
				})
			}
		}
	}
}

// use calls a function with arguments that say nothing, and then what it returns.
func use(ctx context.Context, f reflect.Value, depth int) {
	in := make([]reflect.Value, f.Type().NumIn())
	for i := range in {
		in[i] = argument(ctx, f.Type().In(i), depth)
	}
	call := f.Call
	if f.Type().IsVariadic() {
		call = f.CallSlice
	}
	for _, out := range call(in) {
		if out.Kind() == reflect.Interface {
			out = out.Elem()
		}
		if out.Kind() == reflect.Func && !out.IsNil() && depth < 2 {
			use(ctx, out, depth+1)
		}
	}
}

func argument(ctx context.Context, t reflect.Type, depth int) reflect.Value {
	switch {
	case t == reflect.TypeFor[context.Context]():
		return reflect.ValueOf(ctx)
	case t == reflect.TypeFor[*holdfast.Call]():
		return reflect.ValueOf(&holdfast.Call{Target: "t"})
	case t == reflect.TypeFor[preset.Config]():
		return reflect.ValueOf(preset.Standard())
	case t == reflect.TypeFor[http.ResponseWriter]():
		return reflect.Zero(t)
	case t.Kind() == reflect.Func:
		return reflect.MakeFunc(t, func(in []reflect.Value) []reflect.Value {
			out := make([]reflect.Value, t.NumOut())
			for i := range out {
				out[i] = reflect.Zero(t.Out(i))
			}
			return out
		})
	}
	return reflect.Zero(t)
}
