package preset

import (
	"fmt"
	"maps"
	"reflect"
	"strings"

	"github.com/holdfast-go/holdfast/internal/input"
)

// setRoutes reads a list of routes: objects that have what a Config has, and "match".
func setRoutes(value any, to reflect.Value, path string) error {
	list, ok := value.([]any)
	if !ok {
		return fmt.Errorf(`%s: it is no list: write [{"match": "GET /export/{id}", …}]`, path)
	}
	if len(list) > maxRoutes {
		return fmt.Errorf("%s: they are more than %d: let a pattern match what is alike", path, maxRoutes)
	}
	routes := make([]Route, len(list))
	var wrong input.Errors
	for i, v := range list {
		if wrong.Full() {
			break
		}
		if err := routes[i].read(v, fmt.Sprintf("%s[%d]", path, i)); err != nil {
			wrong.Add(err)
		}
	}
	to.Set(reflect.ValueOf(routes))
	return wrong.Err()
}

func (r *Route) read(value any, at string) error {
	in, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf(`%s: it is no object: write {"match": "GET /export/{id}", …}`, at)
	}
	in = maps.Clone(in)
	match, several := in["match"].([]any)
	if !several {
		match = []any{in["match"]}
	}
	for _, v := range match {
		pattern, is := v.(string)
		if !is {
			return fmt.Errorf("%s.match: it must be there, a pattern or a list of them: %s", at, forExample)
		}
		r.Match = append(r.Match, pattern)
	}
	delete(in, "match")
	if _, nested := in["routes"]; nested {
		return fmt.Errorf("%s.routes: a route has none of its own: write them beside it", at)
	}
	if base, is := in["preset"]; is {
		name, _ := base.(string)
		if presets[name] == nil {
			return fmt.Errorf(`%s.preset: it is no preset: use "standard", "conservative" or "background"`, at)
		}
		r.Config = presets[name]()
		delete(in, "preset")
	}
	noted := map[string]string{}
	err := read(in, reflect.ValueOf(&r.Config).Elem(), at, noted)
	r.Config.read = map[string]string{}
	for path, text := range noted {
		r.Config.read[strings.TrimPrefix(path, at+".")] = text
	}
	return err
}

// writeRoutes is what setRoutes reads as the same.
func writeRoutes(routes []Route) (list []any, err error) {
	for _, r := range routes {
		c, err := r.Config.unshared().written()
		if err != nil {
			return nil, err
		}
		out := write(reflect.ValueOf(c), reflect.ValueOf(Config{}))
		walk(reflect.ValueOf(c), "", func(path string, v reflect.Value) {
			if _, named := c.read[path]; named && v.IsZero() {
				enter(out, path, v)
			}
		})
		out["match"] = r.Match
		if len(r.Match) == 1 {
			out["match"] = r.Match[0]
		}
		list = append(list, out)
	}
	return list, nil
}

// enter writes a value in its place in objects within objects.
func enter(out map[string]any, path string, v reflect.Value) {
	names := strings.Split(path, ".")
	for _, name := range names[:len(names)-1] {
		in, ok := out[name].(map[string]any)
		if !ok {
			in = map[string]any{}
			out[name] = in
		}
		out = in
	}
	out[names[len(names)-1]] = v.Interface()
	if v.Type() == durationType || v.Type() == jitterType {
		out[names[len(names)-1]] = show(v)
	}
}

// keepInRoutes is keep for each of the routes that have a pattern of an old one.
func keepInRoutes(to, from reflect.Value) {
	routes, _ := to.Interface().([]Route)
	old, _ := from.Interface().([]Route)
	for _, k := range keeps(old, routes) {
		keep(reflect.ValueOf(&routes[k.is].Config).Elem(), reflect.ValueOf(old[k.was].Config))
	}
}
