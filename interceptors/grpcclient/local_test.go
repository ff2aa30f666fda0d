package grpcclient_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/internal/rpccode"
	"github.com/holdfast-go/holdfast/timeout"
)

// tokens are credentials that cannot be obtained.
type tokens struct {
	get    func(ctx context.Context) error
	secure bool
}

func (c tokens) GetRequestMetadata(ctx context.Context, _ ...string) (map[string]string, error) {
	return nil, c.get(ctx)
}
func (c tokens) RequireTransportSecurity() bool { return c.secure }

func failing(err error) tokens { return tokens{get: func(context.Context) error { return err }} }

// nameless are credentials that cannot vouch for a name.
type nameless struct {
	credentials.TransportCredentials
}

func (nameless) ClientHandshake(_ context.Context, _ string, conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return conn, anonymous{}, nil
}

type anonymous struct{}

func (anonymous) AuthType() string { return "nameless" }

// A here is something that this process cannot send, or not take.
type here struct {
	ask     string
	md      string
	dial    []grpc.DialOption
	opts    []grpc.CallOption
	code    codes.Code // which gRPC gives it
	class   holdfast.Class
	name    holdfast.Code
	reaches bool // the server all the same
}

func heres() map[string]here {
	fault, short := holdfast.LocalFault, holdfast.LocalShortage
	call := func(o ...grpc.CallOption) []grpc.CallOption { return o }
	dial := func(o ...grpc.DialOption) []grpc.DialOption { return o }
	long := strings.Repeat("x", 100)
	noFile := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("socket", syscall.EMFILE)}
	noPort := &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}
	dialer := func(err error) []grpc.DialOption {
		return dial(grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return nil, err }))
	}
	return map[string]here{
		"illegal metadata":     {md: "caf\u00e9", code: codes.Internal, class: fault, name: "request"},
		"not to be marshalled": {ask: "a\xff", code: codes.Internal, class: fault, name: "request"},
		"no such compressor":   {opts: call(grpc.UseCompressor("nope")), code: codes.Internal, class: fault, name: "request"},
		"no such codec":        {opts: call(grpc.CallContentSubtype("nope")), code: codes.Internal, class: fault, name: "request"},
		"too long":             {ask: long, opts: call(grpc.MaxCallSendMsgSize(50)), code: codes.ResourceExhausted, class: fault, name: "request"},
		"too long, by config": {ask: long, code: codes.ResourceExhausted, class: fault, name: "request",
			dial: dial(grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "maxRequestMessageBytes": 50}]}`))},
		"too large a reply": {ask: long, opts: call(grpc.MaxCallRecvMsgSize(50)), code: codes.ResourceExhausted, class: fault, name: "request", reaches: true},
		"too large, by config": {ask: long, code: codes.ResourceExhausted, class: fault, name: "request", reaches: true,
			dial: dial(grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "maxResponseMessageBytes": 50}]}`))},
		"a secret in the clear": {opts: call(grpc.PerRPCCredentials(tokens{secure: true})), code: codes.Unauthenticated, class: fault, name: "credentials"},
		"another's name":        {opts: call(grpc.CallAuthority("x")), dial: dial(grpc.WithTransportCredentials(nameless{insecure.NewCredentials()})), code: codes.Unavailable, class: fault, name: "request"},
		"no token":              {opts: call(grpc.PerRPCCredentials(failing(errors.New("x")))), code: codes.Internal, class: short, name: "credentials"},
		"no token, by dial":     {dial: dial(grpc.WithPerRPCCredentials(failing(errors.New("x")))), code: codes.Unauthenticated, class: short, name: "credentials"},
		"no token, by a status": {dial: dial(grpc.WithPerRPCCredentials(failing(status.Error(codes.Unauthenticated, "x")))), code: codes.Unauthenticated, class: short, name: "credentials"},
		"no token, a status that gRPC forbids": {dial: dial(grpc.WithPerRPCCredentials(failing(status.Error(codes.NotFound, "x")))),
			code: codes.Internal, class: short, name: "credentials"},
		"no token, another status": {dial: dial(grpc.WithPerRPCCredentials(failing(status.Error(codes.Unavailable, "x"))), grpc.WithDefaultServiceConfig(inTurn)),
			code: codes.Unavailable, class: short, name: "credentials"},
		"no file descriptor": {dial: dialer(noFile), code: codes.Unavailable, class: short, name: "exhausted"},
		"no port":            {dial: dialer(noPort), code: codes.Unavailable, class: short, name: "exhausted"},
	}
}

