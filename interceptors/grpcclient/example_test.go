package grpcclient_test

import (
	"context"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/discovery"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/loadbalance"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// A hanging server is given up on in time, and the error is a status.
func ExampleWrapper_Unary() {
	cc, stop := demo(grpc.WithChainUnaryInterceptor(grpcclient.Wrapper{}.Unary(
		timeout.New(timeout.Options{Limit: 50 * time.Millisecond}),
	)))
	defer stop()
	err := cc.Invoke(context.Background(), "/test.Service/Get", say("hang"), new(message))
	fmt.Println(status.Code(err))
	fmt.Println(err)
	// Output:
	// DeadlineExceeded
	// holdfast: call timed out after 50ms
}

// The limit is for the first message; the stream may go on for as long as it does.
func ExampleWrapper_Stream() {
	cc, stop := demo(grpc.WithChainStreamInterceptor(grpcclient.Wrapper{}.Stream(
		retry.New(retry.Options{}),
		timeout.New(timeout.Options{Limit: time.Second}),
	)))
	defer stop()
	stream, err := cc.NewStream(context.Background(), listDesc, "/test.Service/List")
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := stream.SendMsg(say("all")); err != nil {
		fmt.Println(err)
		return
	}
	for {
		m := new(message)
		if err := stream.RecvMsg(m); err == io.EOF {
			fmt.Println("the end")
			return
		} else if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(m.GetValue())
	}
	// Output:
	// one
	// two
	// the end
}

// Nothing is repeated but the methods that are known to bear it.
func ExampleWrapper() {
	door := grpcclient.Wrapper{
		Repeatable: func(method string) bool { return method == "/test.Service/Get" },
	}
	policies := retry.New(retry.Options{MaxAttempts: 3, InitialInterval: time.Millisecond})
	cc, stop := demo(
		grpc.WithChainUnaryInterceptor(door.Unary(policies)),
		grpc.WithChainStreamInterceptor(door.Stream(policies)),
		grpc.WithDisableRetry(), // one retry loop, not two
	)
	defer stop()
	answer := new(message)
	err := cc.Invoke(context.Background(), "/test.Service/Get", say("fail twice"), answer)
	fmt.Println(answer.GetValue(), err)
	// Output:
	// attempt 3 <nil>
}

// demo is a server with a mood, and a connection to it.
func demo(opts ...grpc.DialOption) (cc *grpc.ClientConn, stop func()) {
	s := &service{
		list: sends(nil, "one", "two"),
		get: func(ctx context.Context, n int, in string) (string, error) {
			switch {
			case in == "hang":
				return "", hangs(ctx)
			case in == "fail twice" && n < 3:
				return "", status.Error(codes.Unavailable, "not yet")
			}
			return fmt.Sprintf("attempt %d", n), nil
		},
	}
	return s.dial(loud{}, opts...)
}

// Both interceptors and one retry loop; what may be repeated is what the .proto
// files declare.
func ExampleDialOptions() {
	cc, stop := demo(grpcclient.DialOptions(timeout.New(timeout.Options{Limit: time.Second}))...)
	defer stop()
	answer := new(message)
	err := cc.Invoke(context.Background(), "/test.Service/Get", say("x"), answer)
	fmt.Println(answer.GetValue(), err)
	// Output:
	// attempt 1 <nil>
}

// One call may be repeated, whatever is said of its method.
func ExampleRepeatable() {
	cc, stop := demo(grpcclient.DialOptions(retry.New(retry.Options{InitialInterval: time.Millisecond}))...)
	defer stop()
	answer := new(message)
	err := cc.Invoke(context.Background(), "/test.Service/Get", say("fail twice"), answer, grpcclient.Repeatable(true))
	fmt.Println(answer.GetValue(), err)
	// Output:
	// attempt 3 <nil>
}

func ExampleMethods() {
	door := grpcclient.Wrapper{Repeatable: grpcclient.Methods("/test.Service/Get", "/test.Catalog/")}
	fmt.Println(door.Repeatable("/test.Service/Get"), door.Repeatable("/test.Service/Put"), door.Repeatable("/test.Catalog/Any"))
	// Output: true false true
}

func ExampleWireAttempts() {
	told := make(chan holdfast.Event, 1)
	cc, stop := demo(grpcclient.WireAttempts(func(_ context.Context, e holdfast.Event) { told <- e }))
	defer stop()
	_ = cc.Invoke(context.Background(), "/test.Service/Get", say("x"), new(message))
	e := <-told
	fmt.Println(e.Method, e.Endpoint, e.Code)
	// Output: /test.Service/Get bufconn OK
}

// What gRPC calls a balancer and a resolver, on holdfast's nodes and discovery.
func ExampleBalancer() {
	config := grpcclient.Balancer("peak_ewma_example", loadbalance.PeakEWMA, loadbalance.Options{}) // while the program starts
	cc, err := grpc.NewClient("users:///api", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithResolvers(grpcclient.Resolver("users", discovery.DNS("users.internal:8080", discovery.DNSOptions{}))),
		grpc.WithDefaultServiceConfig(config))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cc.Close() }()
	fmt.Println(config)
	// Output: {"loadBalancingConfig": [{"peak_ewma_example": {}}]}
}

func ExampleResolver() {
	b := grpcclient.Resolver("users", discovery.Static("10.0.0.1:8080", "10.0.0.2:8080"))
	fmt.Println(b.Scheme())
	// Output: users
}
