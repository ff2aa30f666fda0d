package main
import ("testing";"runtime";"net/http";"github.com/holdfast-go/holdfast";"context")
type small struct{ a [60]*int; b [4]int }
var sink *small
var rs *http.Request
func BenchmarkAlloc(b *testing.B) { for b.Loop() { sink = new(small) } }
func BenchmarkCopy(b *testing.B) { r,_ := http.NewRequest("GET","http://x/",nil); for b.Loop() { rs = r.WithContext(context.TODO()) } }
func BenchmarkOurs(b *testing.B) {
	leaf := &http.Transport{}
	leaf.RegisterProtocol("http", instant{})
	for n, w := range map[string]func() func(){
		"retry": func() func(){ return calls(ourRetry(instant{}, idle), false)},
		"none": func() func(){ return calls(ours(instant{}), false)},
		"noneleaf": func() func(){ return calls(ours(leaf), false)},
		"leaf": func() func(){ return calls(leaf.RoundTrip, false)},
		"breaker": func() func(){ return calls(ourBreaker(instant{}, idle), false)},
		"timeout": func() func(){ return calls(ourTimeout(instant{}, idle), false)},
		"hedge": func() func(){ return calls(ourHedge(instant{}, idle), false)},
		"three": func() func(){ return calls(ourThree(instant{}, idle), false)},
		"floor-timeout": func() func(){ return calls(floorTimeout(instant{}, idle), false)},
		"bare": func() func(){ return calls(bare(instant{}, idle), false)},
	} {
		b.Run(n, func(b *testing.B){ b.ReportAllocs(); f := w(); for b.Loop() { f() } })
	}
	runtime.KeepAlive(heap)
	_ = holdfast.Chain
}
