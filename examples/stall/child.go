package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/limit"
)

// childFlag has this program be a client. An order follows it.
const childFlag = "-be-a-client"

// ready is the line that a client prints as it begins.
const ready = "ready\n"

// An order says what a client is to do.
type order struct {
	Client  string
	Nodes   []string
	LastsMS int64
	First   uint64 // the number of the first item

	Terms     terms
	UntilOpen bool // it may end when a circuit has opened
}

// An outcome is what one client came to, or several together.
type outcome struct {
	Client      string         `json:"client"`
	Runs        int            `json:"runs"`
	Calls       int            `json:"calls"`
	OK          int            `json:"ok"`
	Attempts    int            `json:"attempts"` // at the transport
	Failed      map[string]int `json:"failed,omitempty"`
	Examples    []string       `json:"examples,omitempty"` // of errors
	Opened      int            `json:"circuits_opened"`
	Ejected     int            `json:"nodes_ejected"`
	Spared      int            `json:"nodes_spared"`       // would have been ejected if fewer had been
	Outcomes    map[string]int `json:"outcomes,omitempty"` // of attempts: class/code
	Excused     int            `json:"excused"`            // attempts of class local_pause
	Blamed      int            `json:"blamed"`             // attempts that are their server's failure
	Hedges      int            `json:"hedges"`
	Repeats     int            `json:"repeats"`
	Stops       map[string]int `json:"stops,omitempty"` // why calls were given up
	Changes     []string       `json:"changes,omitempty"`
	Pauses      int            `json:"pauses"`
	StoodMS     float64        `json:"stood_ms"`
	LastedMS    float64        `json:"lasted_ms"`
	CPUMS       float64        `json:"cpu_ms"`
	P50         float64        `json:"p50_ms"` // of successes
	P99         float64        `json:"p99_ms"`
	FirstOpened int64          `json:"first_opened,omitempty"` // by the child's clock, in ms since 1970
	OpenedAfter []float64      `json:"opened_after,omitempty"` // ms since the servers hung
	Times       []int32        `json:"times_100us,omitempty"`  // that successes took; not in the report
}

// child is a client. It returns the exit status.
func child(text string, stdout, stderr io.Writer) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		complain(stderr, fmt.Errorf("the order: %w", err))
		return 2
	}
	c, err := newClient(o.Client, o.Nodes, o.Terms)
	if err != nil {
		complain(stderr, err)
		return 1
	}
	defer c.close()
	if _, err = io.WriteString(stdout, ready); err == nil {
		err = json.NewEncoder(stdout).Encode(c.load(o))
	}
	if err != nil {
		complain(stderr, err)
		return 1
	}
	return 0
}

// pace is the least time from one call of a worker to its next, so that calls which
// are rejected at once do not come faster than others.
const pace = 20 * time.Millisecond

// maxExamples bounds the errors that are kept.
const maxExamples = 12

// load makes calls, each worker its next one when its last has ended: a closed loop.
// An open one would have to make up for the calls that were due while the process
// stood still, or leave them out.
func (c *client) load(o order) outcome {
	var (
		wg   sync.WaitGroup
		mu   sync.Mutex
		next atomic.Uint64
		out  = outcome{Client: o.Client, Runs: 1, Failed: map[string]int{}}
	)
	next.Store(o.First)
	start := time.Now()
	end := start.Add(time.Duration(o.LastsMS) * time.Millisecond)
	for range atOnce {
		wg.Go(func() {
			for begun := time.Now(); begun.Before(end) && !(o.UntilOpen && c.deeds.open()); begun = time.Now() {
				err := c.call(next.Add(1))
				took := time.Since(begun)
				mu.Lock()
				out.Calls++
				if err == nil {
					out.OK++
					out.Times = append(out.Times, int32(took/(100*time.Microsecond)))
				} else {
					out.failed(err)
				}
				mu.Unlock()
				time.Sleep(time.Until(begun.Add(pace)))
			}
		})
	}
	wg.Wait()
	out.LastedMS = float64(time.Since(start)) / 1e6
	out.Attempts = int(c.attempts.Load())
	n, stood := holdfast.Pauses()
	out.Pauses, out.StoodMS = int(n), float64(stood)/1e6 //nolint:gosec // a count
	c.deeds.tell(&out)
	return out
}

func (o *outcome) failed(err error) {
	why := reason(err)
	if o.Failed[why]++; o.Failed[why] <= 3 && len(o.Examples) < maxExamples {
		o.Examples = append(o.Examples, err.Error())
	}
}

// open reports whether a circuit has opened.
func (d *deeds) open() bool { return d != nil && d.firstOpened.Load() != 0 }

// tell enters what the policies did; d may be nil.
func (d *deeds) tell(out *outcome) {
	if d == nil {
		return
	}
	out.Opened, out.Ejected, out.Spared = int(d.opened.Load()), int(d.ejected.Load()), int(d.spared.Load())
	out.Hedges, out.Repeats, out.FirstOpened = int(d.hedges.Load()), int(d.repeats.Load()), d.firstOpened.Load()
	d.mu.Lock()
	defer d.mu.Unlock()
	out.Outcomes, out.Stops, out.Changes = maps.Clone(d.outcomes), maps.Clone(d.stops), d.changes
	for what, n := range d.outcomes {
		switch class, _, _ := strings.Cut(what, "/"); class {
		case holdfast.LocalPause.String():
			out.Excused += n
		case holdfast.Failure.String(), holdfast.Refused.String():
			out.Blamed += n
		}
	}
}

// call makes one call.
func (c *client) call(id uint64) error {
	ctx, cancel := context.WithTimeout(context.Background(), c.terms.Deadline)
	defer cancel()
	method := http.MethodGet
	if c.terms.Post {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, method, fmt.Sprintf("http://%s/items/%d", target, id), http.NoBody)
	if err != nil {
		return err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	want := content(id)
	got, err := io.ReadAll(io.LimitReader(resp.Body, int64(len(want))+1))
	_ = resp.Body.Close() // read to its end, or of no more use
	switch {
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%w: %d", errStatus, resp.StatusCode)
	case err != nil:
		return fmt.Errorf("the body: %w", err)
	case !bytes.Equal(got, want):
		return errWrong
	}
	return nil
}

var (
	errStatus = errors.New("status")
	errWrong  = errors.New("wrong answer")
)

// reason names an error in a few words.
func reason(err error) string {
	switch limited := (*holdfast.TimeoutError)(nil); {
	case errors.Is(err, breaker.ErrOpen):
		return "circuit open"
	case errors.Is(err, limit.ErrLimited):
		return "limited"
	case errors.As(err, &limited):
		return "limit of the " + limited.Scope
	case errors.Is(err, context.DeadlineExceeded):
		return "deadline"
	case errors.Is(err, errStatus), errors.Is(err, errWrong):
		return err.Error()
	}
	return gist(err.Error())
}

var numbers = regexp.MustCompile(`[0-9][0-9.:µnm]*s?`)

// gist takes the numbers out of a text, so that texts can be counted.
func gist(text string) string { return numbers.ReplaceAllString(text, "N") }
