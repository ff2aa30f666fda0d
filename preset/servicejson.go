package preset

import (
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/internal/input"
	"github.com/holdfast-go/holdfast/internal/rpccode"
)

// maxMethods is how many entries a methodConfig may have, each of which becomes policies.
const maxMethods = 1000

// ParseServiceConfig reads a gRPC service config in JSON. It is as strict as gRPC's
// own parser where that refuses something, and refuses besides, with the path and
// the fix, what that one passes over in silence: unknown and misplaced fields,
// throttling out of range, a negative timeout, a hedgingPolicy that is none. Its bounds
// are those of Parse, and 1000 entries of methodConfig.
func ParseServiceConfig(text []byte) (*ServiceConfig, error) {
	in, err := input.Object(text)
	if err != nil {
		return nil, fmt.Errorf("service config: %w", err)
	}
	r := &serviceReader{}
	o := r.object(in, "")
	s := &ServiceConfig{}
	for _, name := range []string{"loadBalancingConfig", "loadBalancingPolicy", "healthCheckConfig"} {
		o.take(name) // not of calls
	}
	seen := map[methodName]bool{}
	for i, v := range o.list("methodConfig") {
		if i == maxMethods {
			r.bad("methodConfig", "it has more than %d entries: let those that say the same share one", maxMethods)
			break
		}
		s.methods = append(s.methods, r.method(v, fmt.Sprintf("methodConfig[%d]", i), seen))
	}
	if v, ok := o.take("retryThrottling"); ok {
		t := r.object(v, "retryThrottling")
		s.throttling = &throttling{t.number("maxTokens", 0, 1000), t.number("tokenRatio", 0, 0)}
		t.done()
	}
	o.done()
	if err := r.wrong.Err(); err != nil {
		return nil, fmt.Errorf("service config: %w", err)
	}
	return s, nil
}

func (r *serviceReader) method(v any, path string, seen map[methodName]bool) (m methodConfig) {
	o := r.object(v, path)
	for i, v := range o.list("name") {
		at := fmt.Sprintf("%s.name[%d]", path, i)
		n := r.object(v, at)
		name := methodName{n.word("service"), n.word("method")}
		n.done()
		switch {
		case name.service == "" && name.method != "":
			r.bad(at, "it has a method and no service: name the service")
		case seen[name]:
			r.bad(at, "it is there twice: remove one")
		}
		seen[name] = true
		m.names = append(m.names, name)
	}
	if v, ok := o.take("waitForReady"); ok {
		b, is := v.(bool)
		if !is {
			r.bad(path+".waitForReady", "%v is neither true nor false", input.ShowJSON(v))
		}
		m.waitForReady = &b
	}
	if d, ok := o.duration("timeout"); ok {
		m.timeout = &d
	}
	for _, size := range []string{"maxRequestMessageBytes", "maxResponseMessageBytes"} {
		o.size(size) // gRPC itself holds to them
	}
	retry, repeats := o.take("retryPolicy")
	hedging, hedges := o.take("hedgingPolicy")
	if repeats && hedges {
		r.bad(path, "it has a retryPolicy and a hedgingPolicy: keep one")
	}
	if repeats {
		p := r.object(retry, path+".retryPolicy")
		m.retry = &retryPolicy{maxAttempts: p.attempts(), initialBackoff: p.positive("initialBackoff"), maxBackoff: p.positive("maxBackoff"),
			multiplier: p.number("backoffMultiplier", 0, 0), codes: p.codes("retryableStatusCodes", true)}
		if _, there := p.fields["perAttemptRecvTimeout"]; there {
			m.retry.perAttempt = p.positive("perAttemptRecvTimeout")
		}
		p.done()
	}
	if hedges {
		p := r.object(hedging, path+".hedgingPolicy")
		m.hedging = &hedgingPolicy{maxAttempts: p.attempts()}
		m.hedging.delay, _ = p.duration("hedgingDelay")
		p.codes("nonFatalStatusCodes", false) // other attempts of ours always go on
		p.done()
	}
	o.done()
	return m
}

// A serviceReader gathers what is wrong.
type serviceReader struct{ wrong input.Errors }

func (r *serviceReader) bad(path, format string, args ...any) {
	r.wrong.Add(fmt.Errorf("%s: "+format, append([]any{path}, args...)...))
}

// An object is one JSON object whose fields are taken out as they are read.
type object struct {
	of     *serviceReader
	path   string
	fields map[string]any
	known  []string
}

func (r *serviceReader) object(v any, path string) *object {
	fields, ok := v.(map[string]any)
	if !ok {
		r.bad(path, "%v is no object: write {…}", input.ShowJSON(v))
	}
	return &object{of: r, path: path, fields: maps.Clone(fields)}
}

func (o *object) at(name string) string { return strings.TrimPrefix(o.path+"."+name, ".") }

