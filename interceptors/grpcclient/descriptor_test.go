package grpcclient_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

func valueOf(s string) protoreflect.Value { return protoreflect.ValueOfString(s) }

// The tests' own service is declared, as one of a generated file is. One beside it is not.
func init() {
	declare("test_service.proto", "test", "Service", method("List", nil), method("Get", nil))
}

func method(name string, level *descriptorpb.MethodOptions_IdempotencyLevel) *descriptorpb.MethodDescriptorProto {
	about := "." + string(new(message).ProtoReflect().Descriptor().FullName())
	m := &descriptorpb.MethodDescriptorProto{Name: proto.String(name), InputType: proto.String(about), OutputType: proto.String(about)}
	if level != nil {
		m.Options = &descriptorpb.MethodOptions{IdempotencyLevel: level}
	}
	return m
}

func declare(path, in, service string, methods ...*descriptorpb.MethodDescriptorProto) {
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String(path), Package: proto.String(in), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		Service:    []*descriptorpb.ServiceDescriptorProto{{Name: proto.String(service), Method: methods}},
	}, protoregistry.GlobalFiles)
	if err == nil {
		err = protoregistry.GlobalFiles.RegisterFile(file)
	}
	if err != nil {
		panic(err)
	}
}

// register declares a service whose methods say how often they may be called.
func register(t *testing.T) {
	t.Helper()
	const path = "holdfast_test.proto"
	if _, err := protoregistry.GlobalFiles.FindFileByPath(path); err == nil {
		return
	}
	declare(path, "holdfast.test", "S",
		method("Reads", descriptorpb.MethodOptions_NO_SIDE_EFFECTS.Enum()), method("Repeats", descriptorpb.MethodOptions_IDEMPOTENT.Enum()),
		method("Writes", descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN.Enum()), method("Nothing", nil))
}
