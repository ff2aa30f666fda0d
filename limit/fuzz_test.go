package limit_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/limit"
)

// A queued call of the model: what became of it, by the limit's own word.
type queued struct {
	done chan error
	slot func()
	ends time.Time // of its wait
	quit context.CancelFunc
}

// FuzzInFlight runs calls that come, wait, give up and go against a naive model: how
// many are inside, and who waits in which order.
func FuzzInFlight(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 1, 3, 9, 0, 1, 1, 2, 0})
	f.Add([]byte("the quick brown fox jumps over the lazy dog, again and again"))
	f.Fuzz(func(t *testing.T, schedule []byte) {
		if len(schedule) > 500 {
			return
		}
		synctest.Test(t, func(t *testing.T) {
			const most, room = 3, 4
			l := limit.NewInFlight(limit.InFlightOptions{Max: most, Wait: time.Second, Queue: room})
			var inside []func()
			var waiting []*queued
			settle := func() { // take in who has been let in, in turn
				synctest.Wait()
				for len(waiting) > 0 && len(inside) < most {
					q := waiting[0]
					select {
					case err := <-q.done:
						if err != nil {
							t.Fatalf("the first in turn is not let in: %v", err)
						}
						inside, waiting = append(inside, q.slot), waiting[1:]
						q.quit()
					default:
						t.Fatalf("%d inside, and the first of %d waits", len(inside), len(waiting))
					}
				}
			}
			for i := range schedule {
				switch op := schedule[i] % 5; {
				case op <= 1: // one comes
					ctx, quit := context.WithCancel(t.Context())
					q := &queued{done: make(chan error, 1), ends: time.Now().Add(time.Second), quit: quit}
					go func() {
						var err error
						q.slot, err = l.Acquire(ctx, "")
						q.done <- err
					}()
					synctest.Wait()
					waits := len(inside) >= most || len(waiting) > 0
					switch {
					case !waits:
						if err := <-q.done; err != nil {
							t.Fatalf("%d inside, and one is refused: %v", len(inside), err)
						}
						inside = append(inside, q.slot)
						quit()
					case len(waiting) >= room:
						if err := <-q.done; err == nil {
							t.Fatal("the queue has room for one more than it may")
						}
						quit()
					default:
						waiting = append(waiting, q)
					}
				case op == 2 && len(inside) > 0: // one goes
					at := int(schedule[i]) % len(inside)
					inside[at]()
					inside = append(inside[:at], inside[at+1:]...)
					settle()
				case op == 3 && len(waiting) > 0: // one that waits gives up
					at := int(schedule[i]) % len(waiting)
					waiting[at].quit()
					if err := <-waiting[at].done; err == nil {
						t.Fatal("one that has left is let in")
					}
					waiting = append(waiting[:at], waiting[at+1:]...)
				case op == 4: // time passes
					time.Sleep(time.Duration(schedule[i]) * 5 * time.Millisecond)
					synctest.Wait()
					for len(waiting) > 0 && !time.Now().Before(waiting[0].ends) {
						if err := <-waiting[0].done; err == nil {
							t.Fatal("one whose wait is over is let in")
						}
						waiting[0].quit()
						waiting = waiting[1:]
					}
				}
				if s := l.Stats(""); s.InFlight != len(inside) || s.Waiting != len(waiting) {
					t.Fatalf("step %d: %+v, want %d inside and %d waiting", i, s, len(inside), len(waiting))
				}
			}
			for _, q := range waiting {
				q.quit()
				<-q.done
			}
			for _, s := range inside {
				s()
			}
		})
	})
}
