package httpclient_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// R12: a POST whose stream the server would not take is made again, whatever the
// words of net/http; one that it may have taken is not.
func TestR12_APOSTIsMadeAgainOnlyWhenTheServerDidNotTakeIt(t *testing.T) {
	for name, c := range map[string]struct {
		refuse func(fr *http2.Framer, stream uint32)
		class  holdfast.Class
		code   holdfast.Code
	}{
		"refused": {func(fr *http2.Framer, stream uint32) { _ = fr.WriteRSTStream(stream, http2.ErrCodeRefusedStream) }, holdfast.Refused, "refused_stream"},
		"left out by an angry GOAWAY": {func(fr *http2.Framer, _ uint32) {
			_ = fr.WriteGoAway(0, http2.ErrCodeEnhanceYourCalm, nil)
		}, holdfast.Refused, "goaway"},
		"reset": {func(fr *http2.Framer, stream uint32) { _ = fr.WriteRSTStream(stream, http2.ErrCodeInternal) }, holdfast.Failure, "error"},
		"taken, and the server gone": {func(fr *http2.Framer, stream uint32) {
			_ = fr.WriteGoAway(stream, http2.ErrCodeNo, nil)
			_ = fr.WriteRSTStream(stream, http2.ErrCodeCancel)
		}, holdfast.Failure, "error"},
	} {
		t.Run(name, func(t *testing.T) {
			transport, streams := refusing(t, c.refuse)
			var results []holdfast.Result
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			body := bodyOf(strings.Repeat("x", 100)) // which net/http cannot rewind, and we can
			_, err := httpclient.Wrap(transport, quick(2), spy(&results)).RoundTrip(request(t, "POST", "https://refusing.test/", body).WithContext(ctx))
			want := 1
			if c.class == holdfast.Refused {
				want = 2
			}
			if err == nil || len(results) != want || int(streams.Load()) < want {
				t.Fatalf("%v after %d attempts and %d streams, want %d", err, len(results), streams.Load(), want)
			}
			if results[0].Class != c.class || results[0].Code != c.code {
				t.Errorf("judged as %v %s: %v", results[0].Class, results[0].Code, results[0].Err)
			}
			if body.closes.Load() != 1 {
				t.Errorf("the body was closed %d times", body.closes.Load())
			}
		})
	}
}

// R12: a connection that dies while a body goes out may have brought it: what
// net/http says then is no refusal.
func TestR12_AConnectionThatDiesUnderABodyIsNoRefusal(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadFull(r.Body, make([]byte, 1000))
		panic(http.ErrAbortHandler)
	}, quick(3))
	for proto, client := range server {
		var results []holdfast.Result
		base := client.Transport.(at)
		_, err := httpclient.Wrap(base, spy(&results)).RoundTrip(request(t, "POST", base.url, io.LimitReader(zeros{}, 1<<22)))
		if err == nil || len(results) != 1 || results[0].Class == holdfast.Refused {
			t.Errorf("%s: %v, judged as %+v", proto, err, results)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