// What this process cannot send, or not take, is its own doing: it says nothing of the
// server, and is never sent again where it would be the same, and always where it need
// not be. The error is gRPC's, as it came.
func TestWhatCannotBeSentIsLocal(t *testing.T) {
	for name, c := range heres() {
		for kind, w := range map[string]grpcclient.Wrapper{"unary": {}, "server stream": {}, "stream": {}, "unary, repeatable": all, "server stream, repeatable": all} {
			if strings.HasPrefix(kind, "stream") && (c.ask != "") {
				continue // see TestASendThatFailsIsLocal
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				s := &service{
					get:    func(_ context.Context, _ int, in string) (string, error) { return in, nil },
					list:   func(_ int, in string, ss grpc.ServerStream) error { return ss.SendMsg(say(in)) },
					stream: echoes,
				}
				p := &probe{}
				cc, stop := s.dial(t, through(w, again(3), p)...)
				if c.dial != nil {
					stop()
					cc, stop = s.dialTCP(t, append(c.dial, through(w, again(3), p)...)...)
				}
				defer stop()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				if c.md != "" {
					ctx = metadata.AppendToOutgoingContext(ctx, "tenant", c.md)
				}
				var err error
				switch strings.TrimSuffix(kind, ", repeatable") {
				case "unary":
					err = cc.Invoke(ctx, get, say(c.ask), new(message), c.opts...)
				case "server stream":
					_, err = read(lister(t, ctx, cc, c.ask, c.opts...))
				case "stream":
					_, err = cc.NewStream(ctx, chatDesc, chat, c.opts...)
				}
				want := 1
				if c.class == holdfast.LocalShortage {
					want = 3
				}
				reached := map[bool]int32{true: 1}[c.reaches]
				if status.Code(err) != c.code || len(p.results) != want || s.calls.Load() != reached {
					t.Errorf("%v after %d attempts and %d calls, want %v after %d and %d", err, len(p.results), s.calls.Load(), c.code, want, reached)
				}
				for _, res := range p.results {
					if res.Class != c.class || res.Code != c.name {
						t.Errorf("%v %q, want %v %q: %v", res.Class, res.Code, c.class, c.name, res.Err)
					}
				}
				if _, own := err.(interface{ Unwrap() error }); own && want == 1 {
					t.Errorf("the error of one attempt is not as it came: %T", err)
				}
			})
		}
	}
}

// A broken compressor fails.
type broken struct{}

func (broken) Name() string                                { return "holdfast_test_broken" }
func (broken) Compress(io.Writer) (io.WriteCloser, error)  { return nil, errors.New("broken") }
func (broken) Decompress(io.Reader) (r io.Reader, _ error) { return r, errors.New("broken") }

func init() { encoding.RegisterCompressor(broken{}) }

// An error of SendMsg is never a server's, whatever has arrived before.
func TestASendThatFailsIsLocal(t *testing.T) {
	cases := heres()
	cases["not to be compressed"] = here{ask: "x", opts: []grpc.CallOption{grpc.UseCompressor(broken{}.Name())}, code: codes.Internal, class: holdfast.LocalFault, name: "request"}
	for name, c := range cases {
		if c.ask == "" || c.reaches {
			continue
		}
		bubble(t, func(t *testing.T) {
			s := &service{stream: func(n int, ss grpc.ServerStream) error {
				_ = ss.SendHeader(metadata.Pairs("a", "b"))
				return echoes(n, ss)
			}}
			p := &probe{}
			cc, stop := s.dial(t, append(c.dial, through(all, p)...)...)
			defer stop()
			stream, err := cc.NewStream(t.Context(), chatDesc, chat, c.opts...)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Header(); err != nil {
				t.Fatal(err)
			}
			err = stream.SendMsg(say(c.ask))
			if end := p.over(t, 1)[0]; status.Code(err) != c.code || end.Class != c.class || end.Code != c.name {
				t.Errorf("%s: %v: %+v", name, err, end)
			}
		})
	}
}

