package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"time"
)

// A doer sends requests: what a library makes of a base.
type doer func(*http.Request) (*http.Response, error)

// knobs are the times that the policies of a subject are set to. The benchmark's
// never run out; the tests' do.
type knobs struct {
	limit time.Duration // of a timeout
	delay time.Duration // before a hedge
	wait  time.Duration // before a retry
}

var idle = knobs{limit: 10 * time.Second, delay: 5 * time.Second, wait: 10 * time.Millisecond}

// traits are what a subject must be seen to do.
type traits struct{ retry, breaker, timeout, hedge bool }

// An httpSubject is one way of putting the traits of its row around a base.
type httpSubject struct {
	who  string
	wrap func(base http.RoundTripper, k knobs) doer
}

type httpRow struct {
	name     string
	traits   traits
	body     bool // a request with a body of 1 KiB that has GetBody
	goal     goal
	subjects []httpSubject
}

func bare(base http.RoundTripper, _ knobs) doer { return base.RoundTrip }

// httpTable is what is measured over an instant transport. What goals say in
// nanoseconds in the floor's own figures is here a share of the floor's.
func httpTable() []httpRow {
	return []httpRow{
		{"retry", traits{retry: true}, false, goal{150. / 69, "floor", 2, 0}, []httpSubject{
			{"bare", bare}, {"floor", floorRetry}, {"holdfast", ourRetry}, {"failsafe-go", failsafeRetry},
			{"go-retryablehttp", retryablehttpRetry}, {"heimdall", heimdallRetry},
		}},
		{"retry, 1 KiB with GetBody", traits{retry: true}, true, goal{165. / 83, "floor", 2, 0}, []httpSubject{
			{"bare", bare}, {"floor", floorRetry}, {"holdfast", ourRetry}, {"failsafe-go", failsafeRetry},
			{"go-retryablehttp", retryablehttpRetry}, {"heimdall", heimdallRetry},
		}},
		{"breaker", traits{breaker: true}, false, goal{1, "gobreaker by hand", 2, 0}, []httpSubject{
			{"bare", bare}, {"floor", floorBreaker}, {"holdfast", ourBreaker}, {"failsafe-go", failsafeBreaker},
			{"gobreaker by hand", gobreakerBreaker},
		}},
		{"timeout", traits{timeout: true}, false, goal{1.2, "floor", 6, 0}, []httpSubject{
			{"bare", bare}, {"floor", floorTimeout}, {"holdfast", ourTimeout}, {"failsafe-go", failsafeTimeout},
			{"http.Client.Timeout", clientTimeout},
		}},
		{"hedge, unfired", traits{hedge: true}, false, goal{1.3, "floor", 8, 0}, []httpSubject{
			{"bare", bare}, {"floor", floorHedge}, {"holdfast", ourHedge}, {"failsafe-go", failsafeHedge},
			{"hedgedhttp", hedgedhttpHedge},
		}},
		{"retry+breaker+timeout", traits{retry: true, breaker: true, timeout: true}, false, goal{1.25, "floor", 7, 0}, []httpSubject{
			{"bare", bare}, {"floor", floorThree}, {"holdfast", ourThree}, {"failsafe-go", failsafeThree}, {"glue", glueThree},
		}},
		{"the same + hedge", traits{retry: true, breaker: true, timeout: true, hedge: true}, false, goal{1.25, "floor", 10, 0}, []httpSubject{
			{"bare", bare}, {"floor", floorFour}, {"holdfast", ourFour}, {"failsafe-go", failsafeFour},
		}},
	}
}

func httpRows() []row {
	const group = "HTTP, over an instant transport"
	var rows []row
	for _, r := range httpTable() {
		rows = append(rows, row{group, r.name, func() []subject {
			var subjects []subject
			for _, s := range r.subjects {
				subjects = append(subjects, subject{s.who, calls(s.wrap(instant{}, idle), r.body)})
			}
			return subjects
		}, r.goal, false})
	}
	return append(rows, row{"HTTP, a GET over loopback", "Standard", func() []subject {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
		url := server.URL // it lives as long as the process
		return []subject{
			{"bare", callsTo(url, http.DefaultTransport.RoundTrip)},
			{"holdfast", callsTo(url, ourStandard(http.DefaultTransport, idle))},
		}
	}, goal{1.12, "bare", 12, 0}, true}, row{group, "Standard", func() []subject {
		return []subject{{"bare", calls(bare(instant{}, idle), false)}, {"holdfast", calls(ourStandard(instant{}, idle), false)}}
	}, goal{allocs: 12}, false})
}

// calls makes one request again and again, and reads each answer to its end.
func calls(do doer, body bool) func() {
	payload := make([]byte, 1<<10)
	req, err := http.NewRequest(http.MethodGet, "http://server.test/", nil)
	if err != nil {
		panic(err)
	}
	if body {
		req.Method, req.ContentLength = http.MethodPut, int64(len(payload))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(payload)), nil }
	}
	reader := bytes.NewReader(payload)
	once := io.NopCloser(reader)
	room := make([]byte, 64)
	return func() {
		if body {
			reader.Reset(payload)
			req.Body = once
		}
		finish(room)(do(req))
	}
}

func callsTo(url string, do doer) func() {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		panic(err)
	}
	room := make([]byte, 64)
	return func() { finish(room)(do(req)) }
}

// finish reads an answer to its end.
func finish(room []byte) func(*http.Response, error) {
	return func(resp *http.Response, err error) {
		for err == nil {
			_, err = resp.Body.Read(room)
		}
		if err != io.EOF {
			panic(err)
		}
		_ = resp.Body.Close()
	}
}

// An instant transport answers at once, with one allocation.
type instant struct{}

func (instant) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_ = req.Body.Close()
	}
	return &http.Response{StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Body: theEnd{}, ContentLength: -1, Request: req}, nil
}

// theEnd is a body that is not http.NoBody, and empty all the same.
type theEnd struct{}

func (theEnd) Read([]byte) (int, error) { return 0, io.EOF }
func (theEnd) Close() error             { return nil }
