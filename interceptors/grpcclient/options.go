package grpcclient

import (
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/protoadapt"
)

// forget clears what an earlier attempt has written for the caller, so that what
// is there at the end is of the last attempt alone.
func forget(opts []grpc.CallOption, reply any) {
	hand(opts, nil, nil, peer.Peer{})
	reset(reply)
}

// hand writes what there is of an attempt where the caller's options say.
func hand(opts []grpc.CallOption, header, trailer metadata.MD, from peer.Peer) {
	for _, o := range opts {
		switch o := o.(type) {
		case grpc.HeaderCallOption:
			set(o.HeaderAddr, header)
		case grpc.TrailerCallOption:
			set(o.TrailerAddr, trailer)
		case grpc.PeerCallOption:
			set(o.PeerAddr, from)
		}
	}
}

// reset clears a message, as gRPC's codec does before it fills it. What is no
// protocol buffer is left to its own codec, as gRPC's own retry leaves it.
func reset(message any) {
	if m := messageOf(message); m != nil && m.ProtoReflect().IsValid() {
		proto.Reset(m)
	}
}

func messageOf(message any) proto.Message {
	switch m := message.(type) {
	case proto.Message:
		return m
	case protoadapt.MessageV1:
		return protoadapt.MessageV2Of(m)
	}
	return nil
}

// copyOf returns a copy of a message of no more than limit bytes, and nil of
// any other.
func copyOf(message any, limit int) any {
	m := messageOf(message)
	if m == nil || !m.ProtoReflect().IsValid() || proto.Size(m) > limit {
		return nil
	}
	c := proto.Clone(m)
	if _, v2 := message.(proto.Message); !v2 {
		return protoadapt.MessageV1Of(c)
	}
	return c
}

func set[T any](addr *T, v T) {
	if addr != nil {
		*addr = v
	}
}

// targets are where gRPC writes the header, trailer and peer of one attempt of a
// stream. gRPC writes at the end of an attempt, on a goroutine of its own when
// the attempt is cancelled, so the caller's own places are no good for it: the
// next attempt is under way by then.
type targets struct {
	once    sync.Once
	opts    []grpc.CallOption // the caller's
	header  metadata.MD
	trailer metadata.MD
	peer    peer.Peer
}

// private returns options that write to targets, and nil targets when none of
// the options writes.
func private(opts []grpc.CallOption) ([]grpc.CallOption, *targets) {
	var t *targets
	mine := opts
	for i, o := range opts {
		var with grpc.CallOption
		switch o.(type) {
		case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption:
			if t == nil {
				t = &targets{opts: opts}
				mine = slices.Clone(opts)
			}
		default:
			continue
		}
		switch o.(type) {
		case grpc.HeaderCallOption:
			with = grpc.Header(&t.header)
		case grpc.TrailerCallOption:
			with = grpc.Trailer(&t.trailer)
		case grpc.PeerCallOption:
			with = grpc.Peer(&t.peer)
		}
		mine[i] = with
	}
	return slices.Clip(mine), t
}

// publish hands the caller what gRPC has written for an attempt, once. It is called when
// gRPC has ended the stream.
func (t *targets) publish(attempt int) {
	if t == nil {
		return
	}
	t.once.Do(func() {
		previous(&t.header, attempt)
		hand(t.opts, t.header, t.trailer, t.peer)
	})
}
