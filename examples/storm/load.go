package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
)

// An arrival is one call of the schedule: both clients make it at the same time.
type arrival struct {
	at   time.Duration // after the start of the storm
	id   int
	post bool // a POST with an Idempotency-Key; else a GET
}

// postShare is the part of calls that are POSTs.
const postShare = 0.1

// schedule draws a Poisson process: calls come at rate per second on average, and
// independently of each other and of the answers, as those of many users do. The
// same seed gives the same schedule.
func schedule(seed uint64, rate float64, d time.Duration) []arrival {
	r := rand.New(rand.NewPCG(seed, 0x5702))
	var list []arrival
	for at := 0.0; ; {
		at += r.ExpFloat64() / rate
		if at >= d.Seconds() {
			return list
		}
		list = append(list, arrival{
			at:   time.Duration(at * float64(time.Second)),
			id:   len(list),
			post: r.Float64() < postShare,
		})
	}
}

// A contest is the traffic of one storm: each client makes each arrival's call.
type contest struct {
	phases   []phase
	arrivals []arrival
	clients  []*client
	samples  [][]sample // of each client, one per arrival
	live     *live
}

func newContest(phases []phase, arrivals []arrival, clients []*client) *contest {
	c := &contest{phases: phases, arrivals: arrivals, clients: clients, live: newLive(len(clients), len(phases))}
	for range clients {
		c.samples = append(c.samples, make([]sample, len(arrivals)))
	}
	return c
}

// run sends the traffic, open loop: a call goes out when it is due, however many
// are still under way, up to inFlight for each client. It returns when all that
// was sent has ended, and how many arrivals came before ctx ended.
func (c *contest) run(ctx context.Context, start time.Time, inFlight int) (sent int) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make([]chan struct{}, len(c.clients))
	for i := range slots {
		slots[i] = make(chan struct{}, inFlight)
	}
	for n, a := range c.arrivals {
		if !waitUntil(ctx, start.Add(a.at)) {
			return n
		}
		for i, client := range c.clients {
			s := &c.samples[i][n]
			s.phase, s.due = phaseAt(c.phases, a.at), a.at
			select {
			case slots[i] <- struct{}{}:
			default: // the storm has more open than this process should hold
				s.why = "not sent"
				c.live.count(i, s)
				continue
			}
			wg.Go(func() {
				defer func() { <-slots[i] }()
				due := start.Add(a.at)
				s.late = time.Since(due)
				s.why = client.call(a, s)
				s.sent, s.ok = true, s.why == ""
				s.took = time.Since(due) // waiting to be sent is waiting
				c.live.count(i, s)
			})
		}
	}
	return len(c.arrivals)
}

// send makes one call over HTTP and returns why it failed, or "". A call that the
// user stops the storm in ends by itself, within its patience.
func send(h *http.Client, a arrival, s *sample, deeds *deeds) (why string) {
	req, payload, err := request(a)
	if err != nil {
		return "bad request"
	}
	resp, err := h.Do(req.WithContext(withSample(req.Context(), s)))
	if err != nil {
		return reason(err)
	}
	want := content(a.id, payload)
	got, err := io.ReadAll(io.LimitReader(resp.Body, int64(len(want))+1))
	_ = resp.Body.Close() // read to its end, or of no more use
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Sprint(resp.StatusCode)
	case err != nil:
		deeds.cut(s, err)
		return reason(err)
	case !bytes.Equal(got, want):
		return "wrong answer"
	}
	return ""
}

func request(a arrival) (*http.Request, []byte, error) {
	url := fmt.Sprintf("http://%s/items/%d", target, a.id)
	if !a.post {
		req, err := http.NewRequest(http.MethodGet, url, http.NoBody)
		return req, nil, err
	}
	payload := fmt.Appendf(nil, "order %d", a.id)
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(payload))
	if err == nil {
		req.Header.Set("Idempotency-Key", fmt.Sprintf("%q", fmt.Sprint("storm-", a.id)))
	}
	return req, payload, err
}

// circuitOpen is the reason of a call that the breaker rejected.
const circuitOpen = "circuit open"

// reason names an error in a word or two.
func reason(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timed out"
	case errors.Is(err, breaker.ErrOpen):
		return circuitOpen
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	}
	return "broke off"
}
