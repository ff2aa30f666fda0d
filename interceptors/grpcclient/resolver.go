package grpcclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/resolver"

	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/internal/input"
	"github.com/holdfast-go/holdfast/internal/names"
)

// silence is how long a resolver may take to its first answer before calls that do
// not wait for a connection are told.
const silence = 10 * time.Second

// unresolved begins the errors of calls that were never sent, since there is no address
// yet: in the words of gRPC's own balancers, for before there is one.
const unresolved = "name resolver error: "

// Resolver makes a resolver of gRPC for the scheme, for grpc.WithResolvers: every
// channel to "scheme:///…" has the endpoints that r finds. An error, and an answer
// without endpoints, after one that had some changes nothing. One that has not
// answered for 10 s is reported as an error, so that calls without a deadline do not
// wait for ever. An address that is empty or has a control character is left out.
func Resolver(scheme string, r discovery.Resolver) resolver.Builder { return &watching{scheme, r} }

type watching struct {
	scheme string
	r      discovery.Resolver
}

// Scheme is the one it was made for.
func (w *watching) Scheme() string { return w.scheme }

// Build begins to watch; gRPC does so again after a channel was idle.
func (w *watching) Build(target resolver.Target, cc resolver.ClientConn, _ resolver.BuildOptions) (resolver.Resolver, error) {
	if w.r == nil {
		return nil, fmt.Errorf("grpcclient: the Resolver of %s is nil", target.URL.String())
	}
	ctx, stop := context.WithCancel(context.Background())
	l := &looking{r: w.r, cc: cc, stop: stop}
	l.done.Go(func() { l.watch(ctx) })
	return l, nil
}

type looking struct {
	r    discovery.Resolver
	cc   resolver.ClientConn
	stop context.CancelFunc
	done sync.WaitGroup
}

func (l *looking) watch(ctx context.Context) {
	quiet := time.AfterFunc(silence, func() {
		if ctx.Err() == nil {
			l.cc.ReportError(fmt.Errorf(unresolved+"grpcclient: %s has not answered for %v", names.Own(l.r), silence))
		}
	})
	defer quiet.Stop()
	good := false
	for endpoints, err := range l.r.Watch(ctx) {
		if ctx.Err() != nil {
			return
		}
		quiet.Stop()
		endpoints = slices.DeleteFunc(endpoints, func(e discovery.Endpoint) bool { return input.Address(e.Addr) != nil })
		if err == nil && len(endpoints) == 0 {
			err = errors.New("grpcclient: the resolver knows no endpoints")
		}
		if err != nil {
			if !good { // else what there is goes on
				l.cc.ReportError(fmt.Errorf(unresolved+"%w", err))
			}
			continue
		}
		good = true
		var state resolver.State
		for _, e := range endpoints {
			e := resolver.Endpoint{Addresses: []resolver.Address{{Addr: e.Addr}}, Attributes: attributesOf(e)}
			state.Endpoints = append(state.Endpoints, e)
			state.Addresses = append(state.Addresses, e.Addresses...)
		}
		_ = l.cc.UpdateState(state) // an error asks for another look, which comes anyway
	}
}

// ResolveNow is gRPC's hint that a connection has failed.
func (l *looking) ResolveNow(resolver.ResolveNowOptions) {
	if r, ok := l.r.(discovery.Refresher); ok {
		r.Refresh()
	}
}

// Close ends the watching, and waits.
func (l *looking) Close() {
	l.stop()
	l.done.Wait()
}
