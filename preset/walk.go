package preset

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-go/holdfast/retry"
)

var (
	durationType = reflect.TypeFor[time.Duration]()
	jitterType   = reflect.TypeFor[retry.Jitter]()
)

var jitters = []string{retry.Full: "full", retry.Equal: "equal", retry.Decorrelated: "decorrelated", retry.Constant: "constant"}

// name is that of a field in JSON: "minAttempt".
func name(field string) string {
	r := []rune(field)
	r[0] = unicode.ToLower(r[0])
	return string(r)
}

// hasJSON reports whether values of the type are data.
func hasJSON(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Func, reflect.Interface, reflect.Chan, reflect.Map, reflect.Array:
		return false
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String
	case reflect.Pointer:
		return t.Elem().Kind() == reflect.Struct && t != reflect.TypeFor[*retry.Budget]()
	}
	return true
}

// walk calls f for each value in a struct, with its path. It goes five structs deep: one of a
// user's own may be endless.
func walk(v reflect.Value, path string, f func(path string, v reflect.Value)) {
	if strings.Count(path, ".") > 4 {
		return
	}
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() || !hasJSON(field.Type) {
			continue
		}
		at, in := strings.TrimPrefix(path+"."+name(field.Name), "."), v.Field(i)
		if in.Kind() == reflect.Pointer {
			if in.IsNil() {
				continue
			}
			in = in.Elem()
		}
		if in.Kind() == reflect.Struct {
			walk(in, at, f)
		} else {
			f(at, in)
		}
	}
}

// show writes a value as JSON has it, without quotes.
func show(v reflect.Value) string {
	switch {
	case v.CanInt() && v.Int() < 0, v.CanFloat() && v.Float() < 0:
		return "off"
	case v.Type() == durationType:
		return time.Duration(v.Int()).String()
	case v.Kind() == reflect.Slice:
		words := make([]string, v.Len())
		for i := range words {
			words[i] = v.Index(i).String() // the only slices with JSON
		}
		return strings.Join(words, ",")
	case v.Type() == jitterType && int(v.Uint()) < len(jitters):
		return jitters[v.Uint()]
	}
	return fmt.Sprint(v.Interface())
}
