package main

import (
	"context"
	"net"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafegrpc"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/retry"
	mwtimeout "github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/timeout"
	"github.com/sony/gobreaker/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
)

// A message is what is sent and answered.
type message = wrapperspb.StringValue

type grpcSubject struct {
	who  string
	make func(k knobs) grpc.UnaryClientInterceptor
}

type grpcRow struct {
	name     string
	traits   traits
	goal     goal
	subjects []grpcSubject
}

// grpcTable is what is measured over an invoker that does nothing. Goals in
// nanoseconds are here a share of the floor's.
func grpcTable() []grpcRow {
	three := traits{retry: true, breaker: true, timeout: true}
	four := traits{retry: true, breaker: true, timeout: true, hedge: true}
	return []grpcRow{
		{"retry", traits{retry: true}, goal{80. / 9.6, "floor", 1, 0}, []grpcSubject{
			{"floor", floorGRPC(traits{retry: true})}, {"holdfast", ourGRPC(traits{retry: true})},
			{"failsafe-go", failsafeGRPC(traits{retry: true})}, {"go-grpc-middleware", middlewareRetry},
		}},
		{"breaker", traits{breaker: true}, goal{110. / 135, "gobreaker by hand", 1, 0}, []grpcSubject{
			{"floor", floorGRPC(traits{breaker: true})}, {"holdfast", ourGRPC(traits{breaker: true})},
			{"failsafe-go", failsafeGRPC(traits{breaker: true})}, {"gobreaker by hand", gobreakerGRPC},
		}},
		{"timeout", traits{timeout: true}, goal{1.2, "floor", 5, 0}, []grpcSubject{
			{"floor", floorGRPC(traits{timeout: true})}, {"holdfast", ourGRPC(traits{timeout: true})},
			{"failsafe-go", failsafeGRPC(traits{timeout: true})}, {"go-grpc-middleware", middlewareTimeout},
		}},
		{"hedge, unfired", traits{hedge: true}, goal{1.3, "floor", 7, 0}, []grpcSubject{
			{"floor", floorGRPC(traits{hedge: true})}, {"holdfast", ourGRPC(traits{hedge: true})}, {"failsafe-go", failsafeGRPC(traits{hedge: true})},
		}},
		{"retry+breaker+timeout", three, goal{1.25, "floor", 5, 0}, []grpcSubject{
			{"floor", floorGRPC(three)}, {"holdfast", ourGRPC(three)}, {"failsafe-go", failsafeGRPC(three)}, {"glue", glueGRPC},
		}},
		{"the same + hedge", four, goal{1.25, "floor", 9, 0}, []grpcSubject{
			{"floor", floorGRPC(four)}, {"holdfast", ourGRPC(four)}, {"failsafe-go", failsafeGRPC(four)},
		}},
	}
}

func grpcRows() []row {
	var rows []row
	for _, r := range grpcTable() {
		rows = append(rows, row{"gRPC unary, over an instant invoker", r.name, func() []subject {
			subjects := []subject{{"bare", instantly(nil)}}
			for _, s := range r.subjects {
				subjects = append(subjects, subject{s.who, instantly(s.make(idle))})
			}
			return subjects
		}, r.goal, false})
	}
	const group = "gRPC unary, over bufconn"
	overBuf := func(name string, of traits, allocs int, others ...grpcSubject) row {
		return row{group, name, func() []subject {
			serve, dial := buffered()
			serve()
			subjects := []subject{{"bare", dial()}, {"floor", dial(grpc.WithChainUnaryInterceptor(floorGRPC(of)(idle)))},
				{"holdfast", dial(grpc.WithChainUnaryInterceptor(ourGRPC(of)(idle)), grpc.WithDisableRetry())}}
			for _, s := range others {
				if s.make == nil {
					subjects = append(subjects, subject{s.who, dial(grpc.WithDefaultServiceConfig(nativeConfig))})
					continue
				}
				subjects = append(subjects, subject{s.who, dial(grpc.WithChainUnaryInterceptor(s.make(idle)))})
			}
			return subjects
		}, goal{allocs: allocs}, true}
	}
	three := traits{retry: true, breaker: true, timeout: true}
	four := traits{retry: true, breaker: true, timeout: true, hedge: true}
	return append(rows,
		overBuf("retry+breaker+timeout", three, 16, grpcSubject{"failsafe-go", failsafeGRPC(three)}, grpcSubject{"glue", glueGRPC}, grpcSubject{"grpc-go retry+timeout", nil}),
		overBuf("the same + hedge", four, 20, grpcSubject{"failsafe-go", failsafeGRPC(four)}),
	)
}

const nativeConfig = `{"methodConfig": [{"name": [{}], "timeout": "10s", "retryPolicy": {"maxAttempts": 3, "initialBackoff": "0.01s",
	"maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]}}], "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1}}`

const method = "/bench.v1.Echo/Say"

func instantly(i grpc.UnaryClientInterceptor) func() {
	ctx, in, out := context.Background(), wrapperspb.String("x"), new(message)
	invoke := func(context.Context, string, any, any, *grpc.ClientConn, ...grpc.CallOption) error { return nil }
	if i == nil {
		return func() { _ = invoke(ctx, method, in, out, nil) }
	}
	return func() {
		if err := i(ctx, method, in, out, nil, invoke); err != nil {
			panic(err)
		}
	}
}

