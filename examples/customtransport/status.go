package main

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A Status is how a server answers.
type Status byte

// The statuses of the protocol.
const (
	OK       Status = iota // the answer follows
	NotFound               // there is no such thing
	Failed                 // the server failed, and may have done some of the work
	Busy                   // it asks for less, and says when to come back
	Draining               // it is about to stop, and has not begun
)

// A StatusError is an answer that is not OK.
type StatusError struct {
	Status Status
	Wait   time.Duration // the server's wish
	Text   string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%s: %s", tabled(e.Status).code, e.Text) }

// A meaning is what a Status says to policies.
type meaning struct {
	class holdfast.Class
	code  holdfast.Code // few values, for metrics: never a text of the server's
	after time.Duration // -1: a repeat would find the same
}

// meanings is the one table of statuses. That there is no such thing is a Success: the server
// is well and has answered, though the caller gets an error. Draining may be Refused, since the
// server's word is that it has not begun; only then may what is not Repeatable be sent again.
var meanings = [...]meaning{
	OK:       {holdfast.Success, holdfast.CodeOK, 0},
	NotFound: {holdfast.Success, "not_found", 0},
	Failed:   {holdfast.Failure, "failed", 0},
	Busy:     {holdfast.Overload, "busy", 0},
	Draining: {holdfast.Refused, "draining", 0},
}

// tabled looks a Status up. A newer server may have more of them.
func tabled(s Status) meaning {
	if int(s) < len(meanings) {
		return meanings[s]
	}
	return meaning{holdfast.Failure, "other", -1}
}

// result is what an answer that is not OK comes to. It is over when it is there, so there is
// no Reply.
func (e *StatusError) result() holdfast.Result {
	m := tabled(e.Status)
	if e.Wait > 0 && m.after == 0 {
		m.after = e.Wait
	}
	return holdfast.Result{Err: e, Class: m.class, Code: m.code, After: m.after}
}

func (e *StatusError) payload() []byte {
	b := binary.BigEndian.AppendUint32([]byte{byte(e.Status)}, uint32(e.Wait.Milliseconds()))
	return append(b, e.Text...)
}

// statusOf reads the payload of a status; nil, false: it is none.
func statusOf(payload []byte) (*StatusError, bool) {
	if len(payload) < 5 {
		return nil, false
	}
	wait := time.Duration(binary.BigEndian.Uint32(payload[1:])) * time.Millisecond
	return &StatusError{Status(payload[0]), wait, string(payload[5:])}, true
}
