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
	case reflect.Func, reflect.Interface, reflect.Slice, reflect.Chan:
		return false
	case reflect.Pointer:
		return t.Elem().Kind() == reflect.Struct && t != reflect.TypeFor[*retry.Budget]()
	}
	return true
}

// walk calls f for each value in a struct, with its path.
func walk(v reflect.Value, path string, f func(path string, v reflect.Value)) {
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
	case v.Type() == durationType && v.Int() < 0:
		return "off"
	case v.Type() == durationType:
		return time.Duration(v.Int()).String()
	case v.Type() == jitterType && int(v.Uint()) < len(jitters):
		return jitters[v.Uint()]
	}
	return fmt.Sprint(v.Interface())
}

// Describe lists the values of c, one in a line: its path, what it is, and where
// it comes from: "standard" where Standard has it so, "default" where it is left
// to the policy, else "set".
func (c Config) Describe() string {
	standard := map[string]string{}
	walk(reflect.ValueOf(Standard()), "", func(path string, v reflect.Value) { standard[path] = show(v) })
	var b strings.Builder
	walk(reflect.ValueOf(c), "", func(path string, v reflect.Value) {
		value, from := show(v), "set"
		switch {
		case v.IsZero():
			value, from = "-", "default"
		case standard[path] == value:
			from = "standard"
		}
		fmt.Fprintf(&b, "%-24s %-10s %s\n", path, value, from)
	})
	return b.String()
}
