package preset

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// An asked is a Sender of HTTP, of which the request alone is looked at.
type asked struct{ request *http.Request }

func (a asked) Request() *http.Request { return a.request }
func (asked) Send(context.Context, *holdfast.Call) holdfast.Result {
	return holdfast.Result{}
}

// FuzzPatterns holds what a route matches against what a ServeMux of the same patterns does with the
// request as a server has it.
func FuzzPatterns(f *testing.F) {
	f.Add("GET /a/{x}\n/a/\nh.internal/a/{x...}\n/{$}", "GET", "h.internal:80", "/a/b")
	f.Add("/a/{x}/c\nPOST /a/\n/tree/\n/%2F/x", "POST", "h", "/tree")
	f.Add("/{a}/b\n/a/{b}\nG T /\n/a%20b", "HEAD", "", "/a b")
	f.Add("/s.S/Get\n/s.S/\n/", "POST", "[::1]:80", "/s.S/Get/../x//")
	f.Fuzz(func(t *testing.T, patterns, method, host, path string) {
		mux, want := http.NewServeMux(), -1
		found := map[string]int{}
		var routes []Route
		for i, pattern := range strings.Split(patterns, "\n") {
			routes = append(routes, Route{Match: []string{pattern}})
			if as, host := withPort(pattern); host != "" || as != pattern {
				return // which a ServeMux never finds, or not in another case
			}
			func() {
				defer func() { _ = recover() }()
				mux.Handle(pattern, http.NotFoundHandler())
				found[pattern] = i
			}()
		}
		p, wrong := compile(routes)
		if len(wrong) != min(len(routes)-len(found), maxWrong) {
			t.Errorf("%d refused, a ServeMux refuses %d: %v", len(wrong), len(routes)-len(found), wrong)
		}
		if path == "" || path[0] != '/' || method == http.MethodConnect || method == "" || strings.HasPrefix(method, "/") || bare(host) != host {
			return
		}
		u := &url.URL{Path: path}
		_, pattern := mux.Handler(&http.Request{Method: method, Host: host, URL: u})
		if i, is := found[pattern]; is {
			want = i
		}
		if got := p.find(&holdfast.Call{Method: method, Target: host, Sender: asked{&http.Request{URL: u}}}); got != want {
			t.Errorf("%s %s%s of %q: route %d, want %d", method, host, path, patterns, got, want)
		}
	})
}

// Names of hosts have no case, an IPv6 address is one without a port too, and the port of a URL that has
// none is its scheme's. The path is what is sent.
func TestHostsOfRoutes(t *testing.T) {
	for _, c := range []struct{ pattern, url, target string }{
		{"[::1]/", "http://[::1]:8080/", ""}, {"[::1]/", "http://[::1]/", ""}, {"::1/", "https://[::1]:1/x", ""},
		{"[::1]:443/", "https://[::1]/", ""}, {"[::1]:80/", "http://[::1]/", ""}, {"[FE80::1]/", "http://[fe80::1]:8080/", ""},
		{"api.internal:443/", "https://api.internal/x", ""}, {"api.internal:80/", "http://api.internal/x", ""},
		{"GET  api.internal:443/x", "https://api.internal/x", ""}, {"API.internal:8080/", "http://api.internal:8080/", ""},
		{"GET API.internal/", "http://api.internal/", ""}, {"api.internal/", "http://API.internal:1/", ""}, {"api.internal:1/", "http://API.internal:1/", ""},
		{"GET /export/{id}", "opaque:", "api.internal"}, {"/", "opaque:", "api.internal"},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		target := u.Host
		if c.target != "" {
			target, u = c.target, &url.URL{Scheme: "https", Host: c.target, Opaque: "//api.internal/export/7?x=y"}
		}
		p, wrong := compile([]Route{{Match: []string{c.pattern}}})
		if got := p.find(&holdfast.Call{Method: "GET", Target: target, Sender: asked{&http.Request{URL: u}}}); got != 0 || len(wrong) > 0 {
			t.Errorf("%s does not match %s: %v", c.pattern, u, wrong)
		}
	}
	for pattern, of := range map[string]string{
		"api.internal:443/": "http://api.internal/", "api.internal:80/": "https://api.internal/", "api.internal:8443/": "https://api.internal/",
		"[::1]:81/": "http://[::1]/", "[::2]/": "http://[::1]/", "/A": "http://h/a", "api.internal:443/a": "https://api.internal:444/a",
	} {
		u, err := url.Parse(of)
		if err != nil {
			t.Fatal(err)
		}
		p, _ := compile([]Route{{Match: []string{pattern}}})
		if got := p.find(&holdfast.Call{Method: "GET", Target: u.Host, Sender: asked{&http.Request{URL: u}}}); got != -1 {
			t.Errorf("%s matches %s", pattern, of)
		}
	}
	if _, wrong := compile([]Route{{Match: []string{"API.internal/"}}, {Match: []string{"api.internal/"}}}); len(wrong) != 1 {
		t.Errorf("one host twice: %v", wrong)
	}
}

