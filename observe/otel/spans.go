package otel

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/rpccode"
	"github.com/holdfast-go/holdfast/internal/scrub"
)

// calls stands outside all policies: it has the span of a logical call, where there is
// one, hears what policies decide, and measures.
func (t *Telemetry) calls(next holdfast.Handler) holdfast.Handler {
	seen := &seen{t: t}
	listener := holdfast.NewListener(func(ctx context.Context, e holdfast.Event) {
		event(ctx, e)
		seen.event(ctx, e)
	})
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		call.Record.Listen(listener)
		o := t.over(ctx, call)
		o.whole, o.tally = true, new(tally)
		if o.protocol != "http" && !within(ctx, call) {
			kind := trace.SpanKindClient
			if o.protocol == "" || t.o.Traced {
				kind = trace.SpanKindInternal
			}
			t.start(ctx, o, kind)
		}
		return o.run(context.WithValue(o.ctx, tallyKey{}, o.tally), next)
	}
}

// attempts stands inside all policies: it has the span of an attempt, where there is
// one, and has the trace told to the server.
func (t *Telemetry) attempts(next holdfast.Handler) holdfast.Handler {
	return func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		o := t.over(ctx, call)
		switch {
		case ctx.Err() != nil: // nothing will be sent
		case t.traced(call), o.protocol == "http" && call.Attempt == 1 && within(ctx, call):
			o.theirs = true // it has a span of its own, or the span around is this one's
		case o.protocol == "http", t.o.Attempts:
			kind := trace.SpanKindClient
			if o.protocol != "http" {
				kind = trace.SpanKindInternal
			}
			t.start(ctx, o, kind)
		}
		return o.run(t.propagated(o.ctx, call), next)
	}
}

func (t *Telemetry) over(ctx context.Context, call *holdfast.Call) *over {
	return &over{t: t, ctx: ctx, call: call, protocol: protocolOf(call), began: time.Now(), target: call.Target, method: call.Method}
}

// An over is a call, or an attempt, until it is over: the hook of its answer.
type over struct {
	t        *Telemetry
	ctx      context.Context
	call     *holdfast.Call
	span     trace.Span // nil: none
	protocol string
	whole    bool // a logical call, and no attempt
	theirs   bool // somebody else traces and measures it
	began    time.Time
	target   string
	method   string
	code     holdfast.Code // of the Result
	attempt  int           // likewise
	tally    *tally
	once     sync.Once
}

// run passes the call on, and ends what was begun when it is over, also by a panic.
func (o *over) run(ctx context.Context, next holdfast.Handler) holdfast.Result {
	return o.call.Track(ctx, func(ctx context.Context, call *holdfast.Call) holdfast.Result {
		res := next(ctx, call)
		o.code, o.attempt = res.Code, res.Attempt
		if o.span != nil && !o.whole && call.Endpoint != "" {
			if host, port, ok := hostPort(call.Endpoint); ok {
				o.span.SetAttributes(semconv.NetworkPeerAddress(host), semconv.NetworkPeerPort(port))
			}
		}
		return res
	}, o, 0)
}

// Done ends the span and measures.
func (o *over) Done(_ uint64, end holdfast.End) {
	o.once.Do(func() {
		if end.Code == "" {
			end.Code = o.code
		}
		if o.span != nil {
			o.span.SetAttributes(o.outcome(end)...)
			if failed(o.protocol, end) {
				o.span.SetStatus(codes.Error, "")
			}
			o.span.End()
		}
		o.measure(end)
	})
}

// failed reports whether an end is an error of the span: what we cancelled ourselves,
// since another attempt won, is none.
func failed(protocol string, end holdfast.End) bool {
	switch end.Code {
	case holdfast.CodeSuperseded:
		return false
	case holdfast.CodePanic:
		return true
	}
	if protocol == "http" {
		return end.Err != nil || len(end.Code) == 3 && end.Code[0] >= '4'
	}
	return end.Err != nil || end.Class.Server() == holdfast.Unhealthy
}

// outcome is the attributes of the end.
func (o *over) outcome(end holdfast.End) (attrs []attribute.KeyValue) {
	status, is := strconv.Atoi(string(o.code))
	switch {
	case o.protocol == "http" && is == nil && len(o.code) == 3:
		attrs = append(attrs, semconv.HTTPResponseStatusCode(status))
	case o.protocol == "grpc":
		attrs = append(attrs, semconv.RPCResponseStatusCode(o.status(end)))
	}
	if failed(o.protocol, end) {
		attrs = append(attrs, semconv.ErrorTypeKey.String(string(end.Code)))
	}
	if end.Code == holdfast.CodeSuperseded {
		attrs = append(attrs, attribute.Bool("holdfast.superseded", true))
	}
	if o.whole {
		attrs = append(attrs, attribute.Int("holdfast.attempts", o.call.Record.Attempts()))
	}
	return attrs
}

