package grpcclient

import (
	"context"
	"reflect"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// fallBack asks for another answer than err. What it gets is copied: the caller keeps
// its own reply, and whoever made the answer may keep that.
func (u *unary) fallBack(ctx context.Context, err error) error {
	from, fallbackErr := u.door.Fallback(ctx, u.call.Method, u.req, err)
	if fallbackErr != nil || from == nil {
		return err
	}
	if value := reflect.ValueOf(from); value.Kind() == reflect.Pointer && value.IsNil() {
		return err // of a map that has nothing, say
	}
	switch to := u.reply.(type) {
	case nil:
		return nil
	case proto.Message:
		m, ok := from.(proto.Message)
		if !ok || m.ProtoReflect().Descriptor() != to.ProtoReflect().Descriptor() {
			return mismatch(from, to)
		}
		proto.Reset(to)
		proto.Merge(to, m)
	default:
		into, value := reflect.ValueOf(to), reflect.ValueOf(from)
		if into.Type() != value.Type() || into.Kind() != reflect.Pointer || into.IsNil() {
			return mismatch(from, to)
		}
		into.Elem().Set(value.Elem())
	}
	return nil
}

func mismatch(from, to any) error {
	return status.Errorf(codes.Internal, "grpcclient: Fallback returned a %T for a reply that is a %T", from, to)
}
