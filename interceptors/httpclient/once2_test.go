package httpclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/net/http2"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// ways2 are what a server of HTTP/2 may do to a request that it has perhaps acted upon.
func ways2() map[string]func(fr *http2.Framer, stream uint32) (stay bool) {
	ways := map[string]func(fr *http2.Framer, stream uint32) bool{
		"close":   func(*http2.Framer, uint32) bool { return false },
		"silence": func(*http2.Framer, uint32) bool { return true },
		"garbage": func(fr *http2.Framer, _ uint32) bool {
			_ = fr.WriteRawFrame(http2.FrameHeaders, 0, 0, bytes.Repeat([]byte{0xff}, 50))
			return false
		},
		"settings": func(fr *http2.Framer, _ uint32) bool {
			_ = fr.WriteSettings(http2.Setting{ID: http2.SettingMaxConcurrentStreams})
			return false
		},
	}
	for _, code := range []http2.ErrCode{http2.ErrCodeNo, http2.ErrCodeProtocol, http2.ErrCodeInternal, http2.ErrCodeStreamClosed, http2.ErrCodeCancel, http2.ErrCodeEnhanceYourCalm, http2.ErrCodeHTTP11Required} {
		ways["reset "+code.String()] = func(fr *http2.Framer, stream uint32) bool { _ = fr.WriteRSTStream(stream, code); return true }
		ways["goaway "+code.String()] = func(fr *http2.Framer, stream uint32) bool { _ = fr.WriteGoAway(stream, code, nil); return false }
	}
	for _, status := range []string{"408", "417", "429", "502", "503"} {
		ways["status "+status] = func(fr *http2.Framer, stream uint32) bool { answer200(fr, stream, status); return true }
	}
	return ways
}

// A call that is not repeatable is executed at most once over HTTP/2, too, whatever net/http
// would send again by itself, and whether or not it is known that the server speaks it.
func TestWhatIsNotRepeatableIsSentOnceOverHTTP2(t *testing.T) {
	bodies := payloads(t, strings.Repeat("x", 40_000))
	for _, wire := range []string{"known beforehand", "agreed upon", "agreed upon before"} {
		for way, act := range ways2() {
			t.Run(wire+", "+way, func(t *testing.T) {
				for name, policies := range eager() {
					for body, open := range bodies {
						for _, after := range []int{0, 1, 40_000} {
							if body == "none" && after > 0 {
								continue
							}
							synctest.Test(t, func(t *testing.T) {
								s := &framer{act: act, after: after}
								base, url := s.start(t, wire != "known beforehand")
								client := &http.Client{Transport: httpclient.Wrap(base, policies...)}
								if wire == "agreed upon before" {
									get200(t, client, url)
								}
								if resp, err := client.Do(request(t, "POST", url+"/once", open())); err == nil {
									_, _ = io.Copy(io.Discard, resp.Body)
									_ = resp.Body.Close()
								}
								time.Sleep(time.Minute)
								if n := s.count(); n != 1 {
									t.Errorf("%s, body %s, after %d bytes: sent %d times", name, body, after, n)
								}
							})
						}
					}
				}
			})
		}
	}
}

