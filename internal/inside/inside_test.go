package inside_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-go/holdfast/internal/inside"
)

type policy interface{ Name() string }

type one struct{ name string }

func (o *one) Name() string { return o.name }

type group struct {
	one
	of []policy
}

func (g *group) Inside() []policy { return g.of }

// A value is a policy that is no pointer, around one that is.
type value struct{ *one }

type function func() string

func (f function) Name() string { return f() }

// endless is a group that is made anew each time.
type endless struct{ one }

func (e *endless) Inside() []policy { return []policy{&endless{one{"e"}}} }

func visited(policies ...policy) (names []string) {
	inside.Each(policies, func(p policy) []policy {
		names = append(names, p.Name())
		return inside.Of(p)
	})
	return names
}

// Each policy is visited once, the outermost first, wherever it stands.
func TestEachIsVisitedOnce(t *testing.T) {
	a, b, f := &one{"a"}, &one{"b"}, function(func() string { return "f" })
	g := &group{one{"g"}, []policy{nil, a, (*one)(nil), &group{one{"h"}, []policy{b, a}}}}
	g.of = append(g.of, g)
	got := visited(nil, (*group)(nil), g, b, a, value{a}, value{a}, value{b}, f, f)
	if want := "[g a h b a b f f]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if got := visited(&endless{one{"e"}}); len(got) != 9 {
		t.Errorf("%d visits of a group without an end", len(got))
	}
}

// What cannot be a key of a map has no identity.
func TestIdentity(t *testing.T) {
	a := &one{"a"}
	if inside.Identity(value{a}) != inside.Identity(value{a}) || inside.Identity(a) != any(a) {
		t.Error("the same has two")
	}
	for _, v := range []any{nil, []int{}, func() {}, struct{ of any }{[]int{}}} {
		if got := inside.Identity(v); got != nil {
			t.Errorf("%T is known by %v", v, got)
		}
	}
}

type owned struct {
	one
	of any
}

func (o *owned) Owner() any   { return o.of }
func (o *owned) Tell() string { return o.name }

type telling interface{ Tell() string }

// Of those that tell of the same the first is told, and all that say nothing of it.
func TestTellers(t *testing.T) {
	shared, none := new(int), &owned{one{"none"}, nil}
	a, b, c := &owned{one{"a"}, shared}, &owned{one{"b"}, shared}, &owned{one{"c"}, []int{}}
	tell, known := inside.Tellers[telling]([]policy{&one{"silent"}, none, &group{one{"g"}, []policy{a, none}}, b, c})
	var names []string
	for _, p := range tell {
		names = append(names, p.Tell())
	}
	if want := "[none a c]"; fmt.Sprint(names) != want || known[0] != any(none) || known[1] != any(shared) || known[2] != any(c) {
		t.Errorf("%v known by %v, want %s", names, known, want)
	}
}
