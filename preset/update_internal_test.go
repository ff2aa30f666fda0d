package preset

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/timeout"
)

// Whatever a value is changed to, what is in force after Update is what a new Stack would have,
// and what Update returns says so: no more and no less.
func TestWhatUpdateTellsIsInForce(t *testing.T) {
	base := Standard()
	base.Timeout.Adaptive, base.Attempt.Adaptive = new(timeout.Adaptive), new(timeout.Adaptive)
	base.Rate = limit.RateOptions{PerSecond: 100, Wait: time.Second}
	base.Hedge.MaxHedges = 1
	force := build(base, nil).effective()
	values := map[string]reflect.Value{}
	walk(reflect.ValueOf(force), "", func(path string, v reflect.Value) { values[path] = v })
	n := 0
	for path, in := range values {
		for _, to := range []string{"another", "off", "zero"} {
			c := base.copied()
			walk(reflect.ValueOf(&c).Elem(), "", func(at string, v reflect.Value) {
				if at == path {
					put(v, in, to)
				}
			})
			if c.Validate() != nil {
				continue
			}
			n++
			s, err := NewStack(base)
			if err != nil {
				t.Fatal(err)
			}
			changes, err := s.Update(c)
			if err != nil {
				t.Fatal(err)
			}
			want := texts(build(c, nil).effective())
			is := texts(s.now().effective())
			was := texts(force)
			for at := range want {
				told := false
				for _, line := range changes {
					told = told || line == change(at, was[at], is[at])
				}
				if is[at] != want[at] || told != (is[at] != was[at]) {
					t.Errorf("%s, %s: %s is %s in force, want %s; before %s; told %q", path, to, at, is[at], want[at], was[at], changes)
				}
			}
			if to == "another" && was[path] == is[path] {
				t.Errorf("%s: nothing was changed, this checks little", path)
			}
		}
	}
	if n < 150 {
		t.Errorf("%d changes looked at; this checks little", n)
	}
}

// put sets v to another value than in, which is in force.
func put(v, in reflect.Value, to string) {
	switch {
	case to == "zero":
		v.SetZero()
	case v.Kind() == reflect.Bool:
		v.SetBool(!in.Bool())
	case v.CanUint():
		v.SetUint(in.Uint() + 1)
	case v.Kind() == reflect.Slice:
		v.Set(reflect.ValueOf([]holdfast.Code{"503"}))
	case to == "off" && v.CanInt():
		v.SetInt(-7)
	case to == "off":
		v.SetFloat(-7)
	case v.CanFloat():
		v.SetFloat(max(in.Float(), 0.01) * 0.9)
	case v.Type() == durationType:
		v.SetInt(max(in.Int(), 0) + int64(10*time.Millisecond))
	default:
		v.SetInt(max(in.Int(), 0) + 1)
	}
}

// Each list and each struct that a Config points to is one's own.
func TestACopiedConfigSharesNothing(t *testing.T) {
	c := Standard()
	c.Timeout.Adaptive, c.Attempt.Adaptive = new(timeout.Adaptive), new(timeout.Adaptive)
	c.Retry.Codes = []holdfast.Code{"503"}
	c.Outer, c.Inner = []holdfast.Policy{nil}, []holdfast.Policy{nil}
	inner := c
	c.Routes = []Route{{Match: []string{"/"}, Config: inner}}
	n := 0
	var differ func(a, b reflect.Value, path string)
	differ = func(a, b reflect.Value, path string) {
		for i := range a.NumField() {
			field, x, y := a.Type().Field(i), a.Field(i), b.Field(i)
			at := strings.TrimPrefix(path+"."+field.Name, ".")
			switch {
			case !field.IsExported():
			case x.Kind() == reflect.Struct:
				differ(x, y, at)
			case field.Type == routesType && x.Len() > 0:
				n++
				if x.Pointer() == y.Pointer() {
					t.Errorf("%s is shared", at)
				}
				differ(x.Index(0), y.Index(0), at)
			case field.Type == routesType:
			case x.Kind() == reflect.Slice, x.Kind() == reflect.Pointer && hasJSON(field.Type):
				n++
				if x.IsNil() || x.Pointer() == y.Pointer() {
					t.Errorf("%s is shared, or nothing; set it above", at)
				}
			}
		}
	}
	differ(reflect.ValueOf(c), reflect.ValueOf(c.copied()), "")
	if n < 5 {
		t.Errorf("%d looked at", n)
	}
}
