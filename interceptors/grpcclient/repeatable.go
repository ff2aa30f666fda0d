package grpcclient

import (
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ByIdempotencyLevel is a Wrapper.Repeatable: a method is repeatable whose
// declaration says option idempotency_level = NO_SIDE_EFFECTS or IDEMPOTENT. It
// looks among the files that are linked in, where every generated client is. A
// method that is not there is not repeatable. It is safe for concurrent use.
func ByIdempotencyLevel(fullMethod string) bool {
	if known, ok := levels.Load(fullMethod); ok {
		return known.(bool) //nolint:errcheck // nothing else is stored
	}
	method := declared(fullMethod)
	if method == nil {
		return false // and not kept: names have no end, declared methods do
	}
	options, ok := method.Options().(*descriptorpb.MethodOptions)
	level := options.GetIdempotencyLevel()
	is := ok && (level == descriptorpb.MethodOptions_NO_SIDE_EFFECTS || level == descriptorpb.MethodOptions_IDEMPOTENT)
	levels.Store(fullMethod, is)
	return is
}

var levels sync.Map // of declared methods

// declared is the declaration of a method among the files that are linked in; nil: there is none.
// Each method has one name alone by which it is found.
func declared(fullMethod string) protoreflect.MethodDescriptor {
	service, method, ok := strings.Cut(strings.TrimPrefix(fullMethod, "/"), "/")
	if !ok || fullMethod[0] != '/' || strings.Contains(method, "/") || strings.Contains(method, ".") || strings.Contains(service, "/") {
		return nil
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + method))
	if err != nil {
		return nil
	}
	declaration, _ := d.(protoreflect.MethodDescriptor)
	return declaration
}

// Methods returns a Wrapper.Repeatable that names the methods, in full
// ("/users.v1.Users/Get") or all of a service ("/users.v1.Users/").
func Methods(names ...string) func(fullMethod string) bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return func(fullMethod string) bool {
		return set[fullMethod] || set[fullMethod[:strings.LastIndexByte(fullMethod, '/')+1]]
	}
}

// Repeatable is a CallOption that says for one call what Wrapper.Repeatable says
// for methods. It is for the door alone and is not handed on to gRPC.
func Repeatable(yes bool) grpc.CallOption { return repeatable{yes: yes} }

type repeatable struct {
	grpc.EmptyCallOption
	yes bool
}

// own are what the door takes out of a call's options.
type ownOptions struct {
	onFinish   []func(error)
	repeatable *bool
}

// takeOwn takes the OnFinish callbacks and the door's own options out of the
// options: gRPC would run the former at the end of each attempt. The caller's
// slice stays as it is, and has no room for whoever appends to what is returned.
func takeOwn(opts []grpc.CallOption) (rest []grpc.CallOption, own ownOptions) {
	rest = opts[:len(opts):len(opts)]
	taken := 0
	for i, o := range opts {
		switch o := o.(type) {
		case grpc.OnFinishCallOption:
			own.onFinish = append(own.onFinish, o.OnFinish)
		case repeatable:
			own.repeatable = &o.yes
		default:
			if taken > 0 {
				rest = append(rest, o)
			}
			continue
		}
		if taken == 0 {
			rest = append(make([]grpc.CallOption, 0, len(opts)-1), opts[:i]...)
		}
		taken++
	}
	return rest, own
}

func (o ownOptions) finish(err error) {
	for _, f := range o.onFinish {
		f(err)
	}
}

func (o ownOptions) may(d *door, method string) bool {
	if o.repeatable != nil {
		return *o.repeatable
	}
	return d.repeatable(method)
}
