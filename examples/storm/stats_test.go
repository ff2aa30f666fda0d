package main

import (
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"
)

func TestPercentileIsTheNearestRank(t *testing.T) {
	upTo := func(n int) []time.Duration {
		var list []time.Duration
		for i := range n {
			list = append(list, time.Duration(i+1))
		}
		return list
	}
	for _, c := range []struct {
		n    int
		p    float64
		want time.Duration
	}{
		{0, 50, 0},
		{1, 0, 1}, {1, 50, 1}, {1, 99.9, 1}, {1, 100, 1},
		{2, 50, 1}, {2, 50.1, 2},
		{5, 50, 3}, {5, 99, 5},
		{100, 50, 50}, {100, 99, 99}, {100, 99.9, 100},
		{101, 99, 100}, // 99.99 is past the 99th
		{1000, 99, 990}, {1000, 99.9, 999}, {1000, 100, 1000},
		{10_000, 99.9, 9990}, {41_000, 99.9, 40_959}, // where the product is rounded up
		{10, -5, 1}, {10, 300, 10},
	} {
		if got := percentile(upTo(c.n), c.p); got != c.want {
			t.Errorf("percentile %v of 1..%d = %d, want %d", c.p, c.n, got, c.want)
		}
	}
}

// The definition, counted out: at least p percent do not exceed it, and that is
// true of no smaller one.
func TestPercentileIsTheLeastThatEnoughDoNotExceed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var list []time.Duration
		for range 1 + r.IntN(60) {
			list = append(list, time.Duration(r.IntN(20)))
		}
		slices.Sort(list)
		for _, p := range []float64{1, 25, 50, 90, 99, 99.9, 100} {
			want := time.Duration(math.MaxInt64)
			for _, candidate := range list {
				within := 0
				for _, d := range list {
					if d <= candidate {
						within++
					}
				}
				if float64(within)*100 >= p*float64(len(list)) {
					want = min(want, candidate)
				}
			}
			if got := percentile(list, p); got != want {
				t.Fatalf("percentile %v of %v = %d, want %d", p, list, got, want)
			}
		}
	}
}

func TestSumCountsEachCallOnce(t *testing.T) {
	samples := []sample{
		{phase: 0, sent: true, ok: true, took: 10, late: 4, attempts: 1},
		{phase: 0, sent: true, ok: true, took: 30, attempts: 2},
		{phase: 0, sent: true, why: "503", took: 20, attempts: 3},
		{phase: 0, why: "not sent"},
		{phase: 1, sent: true, why: "503", took: 99, attempts: 1},
	}
	got := sum(samples, only(0))
	want := figures{
		calls: 4, sent: 3, ok: 2, attempts: 6, failed: map[string]int{"503": 1, "not sent": 1},
		p50: 20, p99: 30, p999: 30, late: 4,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("sum of phase 0 = %+v, want %+v", got, want)
	}
	if got.perCall() != 2 {
		t.Errorf("%v attempts per call, want 2: a call that was not sent has none", got.perCall())
	}
	if all := sum(samples, func(int) bool { return true }); all.calls != 5 || all.ok != 2 || all.failed["503"] != 2 {
		t.Errorf("sum of all = %+v", all)
	}
	if none := sum(nil, only(0)); none.perCall() != 0 || none.p999 != 0 {
		t.Errorf("sum of nothing = %+v, want zeros", none)
	}
}
