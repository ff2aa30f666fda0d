package preset

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// describeRoutes lists the routes, and of each the values in force that are not those of c.
func (c Config) describeRoutes(lines *lines) {
	if len(c.Routes) == 0 {
		return
	}
	made := build(c, nil)
	base := texts(made.effective())
	for i, r := range c.Routes {
		at := fmt.Sprintf("routes[%d]", i)
		lines.add(at+".match", patternsOf(r), "set")
		own := texts(r.Config)
		walk(reflect.ValueOf(made.routed.routes[i].effective()), "", func(path string, v reflect.Value) {
			if show(v) == base[path] {
				return
			}
			origin := "default" // it follows from others
			switch text, named := r.Config.read[path]; {
			case named && text == own[path]:
				origin = "json"
			case own[path] == zero[path]:
			case r.Config.base != "" && texts(presets[r.Config.base]())[path] == own[path]:
				origin = r.Config.base
			case own[path] != "":
				origin = "set"
			}
			lines.add(at+"."+path, word(show(v)), origin)
		})
		lines.own(at+".outer", r.Config.Outer, 0)
		lines.own(at+".inner", r.Config.Inner, 0)
	}
}

// diffRoutes says what has changed for the calls of each route, beyond what has for all calls.
// Routes are told apart by their patterns: their order means nothing.
func diffRoutes(was, is *parts) (changes []string) {
	all := differ(was, is)
	add := func(r Route, old, now *parts) {
		for _, line := range differ(old, now) {
			if of := "routes[" + patternsOf(r) + "]." + line; !slices.Contains(all, line) && !slices.Contains(changes, of) {
				changes = append(changes, of)
			}
		}
	}
	came, went := make([][]int, len(is.config.Routes)), make([]bool, len(was.config.Routes))
	for _, k := range keeps(was.config.Routes, is.config.Routes) {
		if !slices.Contains(came[k.is], k.was) {
			came[k.is] = append(came[k.is], k.was)
		}
		went[k.was] = true
	}
	for i, r := range is.config.Routes {
		if len(came[i]) == 0 {
			changes = append(changes, change("routes["+patternsOf(r)+"]", "", "set"))
			add(r, was, is.routed.routes[i])
		}
		for _, from := range came[i] { // its calls may come from several
			if old := was.config.Routes[from]; !slices.Equal(slices.Sorted(slices.Values(old.Match)), slices.Sorted(slices.Values(r.Match))) {
				changes = append(changes, change("routes["+patternsOf(r)+"].match", patternsOf(old), patternsOf(r)))
			}
			add(r, was.routed.routes[from], is.routed.routes[i])
		}
	}
	for i, r := range was.config.Routes {
		if !went[i] {
			changes = append(changes, change("routes["+patternsOf(r)+"]", "set", ""))
			add(r, was.routed.routes[i], is)
		}
	}
	return changes
}

// patternsOf are those of a route, in one word.
func patternsOf(r Route) string { return word(strings.Join(r.Match, ", ")) }

// differ says in what two are different, routes aside.
func differ(was, is *parts) []string {
	changes := append(diff(was.effective(), is.effective()), diffCode(was.config, is.config)...)
	changes = append(changes, diffPolicies("outer", was.config.Outer, is.config.Outer)...)
	return append(changes, diffPolicies("inner", was.config.Inner, is.config.Inner)...)
}
