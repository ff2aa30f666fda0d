package grpcclient_test

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// What is read ahead of the caller ends up in whatever the caller receives into, as it does
// without policies: in the message of the method, in one that is made of its description, in one of
// another type that the bytes fit, and in none.
func TestTheFirstMessageIsOfTheCallersType(t *testing.T) {
	for name, into := range map[string]func() any{
		"the method's":    func() any { return &message{Value: "left over"} },
		"made of it":      func() any { return dynamicpb.NewMessage(new(message).ProtoReflect().Descriptor()) },
		"another's":       func() any { return new(wrapperspb.BytesValue) },
		"nil":             func() any { return nil },
		"a nil pointer":   func() any { return (*message)(nil) },
		"no message":      func() any { return new(int) },
		"one that is not": func() any { return new(wrapperspb.DoubleValue) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				outcomes := map[bool]string{}
				for _, bare := range []bool{true, false} {
					s := &service{list: sends(nil, "one", "two")}
					opts := through(all, again(3))
					if bare {
						opts = nil
					}
					cc, stop := s.dial(t, opts...)
					ctx, cancel := context.WithCancel(t.Context())
					stream := asks(t, ctx, cc, list)
					synctest.Wait() // it is there
					outcomes[bare] = func() (said string) {
						defer func() {
							if thrown := recover(); thrown != nil {
								said = fmt.Sprint("panic: ", thrown)
							}
						}()
						for range 2 {
							m := into()
							err := stream.RecvMsg(m)
							if _, is := m.(*int); is {
								m = "an int"
							}
							said += fmt.Sprintf("%v %v; ", err, m)
						}
						return said
					}()
					cancel()
					stop()
				}
				plain := func(s string) string { return strings.ReplaceAll(s, "\u00a0", " ") } // protobuf's texts vary on purpose
				if plain(outcomes[true]) != plain(outcomes[false]) {
					t.Errorf("bare: %s\nours: %s", outcomes[true], outcomes[false])
				}
			})
		})
	}
}

// A codec that the caller brings gets the caller's own types alone.
func TestACodecOfTheCallersGetsTheCallersTypes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: sends(unavailable, "one", "two")}
		cc, stop := s.dial(t, through(all, again(3))...)
		defer stop()
		for _, late := range []bool{false, true} {
			stream, err := cc.NewStream(t.Context(), listDesc, list, grpc.ForceCodec(bytesAlone{}))
			if err != nil {
				t.Fatal(err)
			}
			if err := stream.SendMsg(say("x")); err != nil {
				t.Fatal(err)
			}
			if late {
				pass(time.Minute)
			}
			for _, want := range []string{"one", "two"} {
				var got []byte
				m := new(message)
				if err := stream.RecvMsg(&got); err != nil || proto.Unmarshal(got, m) != nil || m.GetValue() != want {
					t.Errorf("late %v: %q, %v", late, got, err)
				}
			}
		}
	})
}

// A bytesAlone is a codec whose answers are raw bytes.
type bytesAlone struct{}

func (bytesAlone) Name() string                  { return "bytes" }
func (bytesAlone) Marshal(v any) ([]byte, error) { return protoCodec.Marshal(v) }
func (bytesAlone) Unmarshal(b []byte, v any) error {
	into, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("a %T", v)
	}
	*into = slices.Clone(b)
	return nil
}

// Unknown fields and all else of the first message are the caller's.
func TestTheFirstMessageIsWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		sent := say("known")
		sent.ProtoReflect().SetUnknown([]byte{0xa0, 0x06, 0x01}) // field 100
		s := &service{list: func(_ int, _ string, ss grpc.ServerStream) error { return ss.SendMsg(sent) }}
		cc, stop := s.dial(t, through(all)...)
		defer stop()
		got := &message{Value: "left over"}
		if err := asks(t, t.Context(), cc, list).RecvMsg(got); err != nil || !proto.Equal(got, sent) {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// An interceptor further in sees messages of the method's own type, the first one too, and what it
// makes of them is what the caller gets.
func TestAnInterceptorFurtherInSeesTheFirstMessage(t *testing.T) {
	for _, method := range methods {
		bubble(t, func(t *testing.T) {
			s := &service{list: sends(nil, "one", "two")}
			cc, stop := s.dial(t, append(through(all, again(3)), grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
				inner, err := next(ctx, desc, cc, method, opts...)
				return loudly{inner, t}, err
			}))...)
			defer stop()
			stream := asks(t, t.Context(), cc, method)
			synctest.Wait()
			if got, err := read(stream); !slices.Equal(got, []string{"ONE", "TWO"}) || err != io.EOF {
				t.Errorf("%s: %q, %v", method, got, err)
			}
		})
	}
}