// status is the gRPC status that the caller gets. The Sender knows, which makes it; of
// one that does not say, it is what the Code stands for.
func (o *over) status(end holdfast.End) string {
	if s, is := o.call.Sender.(interface {
		Outcome(ctx context.Context, res holdfast.Result) holdfast.Code
	}); is && end.Err != nil {
		return string(s.Outcome(o.ctx, holdfast.Result{Err: end.Err, Class: end.Class, Code: end.Code, Attempt: o.attempt}))
	}
	return statusOf(end.Code)
}

// statusOf is the gRPC status that a Code stands for.
func statusOf(code holdfast.Code) string { return rpccode.Name(rpccode.Number(code)) }

// name is that of the span, as the conventions have it.
func (o *over) name() string {
	switch {
	case o.protocol == "http":
		return httpMethod(o.method)
	case o.whole:
		return strings.TrimPrefix(o.method, "/")
	}
	return "Attempt." + strings.TrimPrefix(o.method, "/")
}

// attributes are those that are known from the beginning.
func (o *over) attributes() (attrs []attribute.KeyValue) {
	host, port, ok := hostPort(o.target)
	if !ok {
		host = scrub.Name(o.target)
	}
	attrs = append(attrs, semconv.ServerAddress(host))
	switch o.protocol {
	case "http":
		method := httpMethod(o.method)
		attrs = append(attrs, semconv.HTTPRequestMethodKey.String(method))
		if method == "HTTP" {
			attrs[len(attrs)-1] = semconv.HTTPRequestMethodOther
			attrs = append(attrs, semconv.HTTPRequestMethodOriginal(o.method))
		}
		if r, is := o.call.Sender.(request); is && r.Request().URL != nil {
			u := r.Request().URL
			attrs = append(attrs, semconv.URLFull((&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}).String()))
			if port == 0 {
				port = map[string]int{"http": 80, "https": 443}[u.Scheme]
			}
		}
		if o.call.Attempt > 1 {
			attrs = append(attrs, semconv.HTTPRequestResendCount(o.call.Attempt-1))
		}
	case "grpc":
		attrs = append(attrs, semconv.RPCSystemNameGRPC, semconv.RPCMethod(strings.TrimPrefix(o.method, "/")))
		if !o.whole && o.call.Attempt > 1 {
			attrs = append(attrs, attribute.Int("grpc.previous-rpc-attempts", o.call.Attempt-1))
		}
	default:
		if !o.whole && o.call.Attempt > 1 {
			attrs = append(attrs, attribute.Int("holdfast.previous_attempts", o.call.Attempt-1))
		}
	}
	if port != 0 {
		attrs = append(attrs, semconv.ServerPort(port))
	}
	if o.call.Hedge {
		attrs = append(attrs, attribute.Bool("holdfast.hedge", true))
	}
	return attrs
}

// httpMethod is a method as spans have it: "HTTP" for one that nobody knows.
func httpMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodConnect,
		http.MethodOptions, http.MethodTrace, "QUERY":
		return method
	}
	return "HTTP"
}

// hostPort takes a target apart: "users:80", "dns:///users:80", "[::1]:80", a URL.
func hostPort(target string) (host string, port int, ok bool) {
	scheme, target, is := strings.Cut(scrub.Name(target), "://")
	switch first, rest, path := strings.Cut(target, "/"); {
	case !is:
		target = scheme
	case path && (first == "" || resolved(scheme)):
		target = rest // gRPC's authority comes first
	default:
		target = first
	}
	host, text, err := net.SplitHostPort(target)
	if err != nil {
		return target, 0, target != ""
	}
	port, err = strconv.Atoi(text)
	if err != nil {
		port = 0
	}
	return host, port, true
}

// resolved reports whether a scheme is one of gRPC's resolvers, whose targets follow an
// authority that is none of theirs.
func resolved(scheme string) bool {
	switch scheme {
	case "dns", "xds", "passthrough", "unix", "unix-abstract", "vsock", "ipv4", "ipv6":
		return true
	}
	return false
}
