package httpclient

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-go/holdfast"
)

// What says that a connection was gone before the headers of a request with a body were
// written: nothing of the body was asked for, and the connection was of HTTP/1.
func TestWhatWasNotWritten(t *testing.T) {
	write := &net.OpError{Op: "write", Err: syscall.EPIPE}
	read := &net.OpError{Op: "read", Err: syscall.ECONNRESET}
	idle := errors.New("http: server closed idle connection")
	broken := errors.Join(errors.New("net/http: HTTP/1.x transport connection broken"), write)
	stream := func(read bool) io.ReadCloser {
		n := &noted{ReadCloser: io.NopCloser(strings.NewReader("order")), of: new(body)}
		n.read.Store(read)
		return n
	}
	for name, c := range map[string]struct {
		err    error
		body   io.ReadCloser
		base   *http.Transport
		url    string
		expect bool
		class  holdfast.Class
	}{
		"a write":                            {write, stream(false), &http.Transport{}, "http://a", false, holdfast.Refused},
		"a write, no body":                   {write, nil, &http.Transport{}, "http://a", false, holdfast.Refused},
		"a write, no body at all":            {write, http.NoBody, &http.Transport{}, "http://a", false, holdfast.Refused},
		"a write, the body was read":         {write, stream(true), &http.Transport{}, "http://a", false, holdfast.Failure},
		"a write, a body in memory":          {write, io.NopCloser(strings.NewReader("x")), &http.Transport{}, "http://a", false, holdfast.Failure},
		"something was written":              {broken, stream(false), &http.Transport{}, "http://a", false, holdfast.Failure},
		"closed":                             {idle, stream(false), &http.Transport{}, "http://a", false, holdfast.Refused},
		"closed, the body was read":          {idle, stream(true), &http.Transport{}, "http://a", false, holdfast.Failure},
		"closed, no body":                    {idle, nil, &http.Transport{}, "http://a", false, holdfast.Failure},
		"closed, asked to go on":             {idle, stream(false), &http.Transport{}, "http://a", true, holdfast.Failure},
		"reset":                              {read, stream(false), &http.Transport{}, "http://a", false, holdfast.Refused},
		"reset, no body":                     {read, nil, &http.Transport{}, "http://a", false, holdfast.Failure},
		"TLS, HTTP/1 alone":                  {write, stream(false), &http.Transport{TLSNextProto: noHTTP2}, "https://a", false, holdfast.Refused},
		"TLS, HTTP/2 perhaps":                {write, stream(false), &http.Transport{}, "https://a", false, holdfast.Failure},
		"HTTP/2 without TLS":                 {write, stream(false), over2(false), "http://a", false, holdfast.Failure},
		"HTTP/1 without TLS, HTTP/2 perhaps": {write, stream(false), over2(true), "http://a", false, holdfast.Refused},
	} {
		u, err := url.Parse(c.url)
		if err != nil {
			t.Fatal(err)
		}
		d := Wrap(c.base).(*door)
		d.wire.look()
		req := &http.Request{Method: "POST", URL: u, Header: http.Header{}, Body: c.body}
		if c.expect {
			req.Header.Set("Expect", "100-continue")
		}
		x := &exchange{door: d, req: req}
		if res := x.judgeError(t.Context(), &sending{out: req}, c.err); res.Class != c.class {
			t.Errorf("%s: judged as %v %s, want %v", name, res.Class, res.Code, c.class)
		}
	}
}

// noHTTP2 is net/http's way to switch it off.
var noHTTP2 = map[string]func(string, *tls.Conn) http.RoundTripper{}

// over2 is a Transport that speaks HTTP/2 without TLS, and HTTP/1 perhaps.
func over2(http1 bool) *http.Transport {
	p := new(http.Protocols)
	p.SetHTTP1(http1)
	p.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: p}
}
