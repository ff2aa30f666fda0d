// Package optiontest holds the fields of Options to what they say of zero and of negative
// values.
package optiontest

import (
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Meanings say, by the path of a field, what is in force where it is zero, and where it is
// negative.
type Meanings map[string][2]any

// Check sets each field of T that is a number to zero and to negative values, alone, and
// compares what inForce makes of it with what fields says, by path: "MinSamples", "Eject.MinSamples".
// A number of which fields says nothing is an error.
func Check[T any](t *testing.T, inForce func(T) T, fields Meanings) {
	t.Helper()
	paths := Paths(reflect.TypeFor[T]())
	for path := range fields {
		if !slices.Contains(paths, path) {
			t.Errorf("%v has no number %s", reflect.TypeFor[T](), path)
		}
	}
	for _, path := range paths {
		want, said := fields[path]
		if !said {
			t.Errorf("%v.%s: say here, and in its comment, what is in force when it is zero and when it is negative", reflect.TypeFor[T](), path)
			continue
		}
		of := func(v any, want any) {
			t.Helper()
			var o T
			at := Field(reflect.ValueOf(&o).Elem(), path)
			at.Set(reflect.ValueOf(v).Convert(at.Type()))
			o = inForce(o)
			got := Field(reflect.ValueOf(&o).Elem(), path)
			if want := reflect.ValueOf(want).Convert(got.Type()); !got.Equal(want) {
				t.Errorf("%s: %v is %v in force, want %v", path, v, got, want)
			}
		}
		of(0, want[0])
		of(-1, want[1])
		of(math.MinInt32, want[1])
	}
}

// Paths are those of the numbers in a struct, those of the structs in it too.
func Paths(t reflect.Type) (paths []string) {
	for i := range t.NumField() {
		field := t.Field(i)
		in := field.Type
		if in.Kind() == reflect.Pointer {
			in = in.Elem()
		}
		switch {
		case !field.IsExported():
		case in.Kind() == reflect.Struct:
			for _, path := range Paths(in) {
				paths = append(paths, field.Name+"."+path)
			}
		case slices.Contains([]reflect.Kind{reflect.Int, reflect.Int64, reflect.Float64}, field.Type.Kind()):
			paths = append(paths, field.Name)
		}
	}
	return paths
}

// Field returns a field by its path; what a nil pointer on the way points to is made.
func Field(v reflect.Value, path string) reflect.Value {
	for name := range strings.SplitSeq(path, ".") {
		if v.Kind() == reflect.Pointer {
			if v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			v = v.Elem()
		}
		v = v.FieldByName(name)
	}
	return v
}
