package main

import (
	"runtime"
	"slices"
	"syscall"
	"time"
)

// A row is one thing to be done, and all who do it.
type row struct {
	group, name string
	subjects    func() []subject
	goal        goal
	long        bool // calls through the kernel: ten times as long a round, or chance is what is measured
}

// A subject is one who does it: "bare" does nothing beside the call, "floor" is
// written by hand for this alone, "holdfast" is ours, and the rest are others.
type subject struct {
	who string
	do  func()
}

// A goal is what ours may cost: so many times what another does, and so many
// allocations more than the bare call makes. Zero is no goal.
type goal struct {
	times  float64
	of     string
	allocs int     // more than bare; negative: none
	more   float64 // nanoseconds over bare; 0: no goal
}

// A figure is what one call of a subject costs.
type figure struct {
	Who    string  `json:"who"`
	NS     float64 `json:"ns"`
	Allocs float64 `json:"allocs"`
}

type measured struct {
	row
	figures []figure
}

func (m measured) of(who string) (figure, bool) {
	i := slices.IndexFunc(m.figures, func(f figure) bool { return f.Who == who })
	if i < 0 {
		return figure{}, false
	}
	return m.figures[i], true
}

// heap stands for what a service keeps: with next to nothing alive the garbage
// collector would run every few thousand calls, and its start and end be what is
// measured.
var heap = make([]byte, 32<<20)

// measure runs the subjects of a row in turn.
func measure(r row, rounds int, each time.Duration) measured {
	subjects := r.subjects()
	if r.long {
		each *= 10
	}
	counts := make([]int, len(subjects))
	for i, s := range subjects { // how many calls fill a round, and a warm start
		n := 1
		for {
			start := time.Now()
			for range n {
				s.do()
			}
			if took := time.Since(start); took >= each/4 || n >= 1<<24 {
				counts[i] = max(1, int(float64(n)*float64(each)/float64(max(took, 1))))
				break
			}
			n *= 2
		}
	}
	ns := make([][]float64, len(subjects))
	allocs := make([][]float64, len(subjects))
	for range rounds {
		for i, s := range subjects {
			runtime.GC()
			n := counts[i]
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := cpu()
			for range n {
				s.do()
			}
			spent := cpu() - start
			runtime.ReadMemStats(&after)
			ns[i] = append(ns[i], float64(spent)/float64(n))
			allocs[i] = append(allocs[i], float64(after.Mallocs-before.Mallocs)/float64(n))
		}
	}
	runtime.KeepAlive(heap)
	m := measured{row: r}
	for i, s := range subjects {
		m.figures = append(m.figures, figure{s.who, median(ns[i]), float64(int(median(allocs[i])*10+0.5)) / 10})
	}
	return m
}

// cpu is the time that the process has spent on all its threads, collecting
// garbage included.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
