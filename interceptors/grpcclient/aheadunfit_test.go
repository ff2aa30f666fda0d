package grpcclient_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// A binary is no text: it is what the declared type of List refuses.
var binary = wrapperspb.Bytes([]byte{0xff, 0xfe})

// A first message that the declared type refuses is the caller's to decode, as it is without
// policies. Where the caller's type refuses it too, this process could not take the answer, and no
// server is to blame.
func TestAFirstMessageThatTheDeclaredTypeRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		into func() any
		end  holdfast.Class
	}{
		"a type that it fits": {func() any { return new(wrapperspb.BytesValue) }, holdfast.Success},
		"one without fields":  {func() any { return new(emptypb.Empty) }, holdfast.Success},
		"the declared type":   {func() any { return new(message) }, holdfast.LocalFault},
		"no message":          {func() any { return new(int) }, holdfast.LocalFault},
	} {
		for _, early := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, early %v", name, early), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := &service{list: func(_ int, _ string, ss grpc.ServerStream) error { return ss.SendMsg(binary) }}
					b, p := breaker.New(breaker.Options{ConsecutiveFailures: 1}), &probe{}
					said := map[string]string{}
					for _, doors := range []string{"none", "one", "two"} {
						var opts []grpc.DialOption
						if doors != "none" {
							opts = through(all, again(3), b, p)
						}
						if doors == "two" {
							opts = append(opts, through(all)...)
						}
						cc, stop := s.dial(t, opts...)
						stream := asks(t, t.Context(), cc, list)
						if !early {
							synctest.Wait()
						}
						m := c.into()
						err := stream.RecvMsg(m)
						said[doors] = fmt.Sprintf("%v %v", status.Code(err), err)
						if m, is := m.(*wrapperspb.BytesValue); is {
							said[doors] += fmt.Sprintf(" %d %v", m.GetValue(), stream.RecvMsg(m))
						}
						if got := b.State(cc.Target()); got != breaker.Closed {
							t.Errorf("%s: the circuit is %v", doors, got)
						}
						_ = stream.RecvMsg(new(wrapperspb.BytesValue)) // the end
						stop()
					}
					if said["one"] != said["none"] || said["two"] != said["none"] {
						t.Errorf("%q", said)
					}
					for _, end := range p.over(t, 2) {
						if end.Class != c.end {
							t.Errorf("%+v, want %v", end, c.end)
						}
					}
				})
			})
		}
	}
}

// Nor is a server to blame for a later message that this process does not decode.
func TestALaterMessageThatIsNotDecoded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, p := &service{list: func(_ int, _ string, ss grpc.ServerStream) error {
			_ = ss.SendMsg(say("one"))
			return ss.SendMsg(binary)
		}}, &probe{}
		cc, stop := s.dial(t, through(all, p)...)
		defer stop()
		got, err := read(asks(t, t.Context(), cc, list))
		if end := p.over(t, 1)[0]; !slices.Equal(got, []string{"one"}) || status.Code(err) != codes.Internal || end.Class != holdfast.LocalFault {
			t.Errorf("%q, %v, %+v", got, err, end)
		}
	})
}

// A server that says so of itself has failed.
func TestAServerThatDoesNotDecode(t *testing.T) {
	bubble(t, func(t *testing.T) {
		said := status.Error(codes.Internal, "grpc: failed to unmarshal the received message: string field contains invalid UTF-8")
		s, p := &service{list: sends(said, "one")}, &probe{}
		cc, stop := s.dial(t, through(all, p)...)
		defer stop()
		_, err := read(asks(t, t.Context(), cc, list))
		if end := p.over(t, 1)[0]; status.Code(err) != codes.Internal || end.Class != holdfast.Failure {
			t.Errorf("%v, %+v", err, end)
		}
	})
}

// Servers see what they see without policies.
func TestReadingAheadDoesNotShowOnTheWire(t *testing.T) {
	var seen []string
	s := &service{list: func(_ int, _ string, ss grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		seen = append(seen, fmt.Sprint(md["content-type"]))
		return nil
	}}
	for _, opts := range [][]grpc.DialOption{nil, through(grpcclient.Wrapper{})} {
		for _, o := range [][]grpc.CallOption{nil, {grpc.CallContentSubtype("proto")}} {
			cc, stop := s.dial(t, opts...)
			_, _ = read(asks(t, t.Context(), cc, list, o...))
			stop()
		}
	}
	if want := []string{"[application/grpc]", "[application/grpc+proto]", "[application/grpc]", "[application/grpc+proto]"}; !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
}

// A codec of gRPC's first kind that a program registers in the place of gRPC's own is used.
func TestACodecThatIsRegistered(t *testing.T) {
	own := encoding.GetCodecV2("proto")
	defer encoding.RegisterCodecV2(own)
	encoding.RegisterCodec(flattened{own})
	bubble(t, func(t *testing.T) {
		s := &service{list: func(_ int, _ string, ss grpc.ServerStream) error {
			return errors.Join(ss.SendMsg(binary), ss.SendMsg(binary))
		}}
		cc, stop := s.dial(t, through(all)...)
		defer stop()
		stream := asks(t, t.Context(), cc, list)
		synctest.Wait()
		for range 2 {
			m := new(wrapperspb.BytesValue)
			if err := stream.RecvMsg(m); err != nil || !slices.Equal(m.GetValue(), binary.GetValue()) {
				t.Errorf("%v, %v", m, err)
			}
		}
	})
}

// A flattened is a codec in the form of the first kind.
type flattened struct{ own encoding.CodecV2 }

func (flattened) Name() string { return "proto" }
func (c flattened) Marshal(v any) ([]byte, error) {
	out, err := c.own.Marshal(v)
	if err != nil {
		return nil, err
	}
	defer out.Free()
	return out.Materialize(), nil
}
func (c flattened) Unmarshal(b []byte, v any) error {
	return c.own.Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, v)
}
