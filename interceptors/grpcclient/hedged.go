package grpcclient

import (
	"context"
	"errors"
	"fmt"
	"reflect"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"github.com/holdfast-go/holdfast"
)

// A hedged is one hedge of a unary call: it writes to places of its own, and what
// it has written becomes the caller's when it has won, after all other attempts
// are over.
type hedged struct {
	answered
	of      *unary
	reply   any
	header  metadata.MD
	trailer metadata.MD
	peer    peer.Peer
	attempt int
	failed  bool
	next    *hedged // another one that failed
}

// An answered is a Reply that is over as soon as it is there.
type answered struct{}

// Discard does nothing: nothing is held.
func (answered) Discard() {}

// OnDone runs h at once.
func (answered) OnDone(h holdfast.Hook, token uint64) {
	if h != nil {
		h.Done(token, holdfast.End{Class: holdfast.Success, Code: "OK"})
	}
}

var _ holdfast.Reply = (*hedged)(nil)

// hedge makes an attempt beside others.
func (u *unary) hedge(ctx context.Context, call *holdfast.Call) holdfast.Result {
	if u.native() {
		return holdfast.Result{Err: errNative, Class: holdfast.LocalFault, Code: holdfast.CodeConfig}
	}
	h := &hedged{of: u, attempt: call.Attempt, header: untold, peer: peer.Peer{Addr: nowhere}}
	var err error
	if h.reply, err = u.another(); err != nil {
		return holdfast.Result{Err: err, Class: holdfast.LocalFault, Code: holdfast.CodeConfig}
	}
	opts := make([]grpc.CallOption, 0, len(u.opts)+3)
	for _, o := range u.opts {
		switch o.(type) {
		case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption: // written below
		default:
			opts = append(opts, o)
		}
	}
	opts = append(opts, grpc.Header(&h.header), grpc.Trailer(&h.trailer), grpc.Peer(&h.peer))
	due, _ := ctx.Deadline()
	err = u.invoke(ctx, call, h.reply, opts)
	at, from := arrival{request: u.req, due: due, heard: headed(h.header), trailer: h.trailer}, h.peer
	if at.heard != headers {
		h.header = nil // there is none, and it was not left as it was
	}
	if from.Addr == nowhere {
		h.peer = peer.Peer{}
	}
	previous(&h.header, call.Attempt)
	if err != nil {
		res := u.failed(ctx, call, err, &from, at)
		h.failed = true
		u.mu.Lock()
		h.next, u.fails = u.fails, h
		u.mu.Unlock()
		return res
	}
	return holdfast.Result{Reply: h, Class: holdfast.Success, Code: "OK"}
}

var errNoCopy = errors.New("grpcclient: not hedged: the reply is no pointer, so that two attempts cannot have one each; give the codec a pointer to decode into")

// another makes a message like the caller's reply, which may be filled at this
// very moment: what is asked of it here was asked before, or is its type alone.
func (u *unary) another() (any, error) {
	if u.reply == nil {
		return nil, nil
	}
	if u.kind != nil {
		return u.kind.New().Interface(), nil
	}
	t := reflect.TypeOf(u.reply)
	if t.Kind() != reflect.Pointer {
		return nil, fmt.Errorf("%w (%T)", errNoCopy, u.reply)
	}
	return reflect.New(t.Elem()).Interface(), nil
}

// publish makes the caller's what the hedge has written. Nothing else writes to it
// any more.
func (h *hedged) publish() {
	hand(h.of.opts, h.header, h.trailer, h.peer)
	if h.failed {
		reset(h.of.reply)
		return
	}
	switch to := h.of.reply.(type) {
	case nil:
	case proto.Message:
		become(to, h.reply.(proto.Message)) //nolint:errcheck // made of the same type
	default:
		reflect.ValueOf(to).Elem().Set(reflect.ValueOf(h.reply).Elem())
	}
}
