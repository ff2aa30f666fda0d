package httpclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A producer is a caller's body that brings its bytes in pieces, and may fail.
type producer struct {
	left   []byte
	piece  int
	end    error // what comes after the last piece; nil: io.EOF
	pause  time.Duration
	closes int
}

func (p *producer) Read(b []byte) (int, error) {
	time.Sleep(p.pause)
	if len(p.left) == 0 {
		if p.end != nil {
			return 0, p.end
		}
		return 0, io.EOF
	}
	n := copy(b, p.left[:min(p.piece, len(p.left))])
	p.left = p.left[n:]
	return n, nil
}

func (p *producer) Close() error { p.closes++; return nil }

// An attempt that is given up while the caller's body has nothing to bring is let
// go at once, and what the body brings later goes to the next attempt.
func TestAnAttemptIsLetGoWhileTheBodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &producer{left: []byte("later"), piece: 10, pause: time.Hour}
		k := keep(src, 100, -1)
		first, _ := k.next(t.Context())
		time.AfterFunc(time.Second, func() { _ = first.Close() })
		start := time.Now()
		if _, err := first.Read(make([]byte, 10)); !errors.Is(err, errBodyClosed) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v, want to be let go at the close", err, time.Since(start))
		}
		second, _ := k.next(t.Context())
		if b, err := io.ReadAll(second); string(b) != "later" || err != nil {
			t.Errorf("the next attempt got %q, %v", b, err)
		}
		_ = second.Close()
		if src.closes != 0 {
			t.Error("closed while another attempt may come")
		}
		k.release()
		if src.closes != 1 {
			t.Errorf("closed %d times, want once", src.closes)
		}
	})
}

// Once the call is over, giving up its last attempt closes the caller's body, even
// while it is being read: that is what ends the reading, as it does without us.
func TestTheLastAttemptClosesABodyThatIsBeingRead(t *testing.T) {
	r, w := io.Pipe()
	k := keep(r, 100, -1)
	rc, _ := k.next(t.Context())
	k.release()
	read := make(chan error)
	go func() { _, err := rc.Read(make([]byte, 1)); read <- err }()
	_ = rc.Close()
	<-read
	if _, err := w.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("the writer learned %v", err)
	}
}

// FuzzKept: whatever attempts read, and when they stop, each gets the bytes of
// the body from its start, or the error that says why not, and the body is closed
// once, when all is over.
func FuzzKept(f *testing.F) {
	f.Add(uint16(100), uint16(50), uint8(7), false, []byte{1, 200, 2, 255, 3, 0})
	f.Add(uint16(1000), uint16(2000), uint8(100), true, []byte{255, 255, 255})
	f.Add(uint16(40_000), uint16(65_535), uint8(255), false, []byte{9, 9, 0, 200, 100, 1, 1, 1})
	f.Fuzz(func(t *testing.T, size, limit uint16, piece uint8, fails bool, script []byte) {
		payload := bytes.Repeat([]byte("abcdefghijklmnopqrstuvwxyz"), int(size)/26+1)[:size]
		src := &producer{left: payload, piece: int(piece) + 1}
		boom := errors.New("boom")
		if fails {
			src.end = boom
		}
		k := keep(src, int(limit), -1)
		type attempt struct {
			rc     io.ReadCloser
			got    []byte
			err    error
			closed bool
		}
		var all []*attempt
		for i, op := range script[:min(len(script), 64)] {
			if i == 0 || op < 30 {
				rc, err := k.next(t.Context())
				if err != nil {
					if !errors.Is(err, errNotKept) || k.again() || int(k.total) <= int(limit) {
						t.Fatalf("an attempt was refused with %d of %d bytes read: %v", k.total, limit, err)
					}
					continue
				}
				all = append(all, &attempt{rc: rc})
				continue
			}
			a := all[int(op)%len(all)]
			if op > 240 {
				_ = a.rc.Close()
				_ = a.rc.Close() // closing twice is once
				a.closed = true
				continue
			}
			buf := make([]byte, int(op)*40)
			n, err := a.rc.Read(buf)
			a.got = append(a.got, buf[:n]...)
			if a.closed && !errors.Is(err, errBodyClosed) {
				t.Fatalf("a closed attempt read %d bytes, %v", n, err)
			}
			if !bytes.HasPrefix(payload, a.got) {
				t.Fatalf("an attempt got %q, which is not how the body begins", a.got)
			}
			if a.err = err; err == io.EOF && (len(a.got) != len(payload) || fails) {
				t.Fatalf("the end after %d of %d bytes", len(a.got), len(payload))
			}
			if errors.Is(err, boom) && len(a.got) != len(payload) {
				t.Fatalf("the body's error after %d of %d bytes", len(a.got), len(payload))
			}
			older := all[:slices.Index(all, a)]
			if errors.Is(err, errNotKept) && k.again() && !slices.ContainsFunc(older, func(o *attempt) bool { return !o.closed }) {
				t.Fatal("an attempt was told that the body is lost, and neither is it, nor does an older one need it")
			}
			if len(k.bytes) > int(limit) {
				t.Fatalf("%d bytes kept, want %d at most", len(k.bytes), limit)
			}
		}
		if src.closes != 0 {
			t.Fatal("closed before its time")
		}
		k.release()
		for _, a := range all {
			_ = a.rc.Close()
		}
		if src.closes != 1 {
			t.Fatalf("closed %d times", src.closes)
		}
	})
}

