package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// Streams that cannot be repeated are passed through, guarded, and never fail
// for it.
func TestOtherStreamsPassThrough(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := &service{stream: echoes}, &probe{}
		cc, stop := s.dial(t, through(all, again(3), p)...)
		defer stop()
		var header metadata.MD
		up, err := cc.NewStream(t.Context(), putDesc, put, grpc.Header(&header))
		if err != nil {
			t.Fatal(err)
		}
		answer := new(message)
		if err := errors.Join(up.SendMsg(say("a")), up.SendMsg(say("b")), up.CloseSend(), up.RecvMsg(answer)); err != nil || answer.GetValue() != "end after b" {
			t.Errorf("client stream: %q, %v", answer.GetValue(), err)
		}
		if end := p.over(t, 1)[0]; end.Class != holdfast.Success || end.Code != "OK" { // one answer is the end
			t.Errorf("client stream: end %+v", end)
		}
		if header["content-type"] == nil {
			t.Errorf("header %v", header)
		}
		failed, err := cc.NewStream(t.Context(), putDesc, put)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(failed.SendMsg(say("fail")), failed.CloseSend()); err != nil {
			t.Error(err)
		}
		if err := failed.RecvMsg(new(message)); status.Code(err) != codes.Unavailable {
			t.Error(err)
		}
		both, err := cc.NewStream(t.Context(), chatDesc, chat)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(both.SendMsg(say("chat")), both.RecvMsg(answer), both.CloseSend()); err != nil || answer.GetValue() != "chat" {
			t.Errorf("bidi: %q, %v", answer.GetValue(), err)
		}
		if both.Context().Err() != nil {
			t.Error("the context of a living stream is over")
		}
		if got, err := read(both); len(got) != 1 || err != io.EOF {
			t.Errorf("bidi: %q, %v", got, err)
		}
		p.over(t, 3)
		if s.calls.Load() != 3 {
			t.Errorf("%d calls, want 3", s.calls.Load())
		}
		for _, call := range p.calls {
			if call.Repeatable || !call.Stream || call.Unary {
				t.Errorf("the call is %+v", call)
			}
		}
	})
}

// What fails before there is a stream is repeated when the server did none of the
// work, and fails as gRPC fails otherwise.
func TestOtherStreamsThatCannotBeCreated(t *testing.T) {
	for _, refused := range []bool{true, false} {
		w := grpcclient.Wrapper{Classify: func(string, *status.Status) (holdfast.Verdict, bool) {
			return holdfast.Verdict{Class: holdfast.Refused}, refused
		}}
		tries := 0
		streamer := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
			tries++
			return nil, unavailable
		}
		stream, err := w.Stream(again(3))(t.Context(), chatDesc, nil, chat, streamer)
		if stream != nil || status.Code(err) != codes.Unavailable || refused != (tries == 3) || !refused && err != unavailable {
			t.Errorf("refused %v: %d tries, %v, %v", refused, tries, stream, err)
		}
	}
	nothing := func(context.Context, *grpc.StreamDesc, *grpc.ClientConn, string, ...grpc.CallOption) (grpc.ClientStream, error) {
		return nil, nil
	}
	if _, err := (grpcclient.Wrapper{}).Stream()(t.Context(), chatDesc, nil, chat, nothing); status.Code(err) != codes.Internal {
		t.Errorf("neither a stream nor an error: %v", err)
	}
	if _, err := (grpcclient.Wrapper{}).Stream()(nil, chatDesc, nil, chat, nothing); status.Code(err) != codes.Internal {
		t.Errorf("nil context: %v", err)
	}
}