// The same words from a server, which has them from a client of its own, are its answer.
func TestForgedFaultsAreTheServers(t *testing.T) {
	for words, c := range map[string]struct {
		code  codes.Code
		class holdfast.Class
		after time.Duration
	}{
		"grpc: error while marshaling: string field contains invalid UTF-8":      {codes.Internal, holdfast.Failure, -1},
		"grpc: error while compressing: x":                                       {codes.Internal, holdfast.Failure, -1},
		"header key \"tenant\" contains value with non-printable ASCII":          {codes.Internal, holdfast.Failure, -1},
		"transport: per-RPC creds failed due to error: x":                        {codes.Internal, holdfast.Failure, -1},
		"transport: cannot send secure credentials on an insecure connection":    {codes.Unauthenticated, holdfast.Success, 0},
		"trying to send message larger than max (9 vs. 4)":                       {codes.ResourceExhausted, holdfast.Overload, -1},
		"grpc: received message larger than max (9000000 vs. 4194304)":           {codes.ResourceExhausted, holdfast.Overload, -1},
		"connection error: desc = \"dial tcp: socket: too many open files\"":     {codes.Unavailable, holdfast.Failure, 0},
		"grpc: received message after decompression larger than max 4194304":     {codes.ResourceExhausted, holdfast.Overload, -1},
		"grpc: received message larger than max (9 vs. 4), with a header before": {codes.ResourceExhausted, holdfast.Overload, -1},
	} {
		for _, flush := range []bool{false, true} {
			if flush && strings.HasSuffix(words, "4194304") || flush && strings.HasSuffix(words, "4194304)") {
				continue // this cannot be told from our own limit, which is the same
			}
			bubble(t, func(t *testing.T) {
				answer := func(ctx context.Context) error {
					if flush {
						_ = grpc.SendHeader(ctx, metadata.Pairs("a", "b"))
					}
					return status.Error(c.code, words)
				}
				s := &service{
					get:  func(ctx context.Context, _ int, _ string) (string, error) { return "", answer(ctx) },
					list: func(_ int, _ string, ss grpc.ServerStream) error { return answer(ss.Context()) },
				}
				p := &probe{}
				cc, stop := s.dial(t, through(all, p)...)
				defer stop()
				_ = cc.Invoke(t.Context(), get, say("x"), new(message))
				_, _ = read(lister(t, t.Context(), cc, "x"))
				for _, res := range p.results {
					if res.Class != c.class || res.Code != holdfast.Code(rpccode.Name(uint32(c.code))) || res.After != c.after {
						t.Errorf("%q, header %v: %v %q %v", words, flush, res.Class, res.Code, res.After)
					}
				}
			})
		}
	}
}

// Time in which there were no credentials is not the server's, though a limit ran out; a
// cancel is a cancel.
func TestNoServerIsToBlameForSlowCredentials(t *testing.T) {
	bubble(t, func(t *testing.T) {
		slow := tokens{get: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		s := &service{}
		p := &probe{}
		cc, stop := s.dial(t, through(all, timeout.New(timeout.Options{Limit: 2 * time.Second}), p)...)
		defer stop()
		err := cc.Invoke(t.Context(), get, say("x"), new(message), grpc.PerRPCCredentials(slow))
		if res := p.results[0]; res.Class != holdfast.LocalShortage || res.Code != holdfast.CodeCredentials {
			t.Errorf("%v: %v %q", err, res.Class, res.Code)
		}
		p.results = nil
		cc, stopToo := s.dial(t, append(through(all, timeout.New(timeout.Options{Limit: 2 * time.Second}), p), grpc.WithPerRPCCredentials(slow))...)
		defer stopToo()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		err = cc.Invoke(ctx, get, say("x"), new(message))
		if res := p.results[0]; res.Class != holdfast.Ignored || res.Code != holdfast.CodeCancelled {
			t.Errorf("%v: %v %q", err, res.Class, res.Code)
		}
	})
}
