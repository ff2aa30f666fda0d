package grpcclient_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func valueOf(s string) protoreflect.Value { return protoreflect.ValueOfString(s) }

// register declares a service whose methods say how often they may be called, as a
// generated file does.
func register(t *testing.T) {
	t.Helper()
	const name = "holdfast_test.proto"
	if _, err := protoregistry.GlobalFiles.FindFileByPath(name); err == nil {
		return
	}
	about := string(new(wrapperspb.StringValue).ProtoReflect().Descriptor().FullName())
	method := func(name string, level *descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodDescriptorProto {
		m := &descriptorpb.MethodDescriptorProto{Name: proto.String(name), InputType: proto.String("." + about), OutputType: proto.String("." + about)}
		if level != nil {
			m.Options = &descriptorpb.MethodOptions{IdempotencyLevel: level}
		}
		return m
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String(name), Package: proto.String("holdfast.test"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Reads", descriptorpb.MethodOptions_NO_SIDE_EFFECTS.Enum()), method("Repeats", descriptorpb.MethodOptions_IDEMPOTENT.Enum()),
			method("Writes", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN.Enum()), method("Nothing", nil),
		}}},
	}, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	if err := protoregistry.GlobalFiles.RegisterFile(file); err != nil {
		t.Fatal(err)
	}
}