type loudly struct {
	grpc.ClientStream
	t *testing.T
}

func (l loudly) RecvMsg(m any) error {
	err := l.ClientStream.RecvMsg(m)
	if err == nil {
		m, ok := m.(*message)
		if !ok {
			l.t.Errorf("a %T", m)
			return nil
		}
		m.Value = strings.ToUpper(m.GetValue())
	}
	return err
}

// An attempt that receives into the caller's message begins with an empty one, whatever the one
// before has left in it.
func TestEachAttemptBeginsWithAnEmptyMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := &service{list: func(n int, _ string, ss grpc.ServerStream) error {
			pass(time.Second) // the caller is there
			_ = ss.SendHeader(nil)
			if n < 3 {
				return unavailable
			}
			return ss.SendMsg(say("ok"))
		}}
		var begun atomic.Int64
		cc, stop := s.dial(t, append(through(all, again(3)), grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string, next grpc.Streamer, opts ...grpc.CallOption) (grpc.ClientStream, error) {
			inner, err := next(ctx, desc, cc, method, opts...)
			return leaves{inner, t, &begun}, err
		}))...)
		defer stop()
		m := new(message)
		stream := asks(t, t.Context(), cc, undeclared)
		if err := stream.RecvMsg(m); err != nil || m.GetValue() != "ok" || begun.Load() != 3 {
			t.Errorf("%v, %v after %d", m, err, begun.Load())
		}
	})
}

// A leaves leaves something in the message of a receive that fails.
type leaves struct {
	grpc.ClientStream
	t     *testing.T
	begun *atomic.Int64
}

func (l leaves) RecvMsg(v any) error {
	l.begun.Add(1)
	m, ok := v.(*message)
	if !ok || m.GetValue() != "" {
		l.t.Errorf("it begins with %v", v)
		return l.ClientStream.RecvMsg(v)
	}
	err := l.ClientStream.RecvMsg(v)
	if err != nil {
		m.Value = "left over"
	}
	return err
}

// Also one whose answers are what cannot be compared, whether they come before the caller or after.
func TestACodecOfTheCallersMayFillAMap(t *testing.T) {
	for _, early := range []bool{true, false} {
		for _, bare := range []bool{true, false} {
			bubble(t, func(t *testing.T) {
				s := &service{list: func(_ int, _ string, ss grpc.ServerStream) error {
					if !early {
						pass(time.Second)
					}
					return sends(nil, "one", "two")(0, "", ss)
				}}
				opts := through(all, again(3))
				if bare {
					opts = nil
				}
				cc, stop := s.dial(t, opts...)
				defer stop()
				stream, err := cc.NewStream(t.Context(), listDesc, list, grpc.ForceCodec(mapping{}))
				if err != nil {
					t.Fatal(err)
				}
				if err := stream.SendMsg(say("x")); err != nil {
					t.Fatal(err)
				}
				if early {
					synctest.Wait()
				}
				for _, want := range []string{"one", "two"} {
					got := map[string]string{}
					if err := stream.RecvMsg(got); err != nil || got["value"] != want {
						t.Errorf("early %v, bare %v: %q, %v", early, bare, got, err)
					}
				}
			})
		}
	}
}

// A mapping is a codec whose answers are maps.
type mapping struct{}

func (mapping) Name() string                  { return "map" }
func (mapping) Marshal(v any) ([]byte, error) { return protoCodec.Marshal(v) }
func (mapping) Unmarshal(b []byte, v any) error {
	m := new(message)
	if err := proto.Unmarshal(b, m); err != nil {
		return err
	}
	v.(map[string]string)["value"] = m.GetValue()
	return nil
}

// A header that an interceptor further in fails to give is no failure of the call.
func TestAHeaderThatFailsIsNoFailure(t *testing.T) {
	made := func(ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption) (grpc.ClientStream, error) {
		return failingHeader{&scripted{t: t, ctx: ctx, script: "mm"}}, nil
	}
	stream, err := (grpcclient.Wrapper{}).Stream()(t.Context(), listDesc, nil, list, made)
	if err != nil {
		t.Fatal(err)
	}
	_ = stream.SendMsg(say("x"))
	if got, err := read(stream); len(got) != 2 || err != io.EOF {
		t.Errorf("%q, %v", got, err)
	}
}

type failingHeader struct{ *scripted }

func (failingHeader) Header() (metadata.MD, error) { return nil, status.Error(codes.Unknown, "none") }
