package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/retry"
)

// A hedge that waits for the only connection gets it when the first attempt's answer is
// put by; when the hedge fails too, there is an answer all the same.
func TestAHedgeWaitsForTheOnlyConnection(t *testing.T) {
	for _, second := range []int{200, 503} {
		synctest.Test(t, func(t *testing.T) {
			var n atomic.Int32
			transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
				status := second
				if n.Add(1) == 1 {
					time.Sleep(time.Second)
					status = 503
				}
				w.WriteHeader(status)
				_, _ = io.WriteString(w, "said")
				if status == 503 {
					_ = http.NewResponseController(w).Flush()
					<-r.Context().Done() // and no end
				}
			})
			transport.MaxConnsPerHost = 1
			hedged := hedge.New(hedge.Options{Delay: 100 * time.Millisecond, Share: -1, Budget: retry.NewBudget(retry.BudgetOptions{Unlimited: true})})
			resp, err := httpclient.Wrap(over(transport, false), hedged).RoundTrip(request(t, "GET", "http://server.test/", nil))
			if err != nil || resp.StatusCode != second || n.Load() != 2 {
				t.Fatalf("%v, %v after %d requests", resp, err, n.Load())
			}
			got := make([]byte, 4)
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != "said" {
				t.Errorf("read %q, %v", got, err)
			}
			_ = resp.Body.Close()
			transport.CloseIdleConnections()
		})
	}
}

// An upload ends with the attempt whose answer is put by, though nobody brings its rest.
func TestAnUploadEndsWhenItsAnswerIsPutBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, w := io.Pipe()
		reads := make(chan error, 1)
		n := 0
		rt := base2(func(req *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				go func() {
					_, err := io.Copy(io.Discard, req.Body)
					reads <- err
				}()
				time.Sleep(time.Millisecond)
			}
			return response(req, 503, bodyOf("sorry")), nil
		})
		waits := retry.New(retry.Options{MaxAttempts: 2, InitialInterval: time.Second, Jitter: retry.Constant, OnRetry: func(context.Context, holdfast.Event) {
			synctest.Wait()
			if len(reads) != 1 {
				t.Error("the first attempt's upload goes on")
			}
		}})
		resp, err := httpclient.Wrap(rt, waits).RoundTrip(request(t, "PUT", "http://a/", io.MultiReader(strings.NewReader("begun"), r)))
		if err != nil || readAll(t, resp) != "sorry" {
			t.Errorf("%v, %v", resp, err)
		}
		_ = w.Close()
	})
}

// A GetBody that panics takes nothing with it: the answer before it is closed, and so is
// the request's body.
func TestAGetBodyThatPanics(t *testing.T) {
	first, body := bodyOf("sorry"), bodyOf("order")
	var ends ends
	defer func() {
		if got := recover(); got != "ours" || first.closes.Load() != 1 || body.closes.Load() != 1 {
			t.Errorf("recovered %v; closed %d and %d times", got, first.closes.Load(), body.closes.Load())
		}
		ends.one(t)
	}()
	req := request(t, "PUT", "http://a/", body)
	req.GetBody = func() (io.ReadCloser, error) { panic("ours") }
	_, _ = httpclient.Wrap(base(func(req *http.Request) (*http.Response, error) { return response(req, 503, first), nil }), quick(2), ends.policy()).RoundTrip(req)
}

// A body that was too long to be kept says which bound it was that it passed.
func TestReplayCapNamesItself(t *testing.T) {
	rt := httpclient.Wrapper{ReplayCap: 10}.Wrap(base(func(req *http.Request) (*http.Response, error) {
		_, _ = io.Copy(io.Discard, req.Body)
		return response(req, 503, bodyOf("sorry")), nil
	}), quick(3))
	resp, err := rt.RoundTrip(request(t, "PUT", "http://a/", bodyOf("longer than that")))
	if err != nil || readAll(t, resp) != "sorry" {
		t.Fatalf("%v, %v", resp, err)
	}
	if got := holdfast.LedgerOf(resp.Request.Context()).Stopped; !strings.Contains(got, "ReplayCap (10 bytes)") {
		t.Errorf("stopped because %q", got)
	}
}

// Through a base that is no *http.Transport nothing of its connections is believed: what
// reads as a refusal by net/http is one, and what might be is none.
func TestABaseThatIsNoTransport(t *testing.T) {
	for text, class := range map[string]holdfast.Class{
		"http: server closed idle connection": holdfast.Failure,
		"Bad Gateway":                         holdfast.Failure,
		"stream error: stream ID 3; REFUSED_STREAM; received from peer": holdfast.Refused,
		"malformed: stream error: stream ID 3; REFUSED_STREAM":          holdfast.Failure,
	} {
		var results []holdfast.Result
		_, err := httpclient.Wrap(base(func(*http.Request) (*http.Response, error) { return nil, errors.New(text) }), spy(&results)).
			RoundTrip(request(t, "POST", "https://a/", nil))
		if err == nil || results[0].Class != class {
			t.Errorf("%s: judged as %+v", text, results)
		}
	}
}
