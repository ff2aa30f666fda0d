package preset

import (
	"fmt"
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
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
	case reflect.Func, reflect.Interface, reflect.Chan:
		return false
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String
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

// presets by their names.
var presets = map[string]func() Config{"standard": Standard, "conservative": Conservative, "background": Background}

// Describe lists every value of c, one in a line: its path, what is in force, and
// where it comes from: the preset that c was made of ("standard", "conservative",
// "background"), "json" where it was read, "default" where it is left to the
// policy, else "set".
func (c Config) Describe() string {
	set := texts(c)
	var from map[string]string
	if base := presets[c.base]; base != nil {
		from = texts(base())
	}
	var b strings.Builder
	walk(reflect.ValueOf(build(c, nil).effective()), "", func(path string, v reflect.Value) {
		origin, value := "set", show(v)
		switch text, is := set[path]; {
		case !is: // of what is left to the policy as a whole
			origin = "default"
		case c.read[path] == text && text != "":
			origin = "json"
		case zero[path] == text:
			origin = "default"
		case from[path] == text:
			origin = c.base
		}
		fmt.Fprintf(&b, "%-24s %-12s %s\n", path, value, origin)
	})
	return b.String()
}

var zero = texts(Config{Timeout: adaptive, Attempt: adaptive})

var adaptive = timeout.Options{Adaptive: new(timeout.Adaptive)}

// texts are the values of c as they are shown, by their paths.
func texts(c Config) map[string]string {
	m := map[string]string{}
	walk(reflect.ValueOf(c), "", func(path string, v reflect.Value) { m[path] = show(v) })
	return m
}
