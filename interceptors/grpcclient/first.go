package grpcclient

import (
	"reflect"
	"runtime"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A first is the first message of a stream, which is read ahead of the caller.
type first struct {
	into  any
	codec *keeping      // nil: into is the caller's own
	done  chan struct{} // closed when it is there
	shown chan struct{} // closed when the caller has been shown the header
	once  sync.Once     // of shown

	err    error
	broken broken
}

func newFirst(into any, codec *keeping) *first {
	return &first{into: into, codec: codec, done: make(chan struct{}), shown: make(chan struct{})}
}

func (f *first) read(from grpc.ClientStream) {
	defer close(f.done)
	defer f.broken.note()
	f.err = from.RecvMsg(f.into)
	f.broken.returned = true
}

// show notes that the caller is shown the header. A nil first has nothing to note.
func (f *first) show() {
	if f != nil {
		f.once.Do(func() { close(f.shown) })
	}
}

func (f *first) isShown() bool {
	select {
	case <-f.shown:
		return true
	default:
		return false
	}
}

// hand gives the caller the message, once it is there. unfit says that it is there, and that it
// cannot be had as what the caller receives into.
func (f *first) hand(m any) (unfit bool, _ error) {
	f.broken.surface()
	if f.err != nil || same(m, f.into) {
		return false, f.err
	}
	if f.codec == nil {
		return true, errBrokenOff
	}
	from, ok := f.into.(proto.Message)
	if to, is := m.(proto.Message); ok && is && !f.codec.has && to.ProtoReflect().Type() == from.ProtoReflect().Type() && to.ProtoReflect().IsValid() {
		become(to, from)
		return false, nil
	}
	if err := f.codec.recode(f.into, m); err != nil { // the caller decodes into a type of its own
		return true, status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", err) // as gRPC says it
	}
	return false, nil
}

// same reports whether two are one message. A codec of the caller's may decode into whatever it
// likes, a map too, which cannot be compared as such.
func same(a, b any) bool {
	v, w := reflect.ValueOf(a), reflect.ValueOf(b)
	if !v.IsValid() || !w.IsValid() || v.Type() != w.Type() {
		return false
	}
	if v.Kind() == reflect.Map {
		return v.UnsafePointer() == w.UnsafePointer()
	}
	return v.Comparable() && v.Equal(w)
}

// become makes of a message another of the same type, by reference, whatever its size.
func become(to, from proto.Message) {
	into, of := to.ProtoReflect(), from.ProtoReflect()
	proto.Reset(to)
	of.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool { into.Set(fd, v); return true })
	into.SetUnknown(of.GetUnknown())
}

// A broken is how a function broke off that ran on a goroutine of its own.
type broken struct {
	returned bool // it did not
	thrown   any  // its panic; nil: it has exited its goroutine
	told     sync.Once
}

// note is deferred by the goroutine.
func (b *broken) note() {
	if !b.returned {
		b.thrown = recover()
	}
}

// surface has it happen to the goroutine that waited for it, once.
func (b *broken) surface() {
	if b.returned {
		return
	}
	b.told.Do(func() {
		if b.thrown == nil {
			runtime.Goexit()
		}
		panic(b.thrown)
	})
}
