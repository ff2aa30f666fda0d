package holdfasttest

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/holdfast-go/holdfast"
)

var errOwn = errors.New("holdfasttest: a policy's own error")

const soon = 20 * time.Millisecond

// outcomes: policies see one call with its Target and Method, and its outcome
// with the right Class.
func (d *doorCheck) outcomes() {
	for o, want := range map[Outcome]holdfast.Class{
		Answered: holdfast.Success, Failed: holdfast.Failure, Refusing: holdfast.Refused, Hanging: holdfast.Ignored,
	} {
		if !d.has(o) {
			continue
		}
		s := new(spy)
		ctx, cancel := context.WithCancel(context.Background())
		hangs := d.forever() // longer than any other outcome takes
		if o == Hanging {
			hangs = soon
		}
		timer := time.AfterFunc(hangs, cancel)
		body, err := d.call(ctx, d.client(nil, s, holdfast.PolicyFunc(nil)), o)
		timer.Stop()
		d.finish(body)
		cancel()
		if wants := o == Refusing || o == Hanging; wants && err == nil || o == Answered && err != nil {
			d.Errorf("a call that is %s returned the error %v", o, err)
		}
		if body != nil && err != nil {
			d.Errorf("a call that is %s returned a reply together with an error", o)
		}
		calls, results, _ := s.seen()
		if len(calls) != 1 || len(results) != 1 {
			d.Errorf("policies saw %d calls for one that is %s", len(calls), o)
			continue
		}
		d.described(calls[0])
		d.judged(o, results[0], want)
	}
}

// described reports what a Call fails to say.
func (d *doorCheck) described(call holdfast.Call) {
	if call.Target == "" || d.tr.Target != "" && call.Target != d.tr.Target {
		d.Errorf("the Call says Target %q, want %q", call.Target, d.tr.Target)
	}
	if call.Method == "" || d.tr.Method != "" && call.Method != d.tr.Method {
		d.Errorf("the Call says Method %q, want %q", call.Method, d.tr.Method)
	}
	if call.Attempt != 1 {
		d.Errorf("the first sending is attempt %d", call.Attempt)
	}
}

// judged reports what is wrong with a Result.
func (d *doorCheck) judged(o Outcome, res holdfast.Result, want holdfast.Class) {
	if res.Class != want {
		d.Errorf("a call that is %s was judged %v, want %v", o, res.Class, want)
	}
	if res.Code == "" {
		d.Errorf("the Result of a call that is %s has no Code", o)
	}
	if (res.Reply == nil) == (res.Err == nil) {
		d.Errorf("the Result of a call that is %s has Reply %v and Err %v, want one of them", o, res.Reply, res.Err)
	}
}

// ownTimeout: an attempt that our limit ended is a Failure, once it has had its
// time, and says "timeout".
func (d *doorCheck) ownTimeout() {
	if !d.has(Hanging) {
		return
	}
	s := new(spy)
	pauses, _ := holdfast.Pauses()
	body, err := d.call(context.Background(), d.client(limited(soon), s), Hanging)
	d.finish(body)
	if err == nil {
		d.Errorf("a call that ran out of time returned no error")
	}
	if _, results, _ := s.seen(); len(results) == 1 && (!slices.Contains(spent(pauses), results[0].Class) || results[0].Code != "timeout") {
		d.Errorf("a call that our limit ended was judged %v %q, want failure \"timeout\": ask holdfast.VerdictOf with the context of the attempt",
			results[0].Class, results[0].Code)
	}
}

// spent are the classes of an attempt that had all its time: a Failure, and where this process
// has stood still since it began, which a real clock cannot rule out, a LocalPause too.
func spent(before uint64) []holdfast.Class {
	if now, _ := holdfast.Pauses(); now != before {
		return []holdfast.Class{holdfast.Failure, holdfast.LocalPause}
	}
	return []holdfast.Class{holdfast.Failure}
}

