package main
import ("testing")
func BenchmarkOurs(b *testing.B) {
	for n, w := range map[string]func() func(){
		"retry": func() func(){ return calls(ourRetry(instant{}, idle), false)},
		"none": func() func(){ return calls(ours(instant{}), false)},
		"breaker": func() func(){ return calls(ourBreaker(instant{}, idle), false)},
		"timeout": func() func(){ return calls(ourTimeout(instant{}, idle), false)},
		"hedge": func() func(){ return calls(ourHedge(instant{}, idle), false)},
		"three": func() func(){ return calls(ourThree(instant{}, idle), false)},
		"floor-timeout": func() func(){ return calls(floorTimeout(instant{}, idle), false)},
		"bare": func() func(){ return calls(bare(instant{}, idle), false)},
	} {
		b.Run(n, func(b *testing.B){ b.ReportAllocs(); f := w(); for b.Loop() { f() } })
	}
}
