package httpclient

import (
	"net/http"
	"strings"
)

// A stream goes on after its headers, with pauses that no time limit fits. Some requests say
// that they want one. Others do not: a model's answer is asked for in the body, and a client of
// Connect accepts what it sends. Their answers show it.

// asksForStream reports whether a request says that its answer will be a stream.
func (d *door) asksForStream(req *http.Request) bool {
	if req.Header["Upgrade"] != nil || req.Method == http.MethodConnect {
		return true
	}
	for _, accept := range req.Header["Accept"] {
		for media := range strings.SplitSeq(accept, ",") {
			if isStream(media) {
				return true
			}
		}
	}
	for _, sent := range req.Header["Content-Type"] {
		if isEnveloped(mediaType(sent)) {
			return true
		}
	}
	return asksForWatch(req) || d.Stream != nil && d.Stream(req)
}

// asksForWatch knows a watch of Kubernetes by its query, as client-go and kubectl write it.
func asksForWatch(req *http.Request) bool {
	if !strings.Contains(req.URL.RawQuery, "watch=") {
		return false
	}
	for param := range strings.SplitSeq(req.URL.RawQuery, "&") {
		if param == "watch=true" || param == "watch=1" {
			return true
		}
	}
	return false
}

// streams reports whether an answer shows by its Content-Type that it is a stream. Only one
// with the status 200 does: a failure has a body that ends.
func streams(resp *http.Response) bool {
	if resp.StatusCode != http.StatusOK {
		return false
	}
	values := resp.Header["Content-Type"]
	return len(values) > 0 && isStream(values[0])
}

// isStream reports whether a Content-Type, or one entry of an Accept, is of a stream.
func isStream(value string) bool {
	switch media := mediaType(value); media {
	case "text/event-stream", "application/x-ndjson", "application/ndjson", "application/jsonl", "application/json-seq", "application/stream+json":
		return true
	default:
		return isEnveloped(media) || isWatch(value)
	}
}

// isEnveloped knows the protocols that send messages in envelopes: Connect's streams, whose
// unary calls are application/json and application/proto, and gRPC-Web, whose calls all have
// the same type.
func isEnveloped(media string) bool {
	return strings.HasPrefix(media, "application/connect+") || strings.HasPrefix(media, "application/grpc-web")
}

// isWatch knows the answer to a watch of Kubernetes: application/json;stream=watch, or another
// encoding of it.
func isWatch(value string) bool {
	_, params, has := strings.Cut(value, ";")
	if !has {
		return false
	}
	for param := range strings.SplitSeq(params, ";") {
		if strings.EqualFold(strings.TrimSpace(param), "stream=watch") {
			return true
		}
	}
	return false
}

// mediaType returns the type of a Content-Type, without its parameters and in lower case.
func mediaType(value string) string {
	media, _, _ := strings.Cut(value, ";")
	return strings.ToLower(strings.TrimSpace(media))
}
