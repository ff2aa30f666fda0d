package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestSameSeedSameSchedule(t *testing.T) {
	a, b := schedule(7, 200, 10*time.Second), schedule(7, 200, 10*time.Second)
	if !reflect.DeepEqual(a, b) {
		t.Error("the same seed gave two schedules")
	}
	if reflect.DeepEqual(a, schedule(8, 200, 10*time.Second)) {
		t.Error("two seeds gave one schedule")
	}
	if n := float64(len(a)); math.Abs(n-2000) > 4*math.Sqrt(2000) {
		t.Errorf("%v calls in 10 s at 200 per second", n)
	}
	posts, short := 0, 0
	for i, arrival := range a {
		if arrival.id != i || arrival.at < 0 || arrival.at >= 10*time.Second || i > 0 && arrival.at < a[i-1].at {
			t.Fatalf("arrival %d: %+v", i, arrival)
		}
		if arrival.post {
			posts++
		}
		if i > 0 && arrival.at-a[i-1].at < 5*time.Millisecond {
			short++
		}
	}
	if share := float64(posts) / float64(len(a)); math.Abs(share-postShare) > 0.03 {
		t.Errorf("%.3f of the calls are POSTs", share)
	}
	// Of exponential gaps, 1-1/e are shorter than the mean; of even ones, none.
	if share := float64(short) / float64(len(a)); math.Abs(share-0.632) > 0.05 {
		t.Errorf("%.3f of the gaps are shorter than the mean", share)
	}
}

// A server is a RoundTripper that answers rightly after a time.
type server func(id int) time.Duration

func (s server) RoundTrip(req *http.Request) (*http.Response, error) {
	sampleOf(req.Context()).attempts++
	var payload []byte
	if req.Body != nil {
		payload, _ = io.ReadAll(req.Body)
	}
	id, _ := strconv.Atoi(strings.TrimPrefix(req.URL.Path, "/items/"))
	waitUntil(req.Context(), time.Now().Add(s(id)))
	if err := req.Context().Err(); err != nil {
		return nil, err
	}
	return respond(req, http.StatusOK, content(id, payload)), nil
}

func respond(req *http.Request, status int, body []byte) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Request: req, Body: io.NopCloser(bytes.NewReader(body))}
}

func clientOf(rt http.RoundTripper) *client {
	return httpClient("http", transport(), &http.Client{Transport: rt, Timeout: patience}, nil)
}

func contestOf(rt http.RoundTripper, arrivals ...arrival) *contest {
	phases, _ := script(20 * time.Second)
	return newContest(phases, arrivals, []*client{clientOf(rt)})
}

func TestOpenLoopMeasuresFromWhenACallWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := contestOf(server(func(id int) time.Duration { return time.Duration(id) * 100 * time.Millisecond }),
			arrival{at: 10 * time.Millisecond, id: 3},
			arrival{at: 20 * time.Millisecond, id: 1, post: true}, // does not wait for the first
			arrival{at: 20 * time.Millisecond, id: 50},            // longer than anybody waits
		)
		start := time.Now().Add(-15 * time.Millisecond) // the sender is late for the first one
		if sent := c.run(t.Context(), start, 10); sent != 3 {
			t.Errorf("%d arrivals sent", sent)
		}
		for i, want := range []sample{
			{due: 10 * time.Millisecond, sent: true, ok: true, took: 305 * time.Millisecond, late: 5 * time.Millisecond, attempts: 1},
			{due: 20 * time.Millisecond, sent: true, ok: true, took: 100 * time.Millisecond, attempts: 1},
			{due: 20 * time.Millisecond, sent: true, why: "timed out", took: patience, attempts: 1},
		} {
			if got := c.samples[0][i]; got != want {
				t.Errorf("call %d: %+v, want %+v", i, got, want)
			}
		}
		if live := c.live.success(0, 0); math.Abs(live-2.0/3) > 1e-9 {
			t.Errorf("live success %v", live)
		}
	})
}

func TestWhatIsTooMuchIsNotSentAndCountsAsFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := contestOf(server(func(int) time.Duration { return 500 * time.Millisecond }),
			arrival{at: 0}, arrival{at: 1}, arrival{at: 2}, arrival{at: 600 * time.Millisecond})
		c.run(t.Context(), time.Now(), 2)
		f := sum(c.samples[0], only(0))
		if f.calls != 4 || f.sent != 3 || f.ok != 3 || f.failed["not sent"] != 1 || c.samples[0][2].sent {
			t.Errorf("%+v", f)
		}
	})
}

func TestARunThatIsStoppedFinishesWhatItSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := contestOf(server(func(int) time.Duration { return 500 * time.Millisecond }),
			arrival{at: 0}, arrival{at: time.Second}, arrival{at: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), 1100*time.Millisecond)
		defer cancel()
		start := time.Now()
		if sent := c.run(ctx, start, 10); sent != 2 || time.Since(start) != 1500*time.Millisecond {
			t.Errorf("%d sent in %v, want 2 in 1.5s", sent, time.Since(start))
		}
		if s := c.samples[0][1]; !s.ok {
			t.Errorf("the call under way: %+v", s)
		}
	})
}

func TestOnlyTheRightAnswerReadToItsEndIsASuccess(t *testing.T) {
	right := content(5, nil)
	for want, answer := range map[string]func(*http.Request) (*http.Response, error){
		"":    func(r *http.Request) (*http.Response, error) { return respond(r, 200, right), nil },
		"503": func(r *http.Request) (*http.Response, error) { return respond(r, 503, right), nil },
		"204": func(r *http.Request) (*http.Response, error) { return respond(r, 204, nil), nil },
		"wrong answer": func(r *http.Request) (*http.Response, error) {
			return respond(r, 200, right[:len(right)-1]), nil
		},
		"wrong answer ": func(r *http.Request) (*http.Response, error) { return respond(r, 200, append(right, '!')), nil },
		"wrong answer  ": func(r *http.Request) (*http.Response, error) {
			return respond(r, 200, content(6, nil)), nil
		},
		"broke off": func(r *http.Request) (*http.Response, error) {
			resp := respond(r, 200, nil)
			resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(right), failingReader{}))
			return resp, nil
		},
		"broke off ": func(*http.Request) (*http.Response, error) { return nil, errors.New("no") },
	} {
		c := clientOf(roundTripFunc(answer))
		if got := c.call(arrival{id: 5}, &sample{}); got != strings.TrimSpace(want) {
			t.Errorf("call = %q, want %q", got, want)
		}
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
