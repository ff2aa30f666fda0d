package httpclient_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// A broken base answers with the first half of a file, and then with the second. A test changes
// what it will.
type broken struct {
	file        []byte
	bodies      [2]*counted
	first, rest func(*http.Response) // change the answers
	asked       int
}

func newBroken() *broken {
	b := &broken{file: random(10_000), first: func(*http.Response) {}, rest: func(*http.Response) {}}
	b.bodies[0], b.bodies[1] = b.until(io.ErrUnexpectedEOF), &counted{Reader: bytes.NewReader(b.file[5000:])}
	return b
}

// until is the first half, and then an error.
func (b *broken) until(err error) *counted {
	return &counted{Reader: io.MultiReader(bytes.NewReader(b.file[:5000]), iotest.ErrReader(err))}
}

func (b *broken) RoundTrip(req *http.Request) (*http.Response, error) {
	resp := response(req, 200, b.bodies[b.asked])
	resp.Header.Set("Etag", `"1"`)
	if b.asked++; b.asked == 1 {
		resp.ContentLength = 10_000
		b.first(resp)
		return resp, nil
	}
	resp.StatusCode, resp.ContentLength = 206, 5000
	resp.Header.Set("Content-Range", "Bytes 5000-9999/10000")
	b.rest(resp)
	return resp, nil
}

// read reads the answer to req to its end.
func (b *broken) read(t *testing.T, req *http.Request, policies ...holdfast.Policy) ([]byte, error) {
	t.Helper()
	resp, err := httpclient.Wrapper{Resume: 1}.Wrap(b, append(policies, passes)...).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(resp.Body)
	if _, again := resp.Body.Read(make([]byte, 1)); err != nil && !errors.Is(again, err) {
		t.Errorf("%v, and then %v", err, again)
	}
	_ = resp.Body.Close()
	for i := range b.asked {
		if n := b.bodies[i].closes.Load(); n == 0 {
			t.Errorf("body %d was not closed", i+1)
		}
	}
	return got, err
}

// The rest is asked for only where it is certain what it would be the rest of.
func TestWhatIsTakenUp(t *testing.T) {
	for name, c := range map[string]struct {
		taken   bool
		request func(*http.Request)
		first   func(*http.Response)
		until   error
	}{
		"a download":        {taken: true},
		"a GET by no name":  {taken: true, request: func(req *http.Request) { req.Method = "" }},
		"an empty body":     {taken: true, request: func(req *http.Request) { req.Body = http.NoBody }},
		"a pause":           {taken: true, until: &holdfast.TimeoutError{Scope: "idle"}},
		"the call's limit":  {until: &holdfast.TimeoutError{Scope: "call"}},
		"a PUT":             {request: func(req *http.Request) { req.Method = "PUT" }},
		"a GET with a body": {request: func(req *http.Request) { req.Body = io.NopCloser(bytes.NewReader(nil)) }},
		"a Range":           {request: func(req *http.Request) { req.Header.Set("Range", "bytes=0-") }},
		"an If-Range":       {request: func(req *http.Request) { req.Header.Set("If-Range", `"1"`) }},
		"another status":    {first: func(resp *http.Response) { resp.StatusCode = 203 }},
		"an unknown length": {first: func(resp *http.Response) { resp.ContentLength = -1 }},
		"decompressed":      {first: func(resp *http.Response) { resp.Uncompressed = true }},
		"a stream":          {first: func(resp *http.Response) { resp.Header.Set("Content-Type", "text/event-stream") }},
		"two ETags":         {first: func(resp *http.Response) { resp.Header.Add("Etag", `"1"`) }},
		"half an ETag":      {first: func(resp *http.Response) { resp.Header.Set("Etag", `"`) }},
		"all has come":      {first: func(resp *http.Response) { resp.ContentLength = 5000 }},
		"more has come":     {first: func(resp *http.Response) { resp.ContentLength = 4999 }},
	} {
		b := newBroken()
		if c.first != nil {
			b.first = c.first
		}
		if c.until != nil {
			b.bodies[0] = b.until(c.until)
		}
		req := request(t, "GET", "http://a/", nil)
		if c.request != nil {
			c.request(req)
		}
		got, err := b.read(t, req)
		if c.taken != (b.asked == 2) || c.taken != (err == nil) || c.taken && !bytes.Equal(got, b.file) {
			t.Errorf("%s: %d requests, then %v", name, b.asked, err)
		}
	}
}

// An answer that a base brings to a regular end is as without us, though it is short.
func TestAnEndIsNotTakenUp(t *testing.T) {
	b := newBroken()
	b.bodies[0] = b.until(io.EOF)
	if got, err := b.read(t, request(t, "GET", "http://a/", nil)); len(got) != 5000 || err != nil || b.asked != 1 {
		t.Errorf("%d bytes of %d requests, then %v", len(got), b.asked, err)
	}
}

// A base that is no Transport may send more, or less, of the rest than it says, or change it: it
// is an error, which stays, and the caller gets no byte too many.
func TestARestThatIsNotWhatItSaysIsAnError(t *testing.T) {
	for _, n := range []int{0, 4999, 5000, 5001, 9999} {
		b := newBroken()
		b.bodies[1] = &counted{Reader: bytes.NewReader(slices.Concat(b.file, b.file)[5000 : 5000+n])}
		got, err := b.read(t, request(t, "GET", "http://a/", nil))
		if (err == nil) != (n == 5000) || !bytes.Equal(got, b.file[:min(5000+n, 10_000)]) {
			t.Errorf("%d bytes for the rest: %d bytes of %d requests, then %v", n, len(got), b.asked, err)
		}
	}
	for name, change := range map[string]func(*http.Response){
		"decompressed":  func(resp *http.Response) { resp.Uncompressed = true },
		"two ranges":    func(resp *http.Response) { resp.Header.Add("Content-Range", "bytes 5000-9999/10000") },
		"two ETags":     func(resp *http.Response) { resp.Header.Add("Etag", `"1"`) },
		"several parts": func(resp *http.Response) { resp.Header.Set("Content-Type", "multipart/byteranges; boundary=x") },
		"two codings":   func(resp *http.Response) { resp.Header["Content-Encoding"] = []string{"", "br"} },
	} {
		b := newBroken()
		b.rest = change
		if got, err := b.read(t, request(t, "GET", "http://a/", nil)); err == nil || len(got) != 5000 || b.asked != 2 {
			t.Errorf("%s: %d bytes of %d requests, then %v", name, len(got), b.asked, err)
		}
	}
}

