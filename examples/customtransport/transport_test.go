package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/retry"
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

// A full is a connection that takes half of what is written, and breaks.
type full struct{ net.Conn }

func (c full) Write(p []byte) (int, error) {
	n, _ := c.Conn.Write(p[:len(p)/2])
	_ = c.Close()
	return n, &net.OpError{Op: "write", Err: syscall.ECONNRESET}
}

// Half a request is none: whatever it is, it may be sent again.
func TestAnUnwrittenRequestIsRefused(t *testing.T) {
	on(t, func(t *site) {
		executed, seen := 0, new(spy)
		server := t.serve(func(context.Context, int, io.Writer) error { executed++; return nil })
		c := t.client(server.Addr(), retry.New(retry.Options{Base: -1}), seen)
		dial := c.conns.dial
		c.conns.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dial(ctx, network, addr)
			if len(seen.results) == 0 {
				return full{nc}, err
			}
			return nc, err
		}
		_, err := ask(c, Request{Method: "put"})
		if first := seen.results[0]; err != nil || executed != 1 || first.Class != holdfast.Refused || first.Code != holdfast.CodeReset {
			t.Errorf("%v, executed %d times, the first attempt was %v %s", err, executed, first.Class, first.Code)
		}
	})
}

// A request that went out into a kept connection may have been acted upon, though the server
// had closed it meanwhile, as far as anybody can tell: what is not Repeatable is sent once.
func TestWhatIsNotRepeatableIsExecutedOnce(t *testing.T) {
	for repeatable, want := range map[bool]int32{false: 1, true: 2} {
		on(t, func(t *site) {
			var executed atomic.Int32
			server := t.serve(func(_ context.Context, before int, w io.Writer) error {
				if before == 0 {
					return says("hello")(context.Background(), 0, w)
				}
				if executed.Add(1) == 1 {
					return errBroken
				}
				return nil
			})
			c := t.client(server.Addr(), retry.New(retry.Options{Base: -1}))
			if _, err := ask(c, get); err != nil {
				t.Fatal(err)
			}
			_, err := ask(c, Request{Method: "put", Repeatable: repeatable})
			if got := executed.Load(); got != want || repeatable != (err == nil) {
				t.Errorf("repeatable %v: executed %d times, want %d: %v", repeatable, got, want, err)
			}
		})
	}
}

// A connection whose answer was read to its end, or has nothing to read, serves the next request; one whose answer
// nobody reads is closed, which the server sees.
func TestConnectionsAreKeptOrClosed(t *testing.T) {
	on(t, func(t *site) {
		var gone atomic.Int32
		server := t.serve(func(ctx context.Context, before int, w io.Writer) error {
			switch before {
			case 0:
				return &StatusError{Status: NotFound}
			case 1, 2:
				return says("short")(ctx, before, w)
			}
			_, _ = io.WriteString(w, "begun")
			<-ctx.Done()
			gone.Add(1)
			return ctx.Err()
		})
		c := t.client(server.Addr())
		dials, dial := 0, c.conns.dial
		c.conns.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials++
			return dial(ctx, network, addr)
		}
		if _, err := ask(c, get); !errors.As(err, new(*StatusError)) {
			t.Error(err)
		}
		for range 2 {
			if got, err := ask(c, get); got != "short" || err != nil {
				t.Fatal(got, err)
			}
		}
		answer, err := c.Ask(t.Context(), get)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Close()
		synctest.Wait()
		if dials != 1 || gone.Load() != 1 || len(c.conns.idle) != 0 {
			t.Errorf("%d dials, %d clients gone, %d connections kept", dials, gone.Load(), len(c.conns.idle))
		}
	})
}

// An answer that is closed when its caller has gone ends as that, and not well.
func TestClosingAfterACancelIsNoSuccess(t *testing.T) {
	on(t, func(t *site) {
		seen := new(spy)
		server := t.serve(func(ctx context.Context, _ int, w io.Writer) error {
			_, _ = io.WriteString(w, "begun")
			<-ctx.Done()
			return ctx.Err()
		})
		ctx, cancel := context.WithCancel(t.Context())
		answer, err := t.client(server.Addr(), seen).Ask(ctx, get)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		_ = answer.Close()
		if len(seen.ends) != 1 || seen.ends[0].Class != holdfast.Ignored || !errors.Is(seen.ends[0].Err, context.Canceled) {
			t.Errorf("it ended as %+v", seen.ends)
		}
	})
}

// A late is a connection whose caller goes as the answer arrives.
type late struct {
	net.Conn
	leave func()
}

func (c late) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.leave()
	return n, err
}

// An answer that begins as its context ends cannot be read: policies must not take it for one.
func TestAnAnswerThatComesTooLateIsNone(t *testing.T) {
	on(t, func(t *site) {
		ctx, cancel := context.WithCancel(t.Context())
		seen := new(spy)
		c := t.client(t.serve(says("x")).Addr(), seen)
		dial := c.conns.dial
		c.conns.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dial(ctx, network, addr)
			return late{nc, cancel}, err
		}
		if _, err := c.Ask(ctx, get); !errors.Is(err, context.Canceled) || seen.last() != "ignored cancelled 0s" {
			t.Errorf("%v, %s", err, seen.last())
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

// A frame says how long it is, and is not believed beyond what a frame may have.
func TestAFrameHasABound(t *testing.T) {
	b := frame{1, goesOn, nil}.bytes()
	binary.BigEndian.PutUint32(b, maxFrame+1)
	if _, err := readFrame(bufio.NewReader(strings.NewReader(string(b)))); !errors.Is(err, errProtocol) {
		t.Error(err)
	}
	if _, err := readFrame(bufio.NewReader(strings.NewReader(strings.Repeat("x", header-1)))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
}