// What the server has not begun is sent again: by retry, and without it as net/http would
// have done, also where net/http is kept from sending anything again. Only for a first
// request to a server, of which it is not known what it speaks, a GOAWAY cannot be told
// from a stream that may have been acted upon.
func TestR12_WhatWasNotBegunIsSentAgain(t *testing.T) {
	refuse := func(stream uint32, fr *http2.Framer) { _ = fr.WriteRSTStream(stream, http2.ErrCodeRefusedStream) }
	goes := func(_ uint32, fr *http2.Framer) { _ = fr.WriteGoAway(1, http2.ErrCodeNo, nil) }
	for name, c := range map[string]struct {
		no     func(stream uint32, fr *http2.Framer)
		secure bool
		known  bool
		body   string
		retry  bool
		sends  int
	}{
		"refused, with GetBody":              {refuse, true, true, "memory", false, 2},
		"refused, without a body":            {refuse, true, true, "none", false, 2},
		"refused, a stream":                  {refuse, true, true, "stream", false, 1},
		"refused, a stream, with retry":      {refuse, true, true, "stream", true, 2},
		"left out by GOAWAY, with GetBody":   {goes, true, true, "memory", false, 2},
		"left out by GOAWAY, without a body": {goes, true, true, "none", false, 2},
		"without TLS":                        {refuse, false, false, "memory", false, 2},
		"a first request, with GetBody":      {refuse, true, false, "memory", false, 2},
		"a first request, without a body":    {refuse, true, false, "none", false, 2},
		"a first request, with retry":        {refuse, true, false, "stream", true, 2},
	} {
		t.Run(name, func(t *testing.T) {
			bodies := payloads(t, "order")
			synctest.Test(t, func(t *testing.T) {
				s := &framer{}
				s.act = func(fr *http2.Framer, stream uint32) bool {
					if s.count() == 1 {
						c.no(stream, fr)
					} else {
						answer200(fr, stream, "200")
					}
					return true
				}
				base, url := s.start(t, c.secure)
				var policies []holdfast.Policy
				if c.retry {
					policies = append(policies, quick(2))
				}
				client := &http.Client{Transport: httpclient.Wrap(base, policies...)}
				if c.known {
					get200(t, client, url)
				}
				resp, err := client.Do(request(t, "POST", url+"/once", bodies[c.body]()))
				if n := s.count(); n != c.sends || (err == nil) != (n == 2) {
					t.Errorf("%v, %v after %d sendings, want %d", resp, err, n, c.sends)
				}
				if err == nil {
					readAll(t, resp)
				}
			})
		})
	}
}

// Whoever is kept from sending again what net/http would have sent learns why.
func TestWhatIsNotSentAgainSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &framer{act: func(fr *http2.Framer, stream uint32) bool {
			_ = fr.WriteRSTStream(stream, http2.ErrCodeProtocol)
			return true
		}}
		base, url := s.start(t, true)
		rt := httpclient.Wrap(base, quick(2))
		for i, want := range []string{"is not to be sent twice", "PROTOCOL_ERROR"} {
			_, err := rt.RoundTrip(request(t, "POST", url+"/once", nil))
			if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), want) {
				t.Errorf("request %d: %v", i+1, err)
			}
			resp, err := rt.RoundTrip(request(t, "GET", url, nil)) // from now on it is known what the server speaks
			if err != nil {
				t.Fatal(err)
			}
			readAll(t, resp)
		}
	})
}

// Nothing of that is seen on the wire: a request without a body has none, and is of the
// length 0 where that is said.
func TestARequestWithoutABodyGoesOutAsOne(t *testing.T) {
	for _, c := range []struct {
		method     string
		repeatable bool
	}{{"POST", false}, {"GET", false}, {"GET", true}, {"DELETE", false}, {"TRACE", false}, {"PURGE", false}} {
		for _, proto := range []string{"HTTP/1.1", "HTTP/1.1 over TLS", "HTTP/2.0"} {
			http2 := proto == "HTTP/2.0"
			var got string
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				got = fmt.Sprint(r.ContentLength, " ", r.TransferEncoding, string(b))
			}))
			server.EnableHTTP2 = http2
			if proto == "HTTP/1.1" {
				server.Start()
			} else {
				server.StartTLS()
			}
			base := server.Client().Transport.(*http.Transport)
			base.ForceAttemptHTTP2 = true // so that it does not know what the server will speak
			w := httpclient.Wrapper{Repeatable: func(*http.Request) bool { return c.repeatable }}
			client := &http.Client{Transport: w.Wrap(base)}
			for i := range 2 { // before and after the server is known
				resp, err := client.Do(request(t, c.method, server.URL, nil))
				if err != nil {
					t.Fatal(err)
				}
				readAll(t, resp)
				want := "0 []"
				if i == 1 && http2 && !c.repeatable {
					want = "-1 []" // its end comes by itself
				}
				if (resp.ProtoMajor == 2) != http2 || got != want {
					t.Errorf("%s over %s, request %d: the server saw %q, want %q", c.method, proto, i+1, got, want)
				}
			}
			server.Close()
		}
	}
}
