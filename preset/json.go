package preset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Parse reads a Config from JSON. "preset" names what it changes: "standard",
// which is also meant without it, "conservative" or "background". An unknown
// field, a wrong type and a value that makes no sense are errors that name the
// path and the fix.
func Parse(text []byte) (Config, error) {
	c := Standard()
	if err := c.UnmarshalJSON(text); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// UnmarshalJSON changes c as the JSON says; what it does not name stays.
func (c *Config) UnmarshalJSON(text []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var in map[string]any
	if err := decoder.Decode(&in); err != nil {
		return fmt.Errorf("preset: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("preset: something follows the configuration: remove it")
	}
	out := *c
	if base, ok := in["preset"]; ok {
		switch base {
		case "standard":
			out = Standard()
		case "conservative":
			out = Conservative()
		case "background":
			out = Background()
		default:
			return fmt.Errorf(`preset: %v is no preset: use "standard", "conservative" or "background"`, base)
		}
		out.Outer, out.Inner = c.Outer, c.Inner
		delete(in, "preset")
	}
	if err := read(in, reflect.ValueOf(&out).Elem(), ""); err != nil {
		return fmt.Errorf("preset: %w", err)
	}
	*c = out
	return nil
}

// read puts the values of a JSON object into the fields of a struct.
func read(in map[string]any, to reflect.Value, path string) error {
	fields := map[string]reflect.Value{}
	var names []string
	for i := range to.NumField() {
		if field := to.Type().Field(i); field.IsExported() && hasJSON(field.Type) {
			fields[name(field.Name)] = to.Field(i)
			names = append(names, name(field.Name))
		}
	}
	var wrong []error
	for key, value := range in {
		at := strings.TrimPrefix(path+"."+key, ".")
		field, ok := fields[key]
		if !ok {
			slices.Sort(names)
			wrong = append(wrong, fmt.Errorf("%s: there is no such field: use one of %s", at, strings.Join(names, ", ")))
			continue
		}
		wrong = append(wrong, set(value, field, at))
	}
	return errors.Join(wrong...)
}

func set(value any, to reflect.Value, path string) error {
	if to.Kind() == reflect.Pointer {
		to.Set(reflect.New(to.Type().Elem()))
		to = to.Elem()
	}
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	switch {
	case to.Type() == durationType:
		if text == "off" {
			to.SetInt(-1)
			return nil
		}
		d, err := time.ParseDuration(text)
		if !isText || err != nil {
			return fmt.Errorf(`%s: %v is no duration: write "250ms", "10s" or "off"`, path, value)
		}
		to.SetInt(int64(d))
	case to.Type() == jitterType:
		i := slices.Index(jitters, text)
		if i < 0 {
			return fmt.Errorf("%s: %v is no jitter: use one of %s", path, value, strings.Join(jitters, ", "))
		}
		to.SetUint(uint64(i))
	case to.Kind() == reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %v is no object: write {…}", path, value)
		}
		return read(object, to, path)
	case to.Kind() == reflect.Bool:
		b, ok := value.(bool)
		if !ok {
			return fmt.Errorf("%s: %v is neither true nor false", path, value)
		}
		to.SetBool(b)
	case to.Kind() == reflect.Int:
		n, err := number.Int64()
		if !isNumber || err != nil {
			return fmt.Errorf("%s: %v is no whole number", path, value)
		}
		to.SetInt(n)
	case to.Kind() == reflect.Float64:
		n, err := number.Float64()
		if !isNumber || err != nil {
			return fmt.Errorf("%s: %v is no number", path, value)
		}
		to.SetFloat(n)
	default:
		return fmt.Errorf("%s: cannot be set here", path)
	}
	return nil
}

// MarshalJSON writes what is set, so that Parse reads the same again.
func (c Config) MarshalJSON() ([]byte, error) {
	return json.Marshal(write(reflect.ValueOf(c)))
}

func write(v reflect.Value) map[string]any {
	out := map[string]any{}
	for i := range v.NumField() {
		field, in := v.Type().Field(i), v.Field(i)
		if !field.IsExported() || !hasJSON(field.Type) || in.IsZero() && in.Kind() != reflect.Struct {
			continue
		}
		if in.Kind() == reflect.Pointer {
			in = in.Elem()
		}
		switch {
		case in.Kind() == reflect.Struct:
			if object := write(in); len(object) > 0 {
				out[name(field.Name)] = object
			}
		case in.Type() == durationType, in.Type() == jitterType:
			out[name(field.Name)] = show(in)
		default:
			out[name(field.Name)] = in.Interface()
		}
	}
	return out
}