// readToEnd: a reply ends when it was read to its end, or is over when it is there.
func (d *doorCheck) readToEnd() {
	for _, o := range []Outcome{Answered, Failed} {
		if !d.has(o) {
			continue
		}
		s := new(spy)
		body, err := d.call(context.Background(), d.client(s), o)
		if o == Answered && err != nil {
			d.Errorf("a call that is %s returned the error %v", o, err)
			continue
		}
		if body == nil && s.done() == 0 {
			d.Errorf("a call that is %s returned with nothing to be read, and its hook had not run", o)
		}
		var n int64
		if body != nil {
			d.must("reading", func() { n, err = io.Copy(io.Discard, body) })
			if err != nil || n == 0 && o == Answered {
				d.Errorf("a reply that is %s gave %d bytes and the error %v", o, n, err)
			}
			if waited, arrived := s.progressed(); n > 0 && (!waited || !arrived) {
				d.Errorf("watchers were not told that the reader waits (%v) and that something arrived (%v): call Progress", waited, arrived)
			}
			if !d.settle(func() bool { return s.done() > 0 }) {
				d.Errorf("a reply that was read to its end has not run its hook before Close")
			}
			d.must("Close", func() { _ = body.Close() })
			d.must("Close, again", func() { _ = body.Close() })
		}
		want := holdfast.Success
		if o == Failed {
			want = holdfast.Failure
		}
		_, results, _ := s.seen()
		d.ended(s, "read to its end", len(results) == 1 && results[0].Err != nil, want)
	}
}

// stalled is a reply that does not go on after its first byte, which was read; nil where the
// transport has none.
func (d *doorCheck) stalled(ctx context.Context, s *spy) io.ReadCloser {
	if !d.has(Stalling) {
		return nil
	}
	body, err := d.call(ctx, d.client(s), Stalling)
	if err != nil || body == nil {
		d.Errorf("a call that is %s returned %v, %v", Stalling, body, err)
		return nil
	}
	d.first(body)
	return body
}

// closedEarly: a reply that its reader closes has ended well.
func (d *doorCheck) closedEarly() {
	s := new(spy)
	body := d.stalled(context.Background(), s)
	if body == nil {
		return
	}
	if s.done() != 0 {
		d.Errorf("hooks ran while the reply was being read")
	}
	d.must("Close", func() { _ = body.Close() })
	if d.tr.CloseCancels {
		d.ended(s, "closed early", true, holdfast.Ignored)
	} else {
		d.ended(s, "closed early", false, holdfast.Success)
	}
}

// cancelledReading: a caller's cancel says nothing about the server.
func (d *doorCheck) cancelledReading() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := new(spy)
	body := d.stalled(ctx, s)
	if body == nil {
		return
	}
	timer := time.AfterFunc(soon, cancel)
	defer timer.Stop()
	d.readError(body, "cancelled")
	d.ended(s, "cancelled", true, holdfast.Ignored)
	d.must("Close", func() { _ = body.Close() })
	d.ended(s, "cancelled and then closed", true, holdfast.Ignored)
}

// cancelledThenClosed: nor does one that comes while nobody reads, though Close is what ends
// the reply.
func (d *doorCheck) cancelledThenClosed() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s := new(spy)
	body := d.stalled(ctx, s)
	if body == nil {
		return
	}
	cancel()
	d.must("Close", func() { _ = body.Close() })
	d.ended(s, "closed after a cancel", true, holdfast.Ignored)
}

// readError reads on and reports unless that ends in an error, at once in a bubble.
func (d *doorCheck) readError(body io.ReadCloser, how string) {
	d.Helper()
	var err error
	end := d.must("reading", func() { _, err = io.Copy(io.Discard, body) })
	if end.stuck {
		_ = body.Close() // which may free the reader
		return
	}
	if err == nil {
		d.Errorf("a reply that was %s was read to its end without an error", how)
	}
	if !d.real && end.returned && end.took > soon {
		d.Errorf("a reply that was %s after %v told its reader after %v", how, soon, end.took)
	}
}

// timedOutReading: a reply that our limit ends is what holdfast.VerdictOf says.
func (d *doorCheck) timedOutReading() {
	if !d.has(Stalling) {
		return
	}
	s := new(spy)
	pauses, _ := holdfast.Pauses()
	body, err := d.call(context.Background(), d.client(limited(soon), s), Stalling)
	if err != nil || body == nil {
		if !d.real { // a real server may be slower than our limit
			d.Errorf("a call that is %s returned %v, %v", Stalling, body, err)
		}
		return
	}
	d.readError(body, "cut by a time limit")
	d.ended(s, "cut by a time limit", true, spent(pauses)...)
	d.finish(body)
}

// truncated: a reply that breaks off is a Failure and gives its reader an error.
func (d *doorCheck) truncated() {
	if !d.has(Truncated) {
		return
	}
	s := new(spy)
	body, err := d.call(context.Background(), d.client(s), Truncated)
	if err != nil || body == nil {
		d.Errorf("a call that is %s returned %v, %v", Truncated, body, err)
		return
	}
	d.must("reading", func() { _, err = io.Copy(io.Discard, body) })
	if err == nil {
		d.Errorf("a reply that breaks off was read without an error")
	}
	d.must("Close", func() { _ = body.Close() })
	d.ended(s, "broken off", true, holdfast.Failure)
}