// buffered is a server in memory, and clients of it.
func buffered() (serve func(), dial func(...grpc.DialOption) func()) {
	l := bufconn.Listen(1 << 20)
	serve = func() { // for as long as the process lives
		server := grpc.NewServer()
		server.RegisterService(&grpc.ServiceDesc{ServiceName: "bench.v1.Echo", HandlerType: (*any)(nil), Methods: []grpc.MethodDesc{{
			MethodName: "Say", Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				in := new(message)
				return in, decode(in)
			},
		}}}, nil)
		go func() { _ = server.Serve(l) }()
	}
	dial = func(opts ...grpc.DialOption) func() {
		cc, err := grpc.NewClient("passthrough:///bench", append(opts, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) }))...)
		if err != nil {
			panic(err)
		}
		in, out := wrapperspb.String("x"), new(message)
		return func() {
			if err := cc.Invoke(context.Background(), method, in, out); err != nil {
				panic(err)
			}
		}
	}
	return serve, dial
}

func ourGRPC(of traits) func(k knobs) grpc.UnaryClientInterceptor {
	return func(k knobs) grpc.UnaryClientInterceptor {
		var policies []holdfast.Policy
		for _, p := range []struct {
			is   bool
			make func() holdfast.Policy
		}{{of.retry, k.retry}, {of.hedge, k.hedge}, {of.breaker, k.breaker}, {of.timeout, k.timeout}} {
			if p.is {
				policies = append(policies, p.make())
			}
		}
		return grpcclient.Wrapper{Repeatable: func(string) bool { return true }}.Unary(policies...)
	}
}

// floorGRPC is written by hand for the traits alone.
func floorGRPC(of traits) func(k knobs) grpc.UnaryClientInterceptor {
	switch of {
	case traits{retry: true}:
		return floorRetryGRPC
	case traits{breaker: true}:
		return floorBreakerGRPC
	}
	return func(k knobs) grpc.UnaryClientInterceptor {
		b := new(plainBreaker)
		return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
			once := func(ctx context.Context) (int, error) { return 0, invoker(ctx, method, req, reply, cc, opts...) }
			attempt := func(ctx context.Context) error {
				if of.timeout {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, k.limit)
					defer cancel()
				}
				var err error
				switch {
				case of.hedge && of.breaker:
					_, err = b.guardFunction(ctx, func(ctx context.Context) (int, error) { return hedgingFunction(ctx, k, once) })
				case of.hedge: // its hedge would need a reply of its own, which an unfired one does not make
					_, err = hedgingFunction(ctx, k, once)
				case of.breaker:
					_, err = b.guardFunction(ctx, once)
				default:
					_, err = once(ctx)
				}
				return err
			}
			for n := 1; ; n++ {
				err := attempt(ctx)
				if !of.retry || n == 3 || status.Code(err) != codes.Unavailable || ctx.Err() != nil {
					return err
				}
				time.Sleep(k.wait)
			}
		}
	}
}

func floorRetryGRPC(k knobs) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		for n := 1; ; n++ {
			err := invoker(ctx, method, req, reply, cc, opts...)
			if n == 3 || status.Code(err) != codes.Unavailable || ctx.Err() != nil {
				return err
			}
			time.Sleep(k.wait)
		}
	}
}

func floorBreakerGRPC(knobs) grpc.UnaryClientInterceptor {
	b := new(plainBreaker)
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if until := b.until.Load(); until != 0 && time.Now().UnixNano() < until {
			return errOpen
		}
		err := invoker(ctx, method, req, reply, cc, opts...)
		switch {
		case err == nil:
			if b.row.Load() != 0 {
				b.row.Store(0)
				b.until.Store(0)
			}
		case b.row.Add(1) >= 5:
			b.until.Store(time.Now().Add(time.Second).UnixNano())
		}
		return err
	}
}

func failsafeGRPC(of traits) func(k knobs) grpc.UnaryClientInterceptor {
	return func(k knobs) grpc.UnaryClientInterceptor {
		var policies []failsafe.Policy[*message]
		if of.retry {
			policies = append(policies, failsafegrpc.NewRetryPolicyBuilder[*message]().WithMaxRetries(2).WithDelay(k.wait).Build())
		}
		if of.hedge {
			policies = append(policies, hedgepolicy.NewWithDelay[*message](k.delay))
		}
		if of.breaker {
			policies = append(policies, circuitbreaker.NewBuilder[*message]().WithFailureThreshold(5).WithDelay(time.Second).Build())
		}
		if of.timeout {
			policies = append(policies, timeout.New[*message](k.limit))
		}
		return failsafegrpc.NewUnaryClientInterceptor(policies...)
	}
}

func middlewareRetry(k knobs) grpc.UnaryClientInterceptor {
	return retry.UnaryClientInterceptor(retry.WithMax(3), retry.WithCodes(codes.Unavailable), retry.WithBackoff(retry.BackoffLinear(k.wait)))
}

func middlewareTimeout(k knobs) grpc.UnaryClientInterceptor {
	return mwtimeout.UnaryClientInterceptor(k.limit)
}

func gobreakerGRPC(knobs) grpc.UnaryClientInterceptor {
	cb := gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
		Timeout: time.Second, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 5 },
	})
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		_, err := cb.Execute(func() (struct{}, error) { return struct{}{}, invoker(ctx, method, req, reply, cc, opts...) })
		return err
	}
}

// glueGRPC is backoff, gobreaker and a context with a deadline, by hand.
func glueGRPC(k knobs) grpc.UnaryClientInterceptor {
	guard := gobreakerGRPC(k)
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		return backoff.Retry(func() error {
			ctx, cancel := context.WithTimeout(ctx, k.limit)
			defer cancel()
			return guard(ctx, method, req, reply, cc, invoker, opts...)
		}, backoff.WithContext(backoff.WithMaxRetries(backoff.NewConstantBackOff(k.wait), 2), ctx))
	}
}
