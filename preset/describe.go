package preset

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/scrub"
	"github.com/holdfast-go/holdfast/timeout"
)

// presets by their names.
var presets = map[string]func() Config{"standard": Standard, "conservative": Conservative, "background": Background}

// Describe lists every value of c, one in a line: its path, what is in force, and
// where it comes from: the preset that c was made of ("standard", "conservative",
// "background"), "json" where it was read, "default" where it is left to the
// policy, else "set".
//
// The Outer and Inner policies stand in their places, "own": their names, and the options in force
// of those with a method Options that returns a struct. Credentials in URLs are cut out.
func (c Config) Describe() string {
	set := texts(c)
	var from map[string]string
	if base := presets[c.base]; base != nil {
		from = texts(base())
	}
	var lines lines
	config := reflect.ValueOf(build(c, nil).effective())
	for i := range config.NumField() {
		field := config.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		if policies, own := config.Field(i).Interface().([]holdfast.Policy); own {
			lines.own(name(field.Name), policies, 0)
			continue
		}
		if field.Type == routesType {
			continue
		}
		walk(config.Field(i), name(field.Name), func(path string, v reflect.Value) {
			origin := "set"
			switch text, is := set[path]; {
			case c.Retry.Budget != nil && strings.HasPrefix(path, "budget."): // is in force in the place of c.Budget
			case !is: // of what is left to the policy as a whole
				origin = "default"
			case c.read[path] == text && text != "":
				origin = "json"
			case zero[path] == text:
				origin = "default"
			case from[path] == text:
				origin = c.base
			}
			lines.add(path, word(show(v)), origin)
		})
	}
	c.describeRoutes(&lines)
	return lines.text.String()
}

// lines are those of Describe.
type lines struct{ text strings.Builder }

func (l *lines) add(path, value, origin string) {
	fmt.Fprintf(&l.text, "%-24s %-12s %s\n", path, value, origin)
}

// maxDepth bounds groups within groups.
const maxDepth = 8

// own adds policies of the user's own, of which nothing is known but what they say.
func (l *lines) own(path string, policies []holdfast.Policy, depth int) {
	for i, p := range policies {
		of := reflect.ValueOf(p)
		if !of.IsValid() {
			continue
		}
		at := fmt.Sprintf("%s[%d]", path, i)
		if of.Kind() == reflect.Pointer && of.IsNil() {
			l.add(at, of.Type().String(), "own")
			continue
		}
		l.add(at, nameOf(p), "own")
		if options, ok := optionsOf(of); ok {
			walk(options, at, func(path string, v reflect.Value) { l.add(path, shown(v), "own") })
		}
		if group, ok := p.(holdfast.Group); ok && depth < maxDepth {
			l.own(at, group.Inside(), depth+1)
		}
	}
}

// nameOf is what a policy calls itself, or else its type, in one word.
func nameOf(p holdfast.Policy) string {
	if c, ok := p.(holdfast.Characterized); ok {
		if t := c.Traits(); t.Name != "" {
			return word(scrub.Name(t.Name))
		}
	}
	return fmt.Sprintf("%T", p)
}

// optionsOf asks a policy for the options in force.
func optionsOf(p reflect.Value) (options reflect.Value, ok bool) {
	m := p.MethodByName("Options")
	if !m.IsValid() || m.Type().NumIn() != 0 || m.Type().NumOut() != 1 || m.Type().Out(0).Kind() != reflect.Struct {
		return options, false
	}
	return m.Call(nil)[0], true
}

// shown is show for a value that may be any text.
func shown(v reflect.Value) string {
	if v.Kind() == reflect.Slice { // each entry may be a URL
		words := make([]string, v.Len())
		for i := range words {
			words[i] = scrub.Name(v.Index(i).String())
		}
		return word(strings.Join(words, ","))
	}
	return word(scrub.Name(show(v)))
}

// word quotes what would break a line or its columns.
func word(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return strconv.Quote(text)
	}
	return text
}

var zero = texts(Config{Timeout: adaptive, Attempt: adaptive})

var adaptive = timeout.Options{Adaptive: new(timeout.Adaptive)}

// texts are the values of c as they are shown, by their paths.
func texts(c Config) map[string]string {
	m := map[string]string{}
	walk(reflect.ValueOf(c), "", func(path string, v reflect.Value) { m[path] = show(v) })
	return m
}
