package grpcclient

import (
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// protoName names gRPC's codec of protocol buffers.
const protoName = "proto"

// answers is the type of a method's answers, by its declaration among the files that are linked
// in. It is nil where that is not known, or another codec is in use: then nothing can be received
// before the caller has come with a message.
func (r *rpc) answers() protoreflect.MessageType {
	for _, o := range r.opts {
		switch o := o.(type) {
		case grpc.ForceCodecCallOption, grpc.ForceCodecV2CallOption, grpc.CustomCodecCallOption:
			return nil // also one of ours, further out, which asks for the header at once
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

// A keeping is the codec of an attempt whose first message is received into the declared type.
// What that type refuses may fit the caller's, and gRPC ends a stream whose message was refused:
// so the bytes are kept for the caller, and gRPC is told nothing. All else is the registered
// codec's.
type keeping struct {
	encoding.CodecV2
	into any // what the first message is received into

	has  bool   // into refused the message
	kept []byte // what came
	bad  bool   // a message was refused, and gRPC was told
}

// registered is the codec that is in use where no option says another.
func registered() encoding.CodecV2 {
	if c := encoding.GetCodecV2(protoName); c != nil {
		return c
	}
	return flat{encoding.GetCodec(protoName)}
}

// Name is empty: what is sent names the codec no more than without this one.
func (*keeping) Name() string { return "" }

// Unmarshal decodes a message.
func (k *keeping) Unmarshal(data mem.BufferSlice, v any) error {
	err := k.CodecV2.Unmarshal(data, v)
	if v != k.into {
		k.bad = k.bad || err != nil
		return err
	}
	k.has, k.kept = false, nil
	if err != nil {
		k.has, k.kept = true, data.Materialize()
		reset(v)
	}
	return nil
}

// A flat is a codec of gRPC's first kind, as one of the second.
type flat struct{ encoding.Codec }

func (f flat) Marshal(v any) (mem.BufferSlice, error) {
	b, err := f.Codec.Marshal(v)
	if err != nil {
		return nil, err
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

func (f flat) Unmarshal(data mem.BufferSlice, v any) error {
	return f.Codec.Unmarshal(data.Materialize(), v)
}

// recode makes of the first message, which is there in the declared type or in bytes alone, one of
// the caller's type.
func (k *keeping) recode(from, to any) error {
	if k.has {
		return k.CodecV2.Unmarshal(mem.BufferSlice{mem.SliceBuffer(k.kept)}, to)
	}
	data, err := k.Marshal(from)
	if err != nil {
		return fmt.Errorf("as it was received: %w", err)
	}
	defer data.Free()
	return k.CodecV2.Unmarshal(data, to)
}
