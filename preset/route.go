package preset

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
)

// A Route is what differs for some calls: those to a path or a method that takes longer than
// others, or that may not be sent twice.
type Route struct {
	// Match says for which calls, by patterns of net/http's ServeMux: "GET /export/{id}",
	// "/export/", "api.internal/export/", with the same precedence; two patterns of which
	// neither is more specific are refused. A host is compared with the Target of the call, with
	// its port where the pattern has one: "api.internal:8443/". A gRPC call is a POST of
	// its full method, without a host: "/users.v1.Users/Get", "/users.v1.Users/" of all methods
	// of a service. A plain function is a call of its Method to its Target, with the path
	// "/", or as a gRPC call where the Method begins with a slash.
	//
	// Update knows a route by its patterns, whatever their wildcards are named. When one is split,
	// the route that has its first pattern goes on with its places, its tokens and what it has
	// learnt; when several become one, it goes on with those of the one whose pattern is first in
	// it. All others begin anew, and so does one that was removed and comes back. Who waits
	// already goes on waiting where it does.
	Match []string
	// Config is what differs. What is zero in it is as in the Config that the route is in, and
	// so are circuits, their Window, MaxKeys and OnChange, and the budget, which all
	// routes share, whatever a preset that it is made of says of them. A route that changes
	// something of Limit or Rate has places or tokens of its own. What calls take, for hedges
	// and adaptive limits, it always learns by itself. It has no Routes.
	Config Config
}

// maxRoutes bounds how many routes a Config may have, each of which becomes policies, and
// maxPatterns how many patterns in all, each of which is compared with the others.
const (
	maxRoutes   = 1000
	maxPatterns = 4 * maxRoutes
)

var routesType = reflect.TypeFor[[]Route]()

// over returns base with what c sets in its place.
func (c Config) over(base Config) Config {
	out := base.alone().copied()
	lay(reflect.ValueOf(&out).Elem(), reflect.ValueOf(c.unshared()), "", c.read)
	return out
}

// alone returns c without its routes.
func (c Config) alone() Config {
	c.Routes = nil
	return c
}

// lay puts what is set in from, or was read, into to.
func lay(to, from reflect.Value, path string, read map[string]string) {
	for i := range from.NumField() {
		field, in, out := from.Type().Field(i), from.Field(i), to.Field(i)
		if !field.IsExported() || field.Type == routesType {
			continue
		}
		at := strings.TrimPrefix(path+"."+name(field.Name), ".")
		_, named := read[at]
		switch {
		case in.Kind() == reflect.Struct:
			lay(out, in, at, read)
		case in.Kind() == reflect.Pointer && hasJSON(field.Type) && !in.IsNil() && !out.IsNil():
			lay(out.Elem(), in.Elem(), at, read)
		case named || !in.IsZero():
			out.Set(in)
		}
	}
}

// inner returns the Inner policies of c and of its routes, each once.
func (c Config) inner() []holdfast.Policy {
	var all once
	all.add(c.Inner...)
	for _, r := range c.Routes {
		all.add(r.Config.Inner...)
	}
	return all.policies
}

// shared are the values, by their paths, of what all routes share.
var shared = []string{"budget.", "breaker.window", "breaker.maxKeys"}

func isShared(path string) bool {
	return slices.ContainsFunc(shared, func(s string) bool { return strings.HasPrefix(path, s) })
}

// unshared returns a copy of c without what its preset says of what all routes share: whoever
// takes a preset for a route has not asked for that.
func (c Config) unshared() Config {
	c = c.copied()
	if presets[c.base] == nil {
		return c
	}
	preset := texts(presets[c.base]())
	walk(reflect.ValueOf(&c).Elem(), "", func(path string, v reflect.Value) {
		if _, named := c.read[path]; isShared(path) && !named && show(v) == preset[path] {
			v.SetZero()
		}
	})
	return c
}

// checkRoutes says what is wrong with the routes of c.
func (c Config) checkRoutes(bad func(format string, args ...any)) {
	if len(c.Routes) == 0 {
		return
	}
	if len(c.Retry.Codes) > maxCodes {
		return // which is said already, and each route would have them
	}
	if len(c.Routes) > maxRoutes {
		bad("routes: they are more than %d: let a pattern match what is alike", maxRoutes)
		return
	}
	patterns := 0
	for _, r := range c.Routes {
		patterns += len(r.Match)
	}
	if patterns > maxPatterns {
		bad("routes: they have more than %d patterns: let one match what is alike", maxPatterns)
		return
	}
	_, wrong := compile(c.Routes)
	for _, err := range wrong {
		bad("%v", err)
	}
	base := c.alone()
	known := map[string]bool{} // what is wrong with all calls is no route's
	for _, err := range parted(base.Validate()) {
		known[err.Error()] = true
	}
	force := texts(build(base, nil).effective())
	code := map[string]reflect.Value{}
	walkCode(reflect.ValueOf(base), "", func(path string, v reflect.Value) { code[path] = v })
	for i, r := range c.Routes {
		at := fmt.Sprintf("routes[%d]", i)
		if len(r.Config.Routes) > 0 {
			bad("%s.routes: a route has none of its own: write them beside it", at)
		}
		merged := r.Config.over(base)
		for _, err := range parted(merged.Validate()) {
			if !known[err.Error()] {
				bad("%s.%s", at, strings.TrimPrefix(err.Error(), "preset: "))
			}
		}
		if own := r.Config.unshared(); len(own.read) > 0 || own.Budget != (retry.BudgetOptions{}) || own.Breaker.Window != 0 || own.Breaker.MaxKeys != 0 {
			walk(reflect.ValueOf(build(merged, nil).effective()), "", func(path string, v reflect.Value) {
				if isShared(path) && show(v) != force[path] {
					bad("%s.%s: all routes share it: set it outside the routes", at, path)
				}
			})
		}
		for _, own := range []struct {
			path string
			v    any
		}{{"retry.budget", r.Config.Retry.Budget}, {"hedge.budget", r.Config.Hedge.Budget}, {"breaker.onChange", r.Config.Breaker.OnChange}} {
			if is := reflect.ValueOf(own.v); is.IsValid() && !is.IsZero() && !same(code[own.path], is) {
				bad("%s.%s: all routes share it: set it outside the routes", at, own.path)
			}
		}
	}
}

// parted returns the errors that one is made of.
func parted(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // what Validate returns is not wrapped
		return joined.Unwrap()
	}
	return []error{err}
}