// take returns a field; null is as if it were not there.
func (o *object) take(name string) (v any, ok bool) {
	o.known = append(o.known, name)
	v, ok = o.fields[name]
	delete(o.fields, name)
	return v, ok && v != nil
}

// done refuses what was not taken.
func (o *object) done() {
	slices.Sort(o.known)
	for _, name := range slices.Sorted(maps.Keys(o.fields)) {
		if o.of.wrong.Full() {
			return
		}
		o.of.wrong.Add(unknown(o.at(input.Show(name)), name, o.known))
	}
}

// list yields the entries of a list, until enough is wrong.
func (o *object) list(name string) iter.Seq2[int, any] {
	v, ok := o.take(name)
	list, is := v.([]any)
	if ok && !is {
		o.of.bad(o.at(name), "%v is no list: write […]", input.ShowJSON(v))
	}
	return func(yield func(int, any) bool) {
		for i, v := range list {
			if o.of.wrong.Full() || !yield(i, v) {
				return
			}
		}
	}
}

func (o *object) word(name string) string {
	v, ok := o.take(name)
	word, is := v.(string)
	if ok && !is {
		o.of.bad(o.at(name), "%v is no name", input.ShowJSON(v))
	}
	return word
}

var seconds = regexp.MustCompile(`^-?([0-9]{1,12}(\.[0-9]{0,9})?|\.[0-9]{1,9})s$`)

func (o *object) duration(name string) (d time.Duration, there bool) {
	v, ok := o.take(name)
	if !ok {
		return 0, false
	}
	text, _ := v.(string)
	d, err := time.ParseDuration(text)
	switch {
	case !seconds.MatchString(text):
		o.of.bad(o.at(name), `%v is no duration of a service config: write seconds, as "0.25s"`, input.ShowJSON(v))
	case err != nil || d > 365*24*time.Hour:
		o.of.bad(o.at(name), "%v is longer than a year: lower it, or leave it out", input.ShowJSON(v))
	case d < 0:
		o.of.bad(o.at(name), "%v is below zero: leave it out, if there is to be none", input.ShowJSON(v))
	}
	return d, true
}

func (o *object) positive(name string) time.Duration {
	before := o.of.wrong.Len()
	d, there := o.duration(name)
	if (!there || d <= 0) && o.of.wrong.Len() == before {
		o.of.bad(o.at(name), `it must be there, and above zero: write "0.1s"`)
	}
	return d
}

func (o *object) number(name string, above, most float64) float64 {
	v, _ := o.take(name)
	n, is := v.(json.Number)
	f, err := n.Float64()
	switch {
	case !is || err != nil || f <= above:
		o.of.bad(o.at(name), "it must be there, a number above %v", above)
	case most > 0 && f > most:
		o.of.bad(o.at(name), "%v is more than %v: lower it", input.ShowJSON(v), most)
	}
	return f
}

func (o *object) attempts() int {
	v, _ := o.take("maxAttempts")
	n, is := v.(json.Number)
	i, err := strconv.Atoi(string(n))
	if !is || err != nil || i < 2 {
		o.of.bad(o.at("maxAttempts"), "it must be there, a whole number from 2: the first attempt counts")
	}
	return min(i, 1000)
}

// size checks a number of bytes, where there is one.
func (o *object) size(name string) {
	v, ok := o.take(name)
	if !ok {
		return
	}
	n, is := v.(json.Number)
	i, err := strconv.Atoi(string(n))
	if !is || err != nil || i < 0 {
		o.of.bad(o.at(name), "%v is no number of bytes", input.ShowJSON(v))
	}
}

func (o *object) codes(name string, needed bool) (codes []string) {
	add := func(code string) {
		if !slices.Contains(codes, code) {
			codes = append(codes, code)
		}
	}
	some := false
	for i, v := range o.list(name) {
		some = true
		at := fmt.Sprintf("%s[%d]", o.at(name), i)
		switch v := v.(type) {
		case string:
			if !slices.Contains(rpccode.Names(), v) {
				o.of.wrong.Add(noCode(at, v))
				continue
			}
			add(v)
		case json.Number:
			n, err := strconv.Atoi(string(v))
			if err != nil || n < 0 || n >= len(rpccode.Names()) {
				o.of.bad(at, "%v is no status code: 0 to 16", input.ShowJSON(v))
				continue
			}
			add(rpccode.Names()[n])
		default:
			o.of.bad(at, "%v is no status code", input.ShowJSON(v))
		}
	}
	if needed && !some {
		o.of.bad(o.at(name), `it must be there, with a code at least: write ["UNAVAILABLE"]`)
	}
	return codes
}

func noCode(at, word string) error {
	if near := nearest(word, rpccode.Names()); near != "" {
		return fmt.Errorf("%s: %s is no status code: did you mean %s?", at, input.Show(word), near)
	}
	return fmt.Errorf("%s: %s is no status code of gRPC", at, input.Show(word))
}