func TestIdempotentMethods(t *testing.T) {
	for _, method := range strings.Fields("GET HEAD OPTIONS TRACE PUT DELETE QUERY") {
		if !idempotent(&http.Request{Method: method}) {
			t.Errorf("%s is idempotent", method)
		}
	}
	for _, method := range strings.Fields("POST PATCH CONNECT PURGE get query") {
		if idempotent(&http.Request{Method: method}) {
			t.Errorf("%s is not known to be idempotent", method)
		}
	}
	if !idempotent(&http.Request{}) {
		t.Error("no method is GET")
	}
}

// Of a body that is too long to be kept an attempt has no more than what is kept, as long as an
// older one is under way that has not read it, such as a hedge whose first attempt still dials. The
// older one has all of it.
func TestAnAttemptTakesNothingFromAnOlderOne(t *testing.T) {
	payload := "0123456789abcdefghij"
	for name, c := range map[string]struct {
		limit  int
		size   int // of the body
		known  bool
		before func(first upload, leave func()) // what has become of the older attempt
		again  bool                             // may another one be sent beside it?
		newer  error
	}{
		"it is long":                    {limit: 10, size: 20, again: true, newer: errNotKept},
		"it is known to be long":        {limit: 10, size: 20, known: true, newer: errNotKept},
		"nothing is kept":               {limit: -1, size: 20, newer: errNotKept},
		"it fits":                       {limit: 20, size: 10, again: true},
		"it fits to a hair, as said":    {limit: 10, size: 10, known: true, again: true},
		"the older one is closed":       {limit: 10, size: 20, known: true, again: true, before: func(first upload, _ func()) { _ = first.Close() }},
		"the older one has an answer":   {limit: 10, size: 20, known: true, again: true, before: func(first upload, _ func()) { first.hold() }},
		"the older one was called back": {limit: 10, size: 20, known: true, again: true, before: func(_ upload, leave func()) { leave() }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				want := int64(-1)
				if c.known {
					want = int64(c.size)
				}
				k := keep(&producer{left: []byte(payload[:c.size]), piece: 3}, c.limit, want)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				first, _ := k.next(ctx)
				if c.before != nil {
					c.before(first, cancel)
				}
				if got := k.again(); got != c.again {
					t.Errorf("may another one be sent: %v", got)
				}
				second, err := k.next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(second)
				if c.newer != nil {
					if !errors.Is(err, c.newer) || len(b) != max(c.limit, 0) {
						t.Errorf("the newer one has %q, %v", b, err)
					}
				} else if string(b) != payload[:c.size] || err != nil {
					t.Errorf("the newer one has %q, %v", b, err)
				}
				_ = second.Close()
				if c.before == nil {
					if b, err := io.ReadAll(first); string(b) != payload[:c.size] || err != nil {
						t.Errorf("the older one has %q, %v", b, err)
					}
				}
			})
		})
	}
}