// What has failed stays so, whatever the body goes on with.
func TestNothingFollowsAnError(t *testing.T) {
	b := newBroken()
	b.bodies[0] = &counted{Reader: iotest.TimeoutReader(bytes.NewReader(b.file))} // its second Read fails
	b.bodies[1] = b.until(io.ErrUnexpectedEOF)
	b.rest = func(resp *http.Response) { resp.StatusCode = 200 }
	resp, err := httpclient.Wrapper{Resume: 1}.Wrap(b, passes).RoundTrip(request(t, "GET", "http://a/", nil))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p := make([]byte, 10)
	for i := range 4 {
		if n, err := resp.Body.Read(p); (n == 10) != (i == 0) || (err == nil) != (i == 0) {
			t.Errorf("read %d: %d bytes, %v", i+1, n, err)
		}
	}
}

// A caller who has gone by the time when it breaks off asks for nothing more.
func TestACallerWhoHasGoneTakesNothingUp(t *testing.T) {
	for _, by := range []string{"context", "Cancel", "Close"} {
		b := newBroken()
		ctx, cancel := context.WithCancel(t.Context())
		gone := make(chan struct{})
		req := request(t, "GET", "http://a/", nil).WithContext(ctx)
		if by == "Cancel" {
			req.Cancel = gone //nolint:staticcheck // obeyed as ever
		}
		calls := 0
		resp, err := httpclient.Wrapper{Resume: 1}.Wrap(b, after(func(*holdfast.Call, holdfast.Result) { calls++ })).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadFull(resp.Body, make([]byte, 5000))
		switch by {
		case "context":
			cancel()
		case "Cancel":
			close(gone)
		default:
			_ = resp.Body.Close()
		}
		if n, err := resp.Body.Read(make([]byte, 1)); n != 0 || err == nil || calls != 1 {
			t.Errorf("%s: %d bytes, %v, of %d calls", by, n, err, calls)
		}
		_ = resp.Body.Close()
		cancel()
	}
}

// A Close while the rest comes closes that as well.
func TestACloseWhileTheRestComesClosesIt(t *testing.T) {
	b := newBroken()
	var body io.Closer
	calls := 0
	resp, err := httpclient.Wrapper{Resume: 1}.Wrap(b, after(func(*holdfast.Call, holdfast.Result) {
		if calls++; calls == 2 {
			_ = body.Close()
		}
	})).RoundTrip(request(t, "GET", "http://a/", nil))
	if err != nil {
		t.Fatal(err)
	}
	body = resp.Body
	got, err := io.ReadAll(resp.Body)
	if len(got) != 5000 || err == nil || b.bodies[1].closes.Load() != 1 {
		t.Errorf("%d bytes, then %v; closed %d times", len(got), err, b.bodies[1].closes.Load())
	}
}

// A slow body is read until it is closed, and its Close waits for left.
type slow struct{ read, closed, left chan struct{} }

func (s *slow) Read([]byte) (int, error) {
	close(s.read)
	<-s.closed
	return 0, io.ErrUnexpectedEOF
}

func (s *slow) Close() error { close(s.closed); <-s.left; return nil }

// What ends since it is closed is not taken up, however long that takes.
func TestWhatIsBeingClosedIsNotTakenUp(t *testing.T) {
	b := newBroken()
	s := &slow{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	b.first = func(resp *http.Response) { resp.Body = s }
	resp, err := httpclient.Wrapper{Resume: 1}.Wrap(b, passes).RoundTrip(request(t, "GET", "http://a/", nil))
	if err != nil {
		t.Fatal(err)
	}
	go func() { <-s.read; _ = resp.Body.Close() }()
	n, err := resp.Body.Read(make([]byte, 1))
	close(s.left)
	if n != 0 || err == nil || b.asked != 1 {
		t.Errorf("%d bytes of %d requests, then %v", n, b.asked, err)
	}
}

// A distant context is none of the standard library's: what derives from it waits on a goroutine.
type distant struct {
	context.Context
	done chan struct{}
}

func (d distant) Done() <-chan struct{} { return d.done }

// What is read to its end, or an error, holds nothing of the caller's context, though nobody
// closes it; and no Read comes to nothing.
func TestWhatIsTakenUpHoldsNothingAtItsEnd(t *testing.T) {
	for _, fails := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			b := newBroken()
			if fails {
				b.rest = func(resp *http.Response) { resp.StatusCode = 200 }
			}
			req := request(t, "GET", "http://a/", nil).WithContext(distant{context.Background(), make(chan struct{})})
			resp, err := httpclient.Wrapper{Resume: 1}.Wrap(b, passes).RoundTrip(req)
			for p := make([]byte, 100); err == nil; {
				var n int
				if n, err = resp.Body.Read(p); n == 0 && err == nil {
					t.Error("a Read that came to nothing")
				}
			}
			if (err == io.EOF) == fails {
				t.Error(err)
			}
		}) // which fails where a goroutine is left
	}
}
