package holdfasttest

import (
	"testing"
	"testing/synctest"
	"time"
)

// A tb is the part of testing.TB by which the checks of this package report.
type tb interface {
	Helper()
	Errorf(format string, args ...any)
}

// inTime runs f in a bubble, or in real time.
func inTime(t *testing.T, sockets bool, f func(t *testing.T)) {
	t.Helper()
	if sockets {
		f(t)
		return
	}
	synctest.Test(t, f)
}

// A clock is how a check waits: in a bubble exactly and for as long as it likes,
// outside not for long.
type clock struct{ real bool }

// forever is how long a call may take before it counts as stuck.
func (c clock) forever() time.Duration {
	if c.real {
		return 2 * patience
	}
	return 1000 * time.Hour
}

// settle waits until cond holds or nothing more will happen, and returns cond.
func (c clock) settle(cond func() bool) bool {
	if !c.real {
		synctest.Wait()
		return cond()
	}
	for waited := time.Duration(0); !cond() && waited < patience; waited += time.Millisecond {
		<-time.After(time.Millisecond)
	}
	return cond()
}

// quiet gives what must not happen the time to happen.
func (c clock) quiet() {
	if !c.real {
		synctest.Wait()
		return
	}
	<-time.After(20 * time.Millisecond)
}

// A fate is what became of a function that ran on a goroutine of its own.
type fate struct {
	returned bool
	panicked any // what it panicked with
	stuck    bool
	took     time.Duration
}

// exited reports whether it left its goroutine.
func (f fate) exited() bool { return !f.returned && !f.stuck && f.panicked == nil }

// run calls f on a goroutine of its own and waits for it.
func (c clock) run(f func()) fate {
	start := time.Now()
	result := make(chan fate, 1)
	go func() {
		var end fate
		defer func() {
			if !end.returned {
				end.panicked = recover()
			}
			end.took = time.Since(start)
			result <- end
		}()
		f()
		end.returned = true
	}()
	timer := time.NewTimer(c.forever())
	defer timer.Stop()
	select {
	case end := <-result:
		return end
	case <-timer.C:
		return fate{stuck: true, took: time.Since(start)}
	}
}

// closeNow calls the policy's Close, if it has one.
func closeNow(policy any) {
	switch p := policy.(type) {
	case interface{ Close() error }:
		_ = p.Close() // the check is for what it leaves behind
	case interface{ Close() }:
		p.Close()
	}
}
