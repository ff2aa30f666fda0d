package holdfast_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// FuzzEnding: in whatever order hooks come, panic and the end is brought, each
// hook runs once, in the order of registration, the late ones at once, and all of
// them learn the first end.
func FuzzEnding(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 0})
	f.Add([]byte{0, 2, 0, 0, 0, 2, 1, 1, 0, 2})
	f.Add([]byte{1, 2})
	f.Fuzz(func(t *testing.T, script []byte) {
		var e holdfast.Ending
		r := new(recorder)
		var want []uint64
		var first *holdfast.End
		for i, op := range script[:min(len(script), 100)] {
			token := uint64(i)
			func() {
				defer func() { _ = recover() }() // the hooks' own
				switch op % 3 {
				case 0, 2: // a hook, every second kind of which panics
					want = append(want, token)
					r.panics = append(r.panics, op%3 == 2)
					e.OnDone(r.next(token), token)
				case 1:
					end := holdfast.End{Code: holdfast.Code(fmt.Sprint(i)), Bytes: int64(i)}
					if first == nil {
						first = &end
					}
					e.Finish(end)
				}
			}()
			if first != nil && !slices.Equal(r.tokens, want) {
				t.Fatalf("after step %d the hooks ran as %v, want %v", i, r.tokens, want)
			}
			if first == nil && len(r.tokens) > 0 {
				t.Fatal("a hook ran before the end")
			}
			if e.Finished() != (first != nil) {
				t.Fatalf("Finished is %v", e.Finished())
			}
		}
		for _, end := range r.ends {
			if end != *first {
				t.Fatalf("a hook learned %+v, want %+v", end, *first)
			}
		}
	})
}

type recorder struct {
	tokens []uint64
	ends   []holdfast.End
	panics []bool
}

func (r *recorder) next(uint64) holdfast.Hook { return &recording{r, r.panics[len(r.panics)-1]} }

type recording struct {
	of     *recorder
	panics bool
}

func (r *recording) Done(token uint64, end holdfast.End) {
	r.of.tokens, r.of.ends = append(r.of.tokens, token), append(r.of.ends, end)
	if r.panics {
		panic("hook")
	}
}
