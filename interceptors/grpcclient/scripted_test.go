package grpcclient_test

import (
	"context"
	"io"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// A scripted is a ClientStream from below that answers as it is told. Each
// letter of its script is what one receive comes to: 'm' a message, 'e' an error,
// 'w' a wait for the end of the context; after the last, and for any other, EOF.
type scripted struct {
	t      testing.TB
	ctx    context.Context
	script string
	sent   []string
	over   error // what ended it, which stays
	after  int   // receives after that
}

func (s *scripted) Header() (metadata.MD, error) {
	if s.script == "" || s.script[0] == 'e' {
		return nil, nil
	}
	if s.script[0] == 'w' {
		<-s.ctx.Done()
		return nil, nil
	}
	return metadata.MD{}, nil
}
func (s *scripted) Trailer() metadata.MD { return metadata.MD{} }
func (s *scripted) CloseSend() error     { return nil }

func (s *scripted) Context() context.Context {
	if s.t != nil {
		s.t.Error("the door has called Context, which switches gRPC's own retry off")
	}
	return s.ctx
}

func (s *scripted) SendMsg(m any) error {
	s.sent = append(s.sent, m.(*message).GetValue())
	return nil
}

func (s *scripted) RecvMsg(m any) error {
	if s.over != nil {
		s.after++
		return s.over
	}
	switch {
	case s.ctx.Err() != nil:
		s.over = status.FromContextError(s.ctx.Err()).Err()
	case s.script == "":
		s.over = io.EOF
	case s.script[0] == 'm':
		s.script = s.script[1:]
		if m, ok := m.(*message); ok {
			m.Value = "message"
		}
	case s.script[0] == 'e':
		if m, ok := m.(*message); ok {
			if m.GetValue() != "" && s.t != nil {
				s.t.Errorf("an attempt begins with %q in its message", m.GetValue())
			}
			m.Value = "partly filled"
		}
		s.over = unavailable
	case s.script[0] == 'w':
		<-s.ctx.Done()
		s.over = status.FromContextError(s.ctx.Err()).Err()
	default:
		s.over = io.EOF
	}
	return s.over
}

// below makes streams of the scripts, one for each attempt; the last one again
// and again. 'x' is an attempt that gets no stream.
func below(t testing.TB, made *[]*scripted, scripts ...string) grpc.Streamer {
	var mu sync.Mutex
	return func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
		mu.Lock()
		defer mu.Unlock()
		s := &scripted{t: t, ctx: ctx, script: scripts[min(len(*made), len(scripts)-1)]}
		*made = append(*made, s)
		if s.script == "x" {
			return nil, unavailable
		}
		return s, nil
	}
}
