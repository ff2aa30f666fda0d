package preset

import (
	"fmt"
	"reflect"
	"slices"
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

// name is that of a field in JSON: "minAttempt", and "url" or "urlPath" of what begins with
// several capitals.
func name(field string) string {
	r := []rune(field)
	for i := range r {
		if i > 0 && i+1 < len(r) && unicode.IsLower(r[i+1]) || !unicode.IsUpper(r[i]) {
			break
		}
		r[i] = unicode.ToLower(r[i])
	}
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

// copied returns c with lists and structs of its own, so that whoever changes theirs changes
// nothing here.
func (c Config) copied() Config {
	own(reflect.ValueOf(&c).Elem())
	for i := range c.Routes {
		c.Routes[i].Match = slices.Clone(c.Routes[i].Match)
		own(reflect.ValueOf(&c.Routes[i].Config).Elem())
	}
	return c
}

// own puts copies into a struct in the place of its lists and of the data that it points to.
func own(v reflect.Value) {
	for i := range v.NumField() {
		in := v.Field(i)
		switch {
		case !v.Type().Field(i).IsExported():
		case in.Kind() == reflect.Struct:
			own(in)
		case in.Kind() == reflect.Slice && !in.IsNil():
			in.Set(reflect.AppendSlice(reflect.MakeSlice(in.Type(), 0, in.Len()), in))
		case in.Kind() == reflect.Pointer && !in.IsNil() && hasJSON(in.Type()):
			made := reflect.New(in.Type().Elem())
			made.Elem().Set(in.Elem())
			own(made.Elem())
			in.Set(made)
		}
	}
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
