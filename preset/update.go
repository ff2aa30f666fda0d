package preset

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast"
)

// Update has all calls that begin from now on run through the policies of c;
// those under way go on with what they began with, their callbacks too; who waits for a
// place or a token goes by the new limit at once; for routes see Route.Match. Circuits, what calls take,
// slots, and the tokens of the budget and of rates stay as they are. It returns
// what has changed, a line for each value in force: "retry.maxAttempts: 3 -> 5";
// of functions and policies that they were given, taken away or replaced, where
// that can be seen. A Config that Validate refuses changes nothing, and the next one
// is as welcome. A Stack that is closed takes none: holdfast.ErrClosed.
func (s *Stack) Update(c Config) ([]string, error) {
	if s.now() == nil {
		return nil, errNotMade
	}
	c = c.copied()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed.Load() {
		return nil, holdfast.ErrClosed
	}
	was := s.now()
	is := build(c, was)
	changes := append(differ(was, is), diffRoutes(was, is)...)
	s.parts.Store(is)
	come := slices.DeleteFunc(c.inner(), func(p holdfast.Policy) bool {
		return slices.ContainsFunc(was.config.inner(), func(old holdfast.Policy) bool { return same(reflect.ValueOf(old), reflect.ValueOf(p)) })
	})
	for _, f := range s.drained {
		onDrained(come, f)
	}
	for h := range s.heard {
		h.follow(is.list())
	}
	return changes, nil
}

var errNotMade = errors.New("preset: NewStack has not made this Stack, which has nothing to update")

func change(path, was, is string) string {
	if was == "" {
		was = "none"
	}
	if is == "" {
		is = "none"
	}
	return path + ": " + was + " -> " + is
}

// diff compares the options in force.
func diff(was, is Config) (changes []string) {
	old := texts(was)
	walk(reflect.ValueOf(is), "", func(path string, v reflect.Value) {
		if value := show(v); old[path] != value {
			changes = append(changes, change(path, old[path], value))
		}
		delete(old, path)
	})
	var gone []string
	for path, value := range old { // of a struct that is no longer there
		gone = append(gone, change(path, value, ""))
	}
	slices.Sort(gone)
	return append(changes, gone...)
}

// diffCode compares what has no JSON, but for the policies of the user's own.
func diffCode(was, is Config) (changes []string) {
	old := map[string]reflect.Value{}
	walkCode(reflect.ValueOf(was), "", func(path string, v reflect.Value) { old[path] = v })
	walkCode(reflect.ValueOf(is), "", func(path string, v reflect.Value) {
		switch was := old[path]; {
		case was.IsNil() && v.IsNil():
		case was.IsNil():
			changes = append(changes, change(path, "", "set"))
		case v.IsNil():
			changes = append(changes, change(path, "set", ""))
		case !same(was, v):
			changes = append(changes, change(path, "set", "another"))
		}
	})
	return changes
}

// walkCode is walk for the functions, interfaces and pointers that are no data.
func walkCode(v reflect.Value, path string, f func(path string, v reflect.Value)) {
	for i := range v.NumField() {
		field, in := v.Type().Field(i), v.Field(i)
		if !field.IsExported() {
			continue
		}
		at := strings.TrimPrefix(path+"."+name(field.Name), ".")
		switch {
		case in.Kind() == reflect.Struct:
			walkCode(in, at, f)
		case !hasJSON(field.Type) && in.Kind() != reflect.Slice:
			f(at, in)
		}
	}
}

// same reports whether two are the same, as far as that can be seen: of functions that they have
// the same code.
func same(a, b reflect.Value) bool {
	if a.IsValid() && a.Kind() == reflect.Interface {
		a = a.Elem()
	}
	if b.IsValid() && b.Kind() == reflect.Interface {
		b = b.Elem()
	}
	switch {
	case a.IsValid() != b.IsValid() || a.IsValid() && a.Type() != b.Type():
		return false
	case !a.IsValid():
	case a.Kind() == reflect.Pointer || a.Kind() == reflect.Func:
		return a.Pointer() == b.Pointer()
	case a.Comparable() && b.Comparable():
		return a.Equal(b)
	}
	return true
}

// diffPolicies tells of policies of the user's own by their types.
func diffPolicies(path string, was, is []holdfast.Policy) []string {
	if slices.EqualFunc(was, is, func(a, b holdfast.Policy) bool { return same(reflect.ValueOf(a), reflect.ValueOf(b)) }) {
		return nil
	}
	return []string{change(path, typesOf(was), typesOf(is))}
}

func typesOf(policies []holdfast.Policy) string {
	var types []string
	for _, p := range policies {
		types = append(types, fmt.Sprintf("%T", p))
	}
	return strings.Join(types, ", ")
}
