package httpclient

import (
	"net/http"
	"testing"
)

// What says that it is a stream, and what does not.
func TestStreamsAreKnown(t *testing.T) {
	for _, c := range []struct {
		method, url, header, value string
		want                       bool
	}{
		{"GET", "http://a/", "Accept", "text/event-stream", true},
		{"GET", "http://a/", "Accept", "application/json, Text/Event-Stream;q=0.9", true},
		{"GET", "http://a/", "Accept", "application/x-ndjson", true},
		{"GET", "http://a/", "Accept", "application/json;stream=watch", true},
		{"GET", "http://a/", "Accept", "application/json, */*", false},
		{"GET", "http://a/", "Upgrade", "websocket", true},
		{"CONNECT", "http://a/", "", "", true},
		{"POST", "http://a/", "Content-Type", "application/connect+json", true},
		{"POST", "http://a/", "Content-Type", "application/connect+proto", true},
		{"POST", "http://a/", "Content-Type", "application/grpc-web-text", true},
		{"POST", "http://a/", "Content-Type", "application/json", false},
		{"POST", "http://a/", "Content-Type", "application/x-ndjson", false}, // it is sent, not asked for
		{"GET", "http://a/api/v1/pods?watch=true&x=1", "", "", true},
		{"GET", "http://a/api/v1/pods?x=1&watch=1", "", "", true},
		{"GET", "http://a/api/v1/pods?watch=false", "", "", false},
		{"GET", "http://a/api/v1/pods?nowatch=true", "", "", false},
		{"GET", "http://a/?q=watch", "", "", false},
	} {
		req, err := http.NewRequest(c.method, c.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if c.header != "" {
			req.Header.Set(c.header, c.value)
		}
		if got := new(door).asksForStream(req); got != c.want {
			t.Errorf("%s %s, %s: %s: %v, want %v", c.method, c.url, c.header, c.value, got, c.want)
		}
	}
	for value, want := range map[string]bool{
		"text/event-stream": true, "TEXT/EVENT-STREAM; charset=utf-8": true, "application/x-ndjson": true, "application/jsonl": true, "application/json-seq": true,
		"application/grpc-web+proto": true, "application/grpc-web-text": true, "application/connect+proto": true, "application/connect+json; charset=utf-8": true,
		"application/json;stream=watch": true, "application/vnd.kubernetes.protobuf; Stream=Watch": true,
		"application/json": false, "application/json; charset=utf-8": false, "text/event-streams": false, "application/proto": false, "": false, ";": false, "stream=watch": false,
	} {
		resp := &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {value}}}
		if got := streams(resp); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
		resp.StatusCode = 503
		if streams(resp) {
			t.Errorf("%q: a failure is none", value)
		}
	}
	if streams(&http.Response{StatusCode: 200, Header: http.Header{"Content-Type": nil}}) {
		t.Error("without a type it is none")
	}
}
