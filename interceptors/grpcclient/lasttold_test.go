package grpcclient_test

import (
	"context"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Credentials that fail the second time they are asked for.
type failsSecond struct{ asked int }

func (f *failsSecond) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	if f.asked++; f.asked == 2 {
		return nil, status.Error(codes.Unauthenticated, "no token")
	}
	return nil, nil
}

func (f *failsSecond) RequireTransportSecurity() bool { return false }

// Where a further attempt came to nothing, the caller gets what the last server said: its error,
// and its trailer.
func TestTheTrailerIsThatOfTheError(t *testing.T) {
	told := func(ctx context.Context) error {
		_ = grpc.SetTrailer(ctx, metadata.Pairs("who", "me"))
		return status.Error(codes.Unavailable, "down")
	}
	s := &service{
		get:  func(ctx context.Context, _ int, _ string) (string, error) { return "", told(ctx) },
		list: func(_ int, _ string, ss grpc.ServerStream) error { return told(ss.Context()) },
	}
	for _, stream := range []bool{false, true} {
		cc, stop := s.dialTCP(t, append(all.DialOptions(again(2)), grpc.WithPerRPCCredentials(&failsSecond{}))...)
		var trailer metadata.MD
		var err error
		if stream {
			var st grpc.ClientStream
			if st, err = cc.NewStream(t.Context(), listDesc, list, grpc.Trailer(&trailer)); err == nil {
				_ = st.SendMsg(say("x"))
				_ = st.CloseSend()
				err = st.RecvMsg(new(message))
				if len(st.Trailer()["who"]) == 0 {
					t.Error("the stream has no trailer")
				}
			}
		} else {
			err = cc.Invoke(t.Context(), get, say("x"), new(message), grpc.Trailer(&trailer))
		}
		if status.Convert(err).Message() != "down" || len(trailer["who"]) == 0 {
			t.Errorf("stream: %v: %v, trailer %v", stream, err, trailer)
		}
		stop()
	}
}
