package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
)

// A spy notes what policies see.
type spy struct {
	results []holdfast.Result
	ends    []holdfast.End
}

func (s *spy) Wrap(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res := next(call.WithHeader(ctx, "attempt", fmt.Sprint(call.Attempt)), call)
		s.results = append(s.results, res)
		res.OnDone(s, 0)
		return res
	}
}

func (s *spy) Done(_ uint64, end holdfast.End) { s.ends = append(s.ends, end) }

// last is what the latest attempt was judged.
func (s *spy) last() string {
	r := s.results[len(s.results)-1]
	return fmt.Sprintf("%v %s %v", r.Class, r.Code, r.After)
}

func TestEachOutcomeHasItsVerdict(t *testing.T) {
	status := func(s Status) func(context.Context, int, io.Writer) error {
		return func(context.Context, int, io.Writer) error { return &StatusError{s, time.Second, "so it is"} }
	}
	for want, answer := range map[string]func(context.Context, int, io.Writer) error{
		"success ok 0s":        says("x"),
		"success not_found 1s": status(NotFound),
		"failure failed 1s":    status(Failed),
		"overload busy 1s":     status(Busy),
		"refused draining 1s":  status(Draining),
		"failure other -1ns":   status(77),
		"failure eof 0s":       func(context.Context, int, io.Writer) error { return errBroken },
		"failure protocol -1ns": func(_ context.Context, _ int, w io.Writer) error {
			_, err := w.(*answering).w.Write(frame{99, begins, nil}.bytes()) // of another request
			return err
		},
	} {
		on(t, func(t *site) {
			seen := new(spy)
			_, err := ask(t.client(t.serve(answer).Addr(), seen), get)
			if seen.last() != want || (err == nil) != (want == "success ok 0s") {
				t.Errorf("%s, want %s: %v", seen.last(), want, err)
			}
		})
	}
}

// What is this process's own doing counts against no server.
func TestOwnErrorsAreLocal(t *testing.T) {
	on(t, func(t *site) {
		seen := new(spy)
		c := t.client("a:1", seen)
		if _, err := ask(c, Request{Method: "put", Body: make([]byte, maxFrame)}); err == nil || seen.last() != "local_fault request 0s" {
			t.Errorf("too long: %v, %s", err, seen.last())
		}
		c.conns.dial = func(context.Context, string, string) (net.Conn, error) {
			return nil, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}
		}
		if _, err := ask(c, get); err == nil || seen.last() != "local_shortage exhausted 0s" {
			t.Errorf("no file descriptor: %v, %s", err, seen.last())
		}
	})
}

// A function that returns the error of a request it has made is judged as the request was.
func TestARequestWithinADoIsJudgedAlike(t *testing.T) {
	on(t, func(t *site) {
		server := t.serve(func(context.Context, int, io.Writer) error { return &StatusError{Status: Busy} })
		c, seen := t.client(server.Addr()), new(spy)
		_, err := holdfast.Do(t.Context(), holdfast.Chain(seen), holdfast.Call{Target: "outer"}, func(ctx context.Context) (io.ReadCloser, error) {
			return c.Ask(ctx, get)
		})
		if seen.last() != "overload busy 0s" {
			t.Errorf("%v: %s", err, seen.last())
		}
	})
}

// Headers of policies are those of one attempt, and the caller's map stays as it is.
func TestHeadersOfPoliciesAreSent(t *testing.T) {
	on(t, func(t *site) {
		l, err := t.Listen("")
		if err != nil {
			t.Fatal(err)
		}
		server := Serve(l, func(_ context.Context, req Request, w io.Writer) error {
			_, err := fmt.Fprint(w, req.Headers["attempt"], req.Headers["own"])
			return err
		})
		t.Cleanup(server.Close)
		own := map[string]string{"own": "x"}
		if got, err := ask(t.client(server.Addr(), new(spy)), Request{Method: "get", Headers: own}); got != "1x" || err != nil || len(own) != 1 {
			t.Errorf("%q, %v, and the caller's are %v", got, err, own)
		}
	})
}
