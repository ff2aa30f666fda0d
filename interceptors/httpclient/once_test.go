package httpclient_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A cutter is a server of HTTP/1 that does to a request what mode says, once so many of
// its bytes are there, and counts the requests of which it got a byte.
type cutter struct {
	mu    sync.Mutex
	mode  string
	after int
	seen  int
}

var cuts = map[string]string{
	"close": "", "reset": "", "hang": "", "garbage": "\x00\x01\x02\r\n\r\n", "begins": "HTTP/1.1 200 O", "cut": "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf",
	"100": "HTTP/1.1 100 Continue\r\n\r\n", "103": "HTTP/1.1 103 Early Hints\r\n\r\n", "408": "HTTP/1.1 408 x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
	"417": "HTTP/1.1 417 x\r\nContent-Length: 0\r\n\r\n", "429": "HTTP/1.1 429 x\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
	"500": "HTTP/1.1 500 x\r\nX-Should-Retry: true\r\nContent-Length: 0\r\n\r\n", "502": "HTTP/1.1 502 x\r\nContent-Length: 0\r\n\r\n", "503": "HTTP/1.1 503 x\r\nRetry-After-Ms: 1\r\nContent-Length: 0\r\n\r\n",
}

func (s *cutter) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	var got []byte
	one := make([]byte, 1)
	for {
		s.mu.Lock()
		mode, after := s.mode, s.after
		s.mu.Unlock()
		if mode == "well" {
			if bytes.HasSuffix(got, []byte("\r\n\r\n")) {
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
				got = nil
			}
		} else if len(got) >= after {
			s.act(c, mode)
			return
		}
		if len(got) > 0 {
			_ = c.SetReadDeadline(time.Now().Add(10 * time.Millisecond)) // nothing more may come
		}
		n, err := c.Read(one)
		_ = c.SetReadDeadline(time.Time{})
		if n == 1 {
			if got = append(got, one[0]); len(got) == 1 {
				s.mu.Lock()
				s.seen++
				s.mu.Unlock()
			}
		}
		if err != nil {
			s.act(c, mode)
			return
		}
	}
}

func (s *cutter) act(c net.Conn, mode string) {
	_, _ = io.WriteString(c, cuts[mode])
	switch mode {
	case "hang":
		time.Sleep(100 * time.Millisecond)
	case "reset":
		_, _ = c.Read(make([]byte, 1)) // what is left unread makes a close a reset
	}
}

func (s *cutter) set(mode string, after int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode, s.after, s.seen = mode, after, 0
}

func (s *cutter) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

// eager policies repeat whatever may be repeated, as often and as early as they can.
func eager() map[string][]holdfast.Policy {
	plenty := retry.NewBudget(retry.BudgetOptions{Unlimited: true})
	codes := []holdfast.Code{"200", "408", "417", "429", "500", "502", "503", "other", "timeout", "eof", "reset", "error", "truncated", "deadline"}
	return map[string][]holdfast.Policy{
		"all": {
			timeout.New(timeout.Options{Limit: time.Second}), quick(4), hedge.New(hedge.Options{Delay: time.Millisecond, Share: -1, Budget: plenty}),
			breaker.New(breaker.Options{FailureRatio: -1, ConsecutiveFailures: -1, ConsecutiveFailuresUnderLoad: -1}), timeout.New(timeout.Options{Limit: 30 * time.Millisecond}),
		},
		"codes": {retry.New(retry.Options{MaxAttempts: 4, InitialInterval: time.Millisecond, Budget: plenty, Codes: codes}), timeout.New(timeout.Options{Limit: 30 * time.Millisecond})},
	}
}

// payloads are the bodies of a request that is not repeatable, by how they can be had again.
func payloads(t *testing.T, text string) map[string]func() io.Reader {
	t.Helper()
	file := filepath.Join(t.TempDir(), "body")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return map[string]func() io.Reader{
		"none":   func() io.Reader { return nil },
		"memory": func() io.Reader { return strings.NewReader(text) },
		"stream": func() io.Reader { return io.MultiReader(strings.NewReader(text)) },
		"file": func() io.Reader {
			f, err := os.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			return f
		},
	}
}

// A call that is not repeatable is executed at most once, wherever its connection is cut
// and whatever comes back.
func TestWhatIsNotRepeatableIsSentOnce(t *testing.T) {
	bodies := payloads(t, strings.Repeat("0123456789", 8))
	for name, policies := range eager() {
		for _, form := range []string{"fresh", "kept", "kept, expects 100"} {
			for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodTrace} {
				t.Run(fmt.Sprint(name, ", ", form, ", ", method), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						sentOnce(t, policies, bodies, method, form != "fresh", form == "kept, expects 100")
					})
				})
			}
		}
	}
}

func sentOnce(t *testing.T, policies []holdfast.Policy, bodies map[string]func() io.Reader, method string, kept, expect bool) {
	network, s := new(holdfasttest.Network), new(cutter)
	l, err := network.Listen("server.test:80")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { s.serve(c) })
		}
	})
	base := &http.Transport{DialContext: network.DialContext, ExpectContinueTimeout: 5 * time.Millisecond}
	defer func() { base.CloseIdleConnections(); _ = l.Close(); conns.Wait() }()
	w := httpclient.Wrapper{Repeatable: func(*http.Request) bool { return false }}
	client := &http.Client{Transport: w.Wrap(base, policies...)}
	cases, sent := 0, 0
	for body, open := range bodies {
		for mode := range cuts {
			for _, after := range []int{1, 40, 90, 130, 170, 230} {
				if kept {
					s.set("well", 0)
					get200(t, client, "http://server.test/")
					synctest.Wait() // the connection is back
				}
				s.set(mode, after)
				req := request(t, method, "http://server.test/once", open())
				if expect {
					req.Header.Set("Expect", "100-continue")
				}
				if resp, err := client.Do(req); err == nil {
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				base.CloseIdleConnections()
				time.Sleep(time.Second) // whatever is still under way comes to its end
				n := s.count()
				if n > 1 {
					t.Errorf("body %s, %s after %d bytes: sent %d times", body, mode, after, n)
				}
				cases, sent = cases+1, sent+n
			}
		}
	}
	if sent < cases*9/10 {
		t.Errorf("%d of %d requests reached the server", sent, cases)
	}
}
