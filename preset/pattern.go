package preset

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/input"
)

// patterns find the route of a call. It is net/http's ServeMux that matches, so that patterns
// mean what they mean there; its handlers are never called.
type patterns struct {
	plain  matcher
	ported matcher         // of patterns whose host has a port, which a ServeMux does not look at; they go first
	hosts  map[string]bool // of those
}

// A matcher finds routes by their patterns.
type matcher struct {
	mux   *http.ServeMux // nil: there is no pattern
	route map[string]int
}

// compile reads the patterns of routes. One that is wrong is left out, and has an error.
func compile(routes []Route) (p *patterns, wrong []error) {
	p = &patterns{hosts: map[string]bool{}}
	for i, r := range routes {
		if len(r.Match) == 0 {
			wrong = append(wrong, fmt.Errorf("routes[%d].match: it must be there, a pattern at least: %s", i, forExample))
		}
		for j, text := range r.Match {
			pattern, host := withPort(text)
			m := &p.plain
			if host != "" {
				m = &p.ported
				p.hosts[host] = true
			}
			if err := m.add(pattern, i); err != nil && len(wrong) < maxWrong {
				wrong = append(wrong, refusal(routes, i, j, err))
			}
		}
	}
	for _, m := range []*matcher{&p.plain, &p.ported} {
		if _, there := m.route["/"]; m.mux != nil && !there {
			_ = m.add("/", -1) // a ServeMux that finds nothing looks on for why
		}
	}
	return p, wrong
}

func (m *matcher) add(pattern string, route int) (err error) {
	if m.mux == nil {
		m.mux, m.route = http.NewServeMux(), map[string]int{}
	}
	defer func() { // which is how a ServeMux refuses
		if why := recover(); why != nil {
			err = fmt.Errorf("%v", why)
		}
	}()
	m.mux.Handle(pattern, http.NotFoundHandler())
	m.route[pattern] = route
	return nil
}

// withPort returns a pattern as a ServeMux is to have it: with its host in lower case, as names of
// hosts have none, and without the brackets of an IPv6 address, which it takes off with the port. One
// whose host has a port has another name in its place, and host is that host; empty: it has no port.
func withPort(pattern string) (as, host string) {
	begin := 0
	if i := strings.IndexAny(pattern, " \t"); i >= 0 {
		begin = i + 1 + len(pattern[i+1:]) - len(strings.TrimLeft(pattern[i+1:], " \t"))
	}
	end := strings.IndexByte(pattern[begin:], '/')
	if end < 0 {
		return pattern, ""
	}
	host = bare(pattern[begin : begin+end])
	if _, port, err := net.SplitHostPort(host); err != nil || port == "" {
		return pattern[:begin] + host + pattern[begin+end:], ""
	}
	return pattern[:begin] + hidden(host) + pattern[begin+end:], host
}

// bare is a host in lower case, and an IPv6 address without a port also without its brackets.
func bare(host string) string {
	if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		host = host[1 : len(host)-1]
	}
	return strings.ToLower(host)
}

// hidden is a host whose port a ServeMux does not see.
func hidden(host string) string { return strings.ReplaceAll(host, ":", "%") }

// maxWrong is how many patterns that are wrong are looked at more closely.
const maxWrong = 10

const forExample = `write "GET /export/{id}", or "/users.v1.Users/Get" of gRPC`

// refusal says what is wrong with the n-th pattern of a route.
func refusal(routes []Route, i, n int, err error) error {
	pattern, _ := withPort(routes[i].Match[n])
	at := fmt.Sprintf("routes[%d].match[%d]: %s", i, n, strconv.Quote(short(routes[i].Match[n])))
	var alone matcher
	if alone.add(pattern, i) != nil {
		why := errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("parsing %q: ", pattern)))
		return fmt.Errorf("%s is no pattern: %w; %s", at, input.Brief(why), forExample)
	}
	for j := range i + 1 {
		for k, other := range routes[j].Match {
			if j == i && k >= n {
				break
			}
			pair := matcher{}
			if as, _ := withPort(other); pair.add(as, j) == nil && pair.add(pattern, i) != nil {
				return fmt.Errorf("%s and %q of routes[%d].match[%d] match some calls both, and neither is more specific: change one", at, short(other), j, k)
			}
		}
	}
	return fmt.Errorf("%s: %w", at, input.Brief(err))
}

// short is a text for an error, which may be of any length.
func short(text string) string {
	if len(text) > 100 {
		return text[:100] + "…"
	}
	return text
}

// A probe is what a ServeMux is asked with.
type probe struct {
	request http.Request
	url     url.URL
}

var probes = sync.Pool{New: func() any { return new(probe) }}

// find returns the route of a call; -1: it has none. Nothing of the call is kept.
func (p *patterns) find(call *holdfast.Call) int {
	asked := probes.Get().(*probe) //nolint:errcheck // nothing else is in it
	defer func() {
		*asked = probe{}
		probes.Put(asked)
	}()
	r, u := &asked.request, &asked.url
	r.URL, r.Method = u, call.Method
	if strings.HasPrefix(call.Method, "/") {
		r.Method, u.Path = http.MethodPost, call.Method
	} else {
		r.Host = bare(call.Target)
		if of, is := call.Sender.(interface{ Request() *http.Request }); is {
			if theirs := of.Request(); theirs != nil && theirs.URL != nil {
				u.Scheme, u.Path, u.RawPath = theirs.URL.Scheme, theirs.URL.Path, theirs.URL.RawPath
				if theirs.URL.Opaque != "" { // which net/http sends in the place of the path
					if sent, err := url.Parse(theirs.URL.Opaque); err == nil {
						u.Path, u.RawPath = sent.Path, sent.RawPath
					}
				}
			}
		}
	}
	if u.Path == "" {
		u.Path = "/"
	}
	if host := p.host(r); host != "" {
		own := r.Host
		r.Host = hidden(host)
		if i := p.ported.find(r); i >= 0 {
			return i
		}
		r.Host = own
	}
	return p.plain.find(r)
}

// host is that of a request, with its port, where patterns name it; a URL that has none has its
// scheme's.
func (p *patterns) host(r *http.Request) string {
	host := r.Host
	if port := schemePorts[r.URL.Scheme]; port != "" && len(p.hosts) > 0 && !p.hosts[host] {
		host = net.JoinHostPort(host, port)
	}
	if !p.hosts[host] {
		return ""
	}
	return host
}

var schemePorts = map[string]string{"http": "80", "https": "443"}

func (m *matcher) find(r *http.Request) int {
	if m.mux == nil {
		return -1
	}
	_, pattern := m.mux.Handler(r)
	if i, is := m.route[pattern]; is {
		return i
	}
	return -1
}
