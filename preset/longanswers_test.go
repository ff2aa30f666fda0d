package preset_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"log"
	"net/http"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast/holdfasttest"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/preset"
)

// A long answer is one that Standard's limits do not fit.
type long struct {
	method, path string
	ask          map[string]string // headers of the request
	body         string
	answers      string        // its Content-Type
	length       int           // announced; 0: it is not
	first        time.Duration // until the headers
	pause        time.Duration // before each part
	parts        int
	part         string
	late         time.Duration // before the caller begins to read
	line         func(*preset.Config)
}

// envelope is a message of Connect's or gRPC-Web's streams.
func envelope(flags byte, message string) string {
	return string(binary.BigEndian.AppendUint32([]byte{flags}, uint32(len(message)))) + message
}

var longs = map[string]long{
	"server-sent events that were accepted": {path: "/events", ask: map[string]string{"Accept": "text/event-stream"}, answers: "text/event-stream", pause: time.Minute, parts: 30, part: "data: x\n\n"},
	"a model's answer": { // the body asks for the stream, and no header does
		method: "POST", path: "/v1/chat/completions", ask: map[string]string{"Content-Type": "application/json", "Accept": "application/json"}, body: `{"stream":true}`,
		answers: "text/event-stream; charset=utf-8", pause: 20 * time.Second, parts: 10, part: "data: {}\n\n",
	},
	"a watch in JSON": { // as client-go's reflector asks for it
		path: "/api/v1/pods?allowWatchBookmarks=true&resourceVersion=10245&timeout=8m30s&timeoutSeconds=510&watch=true",
		ask:  map[string]string{"Accept": "application/json", "User-Agent": "kubectl/v1.31.0"}, answers: "application/json", pause: time.Minute, parts: 8, part: `{"type":"BOOKMARK","object":{}}` + "\n",
	},
	"a watch in protobuf": {
		path: "/api/v1/pods?watch=1", ask: map[string]string{"Accept": "application/vnd.kubernetes.protobuf,application/json"},
		answers: "application/vnd.kubernetes.protobuf;stream=watch", pause: time.Minute, parts: 8, part: "k8s\x00",
	},
	"a watch that only its answer shows": {path: "/apis/x", answers: "application/json; stream=watch", pause: time.Minute, parts: 8, part: "{}\n"},
	"a Connect server stream": {
		method: "POST", path: "/events.v1.Events/Subscribe", ask: map[string]string{"Content-Type": "application/connect+proto", "Connect-Protocol-Version": "1"},
		body: envelope(0, "\n\x01x"), answers: "application/connect+proto", pause: time.Minute, parts: 10, part: envelope(0, "event"),
	},
	"a gRPC-Web server stream": {
		method: "POST", path: "/events.v1.Events/Subscribe", ask: map[string]string{"Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1"},
		body: envelope(0, ""), answers: "application/grpc-web+proto", pause: time.Minute, parts: 10, part: envelope(0, "event"),
	},
	"lines of JSON": {path: "/logs?follow=1", answers: "application/x-ndjson", pause: 45 * time.Second, parts: 10, part: "{}\n"},
	"a Consul blocking query": {
		path: "/v1/health/service/web?index=42&passing=1&wait=300000ms", answers: "application/json", first: 5*time.Minute + 18*time.Second, parts: 1, part: "[]",
		line: func(c *preset.Config) { c.Timeout.Limit, c.Attempt.Limit = -1, -1 }, // its headers come late, and nothing shows before
	},
	"a download of ten minutes": {
		path: "/image.iso", answers: "application/octet-stream", length: 600 * 1024, pause: time.Second, parts: 600, part: string(bytes.Repeat([]byte("x"), 1024)),
		line: func(c *preset.Config) { c.Timeout.Limit = -1 }, // each attempt's limit still cuts one that stalls
	},
	"a list that is read late": {path: "/api/v1/pods", answers: "application/json", length: 30000, parts: 1, part: string(bytes.Repeat([]byte("x"), 30000)), late: 25 * time.Second},
}

// Long answers come to their end under Standard, with a line more at most: those that show
// themselves to be streams, by the request or by the answer, with none.
func TestLongAnswersComeToTheirEnd(t *testing.T) {
	for name, c := range longs {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, HTTP/2 %v", name, http2), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					asked := 0
					transport := served(t, http2, func(w http.ResponseWriter, r *http.Request) {
						asked++
						_, _ = io.Copy(io.Discard, r.Body)
						w.Header().Set("Content-Type", c.answers)
						if c.length > 0 {
							w.Header().Set("Content-Length", strconv.Itoa(c.length))
						}
						time.Sleep(c.first)
						for range c.parts {
							_ = http.NewResponseController(w).Flush()
							time.Sleep(c.pause)
							_, _ = io.WriteString(w, c.part)
						}
					})
					config := preset.Standard()
					if c.line != nil {
						c.line(&config)
					}
					client := &http.Client{Transport: httpclient.Wrap(transport, config.Policies()...)}
					req, err := http.NewRequestWithContext(t.Context(), c.method, "http://server.test"+c.path, bytes.NewBufferString(c.body))
					if err != nil {
						t.Fatal(err)
					}
					for name, value := range c.ask {
						req.Header.Set(name, value)
					}
					start := time.Now()
					resp, err := client.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(c.late)
					got, err := io.ReadAll(resp.Body)
					_ = resp.Body.Close()
					if err != nil || len(got) != c.parts*len(c.part) || asked != 1 {
						t.Errorf("after %v: %d bytes of %d, then %v, of %d requests", time.Since(start), len(got), c.parts*len(c.part), err, asked)
					}
				})
			})
		}
	}
}

// served runs a server in memory, and returns what speaks to it.
func served(t *testing.T, http2 bool, h http.HandlerFunc) *http.Transport {
	t.Helper()
	network := new(holdfasttest.Network)
	l, err := network.Listen("server.test:80")
	if err != nil {
		t.Fatal(err)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!http2)
	protocols.SetUnencryptedHTTP2(http2)
	server := &http.Server{Handler: h, Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0)}
	stopped := make(chan struct{})
	go func() { defer close(stopped); _ = server.Serve(l) }()
	transport := &http.Transport{DialContext: network.DialContext, Protocols: protocols}
	t.Cleanup(func() {
		_ = server.Close()
		<-stopped
		transport.CloseIdleConnections()
	})
	return transport
}