// A pattern that has the host with its port goes before one that has it without.
func TestAHostWithItsPortIsMoreSpecific(t *testing.T) {
	p, wrong := compile([]Route{{Match: []string{"GET h/a"}}, {Match: []string{"h:81/", "[::1]:81/a"}}, {Match: []string{"/"}}})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	for what, want := range map[string]int{"h /a": 0, "h:80 /a": 0, "h:81 /a": 1, "h:81 /b": 1, "h /b": 2, "[::1]:81 /a": 1, "[::1]:82 /a": 2, "[::1]:81 /b": 2} {
		host, path, _ := strings.Cut(what, " ")
		if got := p.find(&holdfast.Call{Method: "GET", Target: host, Sender: asked{&http.Request{URL: &url.URL{Path: path}}}}); got != want {
			t.Errorf("%s: route %d, want %d", what, got, want)
		}
	}
}

// To find a route keeps nothing, whatever paths, methods and hosts a caller is made to call.
func TestFindingARouteKeepsNothing(t *testing.T) {
	p, wrong := compile([]Route{{Match: []string{"GET /export/{id}", "/s.S/Get"}}, {Match: []string{"h:81/"}}})
	if len(wrong) > 0 {
		t.Fatal(wrong)
	}
	call := &holdfast.Call{}
	ask := func(method, host, path string) int {
		*call = holdfast.Call{Method: method, Target: host, Sender: call.Sender}
		if call.Sender == nil {
			call.Sender = asked{&http.Request{URL: new(url.URL)}}
		}
		call.Sender.(asked).request.URL.Path = path
		return p.find(call)
	}
	ask("GET", "h", "/")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range 100_000 {
		ask(fmt.Sprint("M", i), fmt.Sprint("h", i), fmt.Sprint("/export/", i, "/", i))
		ask(fmt.Sprint("/s.S/", i), "h", "")
		ask("GET", fmt.Sprint("h:", i), fmt.Sprint("/export/", i))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 1<<20 {
		t.Errorf("%d bytes are kept of 300,000 calls", grown)
	}
}

// The names of a service config find the calls of gRPC and those of HTTP that they name.
func TestNamesOfAServiceConfigArePatterns(t *testing.T) {
	for _, c := range []struct {
		name methodName
		want string
	}{
		{methodName{}, "/"}, {methodName{"s.S", "Get"}, "/s.S/Get, Get s.S/"}, {methodName{"s.S", ""}, "/s.S/, s.S/"},
		{methodName{"users.internal:443", "GET"}, "/users.internal:443/GET, GET users.internal:443/"},
		{methodName{"a/b", "{m}"}, "/a/b/%7Bm%7D"}, {methodName{"a b", "c"}, "/a%20b/c"}, {methodName{"s", "a b"}, "/s/a%20b"},
	} {
		got := c.name.patterns()
		if strings.Join(got, ", ") != c.want {
			t.Errorf("%v: %q, want %s", c.name, got, c.want)
		}
		if _, wrong := compile([]Route{{Match: got}}); len(wrong) > 0 {
			t.Errorf("%v: %v", c.name, wrong)
		}
	}
}
