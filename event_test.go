package holdfast_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// What an event has to say is a group of what is not zero. The error is left out, and so is
// what a log has a place of its own for.
func TestAnEventIsAGroupOfWhatIsKnown(t *testing.T) {
	whole := holdfast.Event{
		Kind: "k", Level: slog.LevelWarn, Policy: "p", Target: "t", Method: "m", Endpoint: "e", Attempt: 2, Class: holdfast.Failure, Code: "503",
		From: "closed", To: "open", Reason: "consecutive_failures", Detail: "5 failures in a row", Wait: time.Second, Err: errors.New("http://me:secret@host/"),
		Attrs: []slog.Attr{slog.Int("added", 0), slog.Bool("hedge", true)},
	}
	for want, e := range map[string]holdfast.Event{
		"[policy=p target=t method=m endpoint=e attempt=2 class=failure code=503 from=closed to=open reason=consecutive_failures detail=5 failures in a row wait=1s added=0 hedge=true]": whole,
		"[attempt=1]":  {Kind: "k", Attempt: 1, Err: errors.New("x")},
		"[]":           {},
		"[hedge=true]": {Attrs: whole.Attrs[1:]},
	} {
		if got := slog.AnyValue(e).Resolve().String(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
	}
	whole.LogValue().Group()[12] = slog.String("x", "y") // who changes the group changes no event
	if !whole.Attrs[0].Equal(slog.Int("added", 0)) {
		t.Errorf("%v", whole.Attrs)
	}
}

// An event is told by value: neither telling nor listening allocates.
func TestTellingAllocatesNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates by itself")
	}
	record, heard := new(holdfast.Record), 0
	call := &holdfast.Call{Record: record, Target: "t", Method: "m", Attempt: 1}
	for range 3 {
		record.Listen(holdfast.NewListener(func(_ context.Context, e holdfast.Event) {
			if e.Kind != "" && e.Policy != "" && e.Target == "t" && e.Method == "m" {
				heard++
			}
		}))
	}
	err := errors.New("full")
	if n := testing.AllocsPerRun(100, func() {
		call.Tell(t.Context(), holdfast.Event{Kind: "k", Policy: "p", Target: "t", Method: "m", Attempt: 1, Err: err})
		call.Reject(t.Context(), holdfast.Event{Policy: "p", Code: "full", Reason: "full", Err: err})
	}); n != 0 || heard < 600 {
		t.Errorf("%v allocations, heard %d times", n, heard)
	}
}

// What the transport has sent by itself is told of its attempt.
func TestAReplayIsTold(t *testing.T) {
	record := new(holdfast.Record)
	call := &holdfast.Call{Record: record, Target: "t", Method: "m", Attempt: 2}
	call.Replayed(t.Context()) // to nobody
	var told []holdfast.Event
	record.Listen(holdfast.NewListener(func(_ context.Context, e holdfast.Event) { told = append(told, e) }))
	call.Replayed(t.Context())
	if len(told) != 1 || told[0].Kind != "replay" || told[0].Level != slog.LevelDebug || told[0].Policy != "transport" || told[0].Target != "t" || told[0].Method != "m" || told[0].Attempt != 2 {
		t.Errorf("%+v", told)
	}
}
