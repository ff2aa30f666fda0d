package preset

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/input"
)

// Parse reads a Config from JSON. "preset" names what it changes: "standard",
// which is also meant without it, "conservative" or "background". An unknown
// field, a wrong type and a value that makes no sense are errors that name the
// path and the fix: the first ten of them. So is a text of more than 1 MiB, and one in
// which objects and lists are nested more than 64 deep.
func Parse(text []byte) (Config, error) {
	c := Standard()
	if err := c.UnmarshalJSON(text); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// UnmarshalJSON changes c as the JSON says; what it does not name stays. Under "preset" all
// values are those of the preset, and what has no JSON stays.
func (c *Config) UnmarshalJSON(text []byte) error {
	in, err := input.Object(text)
	if err != nil {
		return fmt.Errorf("preset: %w", err)
	}
	out := *c
	if base, ok := in["preset"]; ok {
		name, _ := base.(string)
		made := presets[name]
		if made == nil {
			return fmt.Errorf(`preset: %v is no preset: use "standard", "conservative" or "background"`, input.ShowJSON(base))
		}
		out = made()
		keep(reflect.ValueOf(&out).Elem(), reflect.ValueOf(*c)) // JSON cannot have named it
		delete(in, "preset")
	}
	out.read = maps.Clone(out.read)
	if out.read == nil {
		out.read = map[string]string{}
	}
	if err := read(in, reflect.ValueOf(&out).Elem(), "", out.read); err != nil {
		return fmt.Errorf("preset: %w", err)
	}
	*c = out
	return nil
}

// read puts the values of a JSON object into the fields of a struct, and notes
// those that it has read.
func read(in map[string]any, to reflect.Value, path string, noted map[string]string) error {
	fields := map[string]reflect.Value{}
	var names []string
	for i := range to.NumField() {
		if field := to.Type().Field(i); field.IsExported() && (hasJSON(field.Type) || field.Type == routesType) {
			fields[name(field.Name)] = to.Field(i)
			names = append(names, name(field.Name))
		}
	}
	slices.Sort(names)
	var wrong input.Errors
	for _, key := range slices.Sorted(maps.Keys(in)) {
		if wrong.Full() {
			break
		}
		at := strings.TrimPrefix(path+"."+input.Show(key), ".")
		field, ok := fields[key]
		if !ok {
			wrong.Add(unknown(at, key, names))
		} else if err := set(in[key], field, at, noted); err != nil {
			wrong.Add(err)
		}
	}
	return wrong.Err()
}

// unknown is the error of a key that is none of names.
func unknown(at, key string, names []string) error {
	if near := nearest(key, names); near != "" {
		return fmt.Errorf("%s: there is no such field: did you mean %s?", at, near)
	}
	return fmt.Errorf("%s: there is no such field: use one of %s", at, strings.Join(names, ", "))
}

// nearest returns the name that is most like key, or "" when none is.
func nearest(key string, names []string) (near string) {
	least := len(key)/3 + 2 // so many letters may differ
	for _, name := range names {
		if d := distance(strings.ToLower(key), strings.ToLower(name)); d < least {
			near, least = name, d
		}
	}
	return near
}

// distance is that of V. Levenshtein (1966): the letters to be put in, left out or
// changed.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}

func set(value any, to reflect.Value, path string, noted map[string]string) error {
	if to.Type() == routesType {
		return setRoutes(value, to, path)
	}
	if to.Kind() == reflect.Pointer {
		made := reflect.New(to.Type().Elem())
		if !to.IsNil() {
			made.Elem().Set(to.Elem()) // what is not named stays, and the old one's as it is
		}
		to.Set(made)
		to = made.Elem()
	}
	text, isText := value.(string)
	number, isNumber := value.(json.Number)
	switch {
	case text == "off" && to.CanInt():
		to.SetInt(-1)
	case text == "off" && to.CanFloat():
		to.SetFloat(-1)
	case to.Type() == durationType:
		d, err := time.ParseDuration(text)
		if !isText || err != nil {
			return fmt.Errorf(`%s: %v is no duration: write "250ms", "10s" or "off"`, path, input.ShowJSON(value))
		}
		to.SetInt(int64(d))
	case to.Type() == jitterType:
		i := slices.Index(jitters, text)
		if i < 0 {
			return fmt.Errorf("%s: %v is no jitter: use one of %s", path, input.ShowJSON(value), strings.Join(jitters, ", "))
		}
		to.SetUint(uint64(i))
	case to.Kind() == reflect.Struct:
		object, ok := value.(map[string]any)
		if !ok {
			return fmt.Errorf("%s: %v is no object: write {…}", path, input.ShowJSON(value))
		}
		return read(object, to, path, noted)
	case to.Kind() == reflect.Slice:
		list, ok := value.([]any)
		words := reflect.MakeSlice(to.Type(), 0, len(list))
		for _, v := range list {
			word, is := v.(string)
			ok = ok && is
			words = reflect.Append(words, reflect.ValueOf(word).Convert(to.Type().Elem()))
		}
		if !ok {
			return fmt.Errorf(`%s: %v is no list of names: write ["UNAVAILABLE", "503"]`, path, input.ShowJSON(value))
		}
		to.Set(words)
	case to.Kind() == reflect.Bool:
		b, ok := value.(bool)
		if !ok {
			return fmt.Errorf("%s: %v is neither true nor false: write one of them", path, input.ShowJSON(value))
		}
		to.SetBool(b)
	case to.Kind() == reflect.Int:
		n, err := number.Int64()
		if !isNumber || err != nil {
			return fmt.Errorf("%s: %v is no whole number: write one, such as 3", path, input.ShowJSON(value))
		}
		to.SetInt(n)
	case to.Kind() == reflect.Float64:
		n, err := number.Float64()
		if !isNumber || err != nil {
			return fmt.Errorf("%s: %v is no number: write one, such as 0.5", path, input.ShowJSON(value))
		}
		to.SetFloat(n)
	default:
		return fmt.Errorf("%s: cannot be set here", path)
	}
	if err := checkOff(to, path); err != nil {
		return err
	}
	noted[path] = show(to)
	return nil
}

// MarshalJSON writes what is set, so that Parse reads the same again: also what is not
// set, where Parse would take Standard's. What Validate refuses it refuses too, and a
// negative value that no JSON stands for: that of Hedge.Share.
func (c Config) MarshalJSON() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	c, err := c.written()
	if err != nil {
		return nil, err
	}
	out := write(reflect.ValueOf(c), reflect.ValueOf(Standard()))
	if len(c.Routes) > 0 {
		if out["routes"], err = writeRoutes(c.Routes); err != nil {
			return nil, err
		}
	}
	return json.Marshal(out)
}

func write(v, standard reflect.Value) map[string]any {
	out := map[string]any{}
	for i := range v.NumField() {
		field, in, meant := v.Type().Field(i), v.Field(i), standard.Field(i)
		if !field.IsExported() || !hasJSON(field.Type) || in.IsZero() && meant.IsZero() {
			continue
		}
		switch {
		case in.Kind() == reflect.Pointer: // nil in Standard
			out[name(field.Name)] = write(in.Elem(), reflect.Zero(in.Type().Elem()))
		case in.Kind() == reflect.Struct:
			if object := write(in, meant); len(object) > 0 {
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
