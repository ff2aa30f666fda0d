package grpcclient

import (
	"reflect"
	"runtime"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// A first is the first message of a stream, which is read ahead of the caller.
type first struct {
	into  any
	done  chan struct{} // closed when it is there
	shown chan struct{} // closed when the caller has been shown the header
	once  sync.Once     // of shown

	err    error
	broken broken
}

func newFirst(into any) *first {
	return &first{into: into, done: make(chan struct{}), shown: make(chan struct{})}
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

// hand gives the caller the message, once it is there.
func (f *first) hand(m any) error {
	f.broken.surface()
	if f.err != nil || same(m, f.into) {
		return f.err
	}
	from, ok := f.into.(proto.Message)
	if !ok {
		return errBrokenOff
	}
	if to, ok := m.(proto.Message); ok && to.ProtoReflect().Type() == from.ProtoReflect().Type() && to.ProtoReflect().IsValid() {
		become(to, from)
		return nil
	}
	// The caller decodes into a type of its own.
	codec := encoding.GetCodecV2(protoName)
	bytes, err := codec.Marshal(from)
	if err == nil {
		defer bytes.Free()
		err = codec.Unmarshal(bytes, m)
	}
	if err != nil {
		return status.Errorf(codes.Internal, "grpc: failed to unmarshal the received message: %v", err) // as gRPC says it
	}
	return nil
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

// protoName names gRPC's codec of protocol buffers.
const protoName = "proto"

// answers is the type of a method's answers, by its declaration among the files that are linked
// in. It is nil where that is not known, or another codec is in use: then nothing can be received
// before the caller has come with a message.
func (r *rpc) answers() protoreflect.MessageType {
	for _, o := range r.opts {
		switch o := o.(type) {
		case grpc.ForceCodecCallOption, grpc.ForceCodecV2CallOption, grpc.CustomCodecCallOption:
			return nil
		case grpc.ContentSubtypeCallOption:
			if o.ContentSubtype != "" && !strings.EqualFold(o.ContentSubtype, protoName) {
				return nil
			}
		}
	}
	method := declared(r.of.Method)
	if method == nil {
		return nil
	}
	kind, err := protoregistry.GlobalTypes.FindMessageByName(method.Output().FullName())
	if err != nil {
		return nil
	}
	return kind
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
