package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast"
)

// targets is how many names there are of the one service: most find no room in the tables.
const targets = 2000

// load makes calls of many kinds, by workers of which each waits for its call.
type load struct {
	c       *clients
	s       setup
	stopped chan struct{}
	once    sync.Once
	made    atomic.Uint64
	good    atomic.Uint64
	closed  atomic.Uint64 // by the shutdown
}

const workers = 32

func newLoad(c *clients, s setup) *load { return &load{c: c, s: s, stopped: make(chan struct{})} }

func (l *load) stop() { l.once.Do(func() { close(l.stopped) }) }

// run calls until ctx ends, or stop is called, and waits for what is under way.
func (l *load) run(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(l.s.seed, uint64(i)+1000))
			pace := time.NewTicker(workers * time.Second / time.Duration(l.s.rate))
			defer pace.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-l.stopped:
					return
				case <-pace.C:
					l.count(l.call(r))
				}
			}
		})
	}
	wg.Wait()
}

func (l *load) count(err error) {
	l.made.Add(1)
	switch {
	case err == nil:
		l.good.Add(1)
	case errors.Is(err, holdfast.ErrClosed):
		l.closed.Add(1)
	}
}

// call makes one call of some kind: with a deadline or without, given up midway, read whole or
// in part, with a body that can be read again and one that cannot.
func (l *load) call(r *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // not to wait for what hangs where no limit is set
	defer cancel()
	switch r.IntN(4) {
	case 0:
		var end context.CancelFunc
		ctx, end = context.WithTimeout(ctx, time.Duration(50+r.IntN(500))*time.Millisecond)
		defer end()
	case 1:
		give := time.AfterFunc(time.Duration(r.IntN(300))*time.Millisecond, cancel)
		defer give.Stop()
	}
	target := fmt.Sprintf("t%d.soak.test", r.IntN(targets))
	switch r.IntN(8) {
	case 0:
		return l.c.rpc.Invoke(ctx, get, wrapperspb.String("item"), new(wrapperspb.StringValue))
	case 1:
		return l.list(ctx, r.IntN(4))
	case 2:
		return l.web(ctx, http.MethodPost, target, strings.NewReader("in memory"), -1)
	case 3: // kept while it streams out, as far as there is room
		return l.web(ctx, http.MethodPut, target, io.LimitReader(zeros{}, int64(r.IntN(128<<10))), -1)
	case 4:
		return l.web(ctx, http.MethodGet, target, nil, int64(r.IntN(len(answer))))
	case 5:
		target = "busy.soak.test" // one that has enough calls to be known
	}
	return l.web(ctx, http.MethodGet, target, nil, -1)
}

// zeros is a body without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// web makes a request and reads so many bytes of its answer, all if that is negative.
func (l *load) web(ctx context.Context, method, target string, body io.Reader, read int64) error {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+target+"/", body)
	if err != nil {
		return err
	}
	resp, err := l.c.web.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if read >= 0 {
		_, err = io.CopyN(io.Discard, resp.Body, read)
	} else {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return err
}

// list opens a stream and reads so many messages of it.
func (l *load) list(ctx context.Context, read int) error {
	ctx, cancel := context.WithCancel(ctx) // what is not read on ends by it
	defer cancel()
	stream, err := l.c.rpc.NewStream(ctx, listDesc, list)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(wrapperspb.String("all")); err != nil {
		return stream.RecvMsg(new(wrapperspb.StringValue))
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	for range read {
		if err := stream.RecvMsg(new(wrapperspb.StringValue)); err != nil {
			return err
		}
	}
	return nil
}

// heal calls a target.
func (l *load) heal(target string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if strings.HasSuffix(target, ".soak.test") {
		_ = l.web(ctx, http.MethodGet, target, nil, -1)
	} else {
		_ = l.c.rpc.Invoke(ctx, get, wrapperspb.String("item"), new(wrapperspb.StringValue))
	}
}
