package holdfast

import (
	"cmp"
	"context"
	"errors"
	"io"
	"reflect"
	"sync/atomic"
)

// errNoReply answers a policy that returned nothing at all.
var errNoReply = errors.New("holdfast: a policy returned a Result with neither a Reply nor an error")

var errNilArgument = errors.New("holdfast: Do needs a context and a function, and one of them is nil")

// errForeignReply answers a policy that made a Reply, which only doors may do.
var errForeignReply = errors.New("holdfast: a policy returned a Reply that it did not get from this call")

var errNoTarget = errors.New("holdfast: Do needs call.Target, the name of what f calls: circuits, budgets and limits are kept by it")

// bare is the Handler of a Do without any.
var bare = Chain()

// Do calls f through h, a Handler made by Chain, and returns what f returned;
// the zero T with an error. call names the call for policies and observers:
// Target and Method, and Repeatable where calling f twice does no harm; without
// that f is repeated only after an error that is Refused, a Conflict or a
// LocalShortage. Policies keep their state by Target: where it is empty Method takes its
// place, and where both are, Do returns an error and does not call f.
//
// f may be called several times, by a hedge also at the same time, each with a
// context of its own; it returns promptly once its context is done. What its
// errors mean it says with Mark, or call.Classify says it; any other error is a
// Failure. Do returns a marked error without the mark. A value that
// nobody will see, since another attempt won, is closed if it is an io.Closer.
//
// A nil h calls f once, without any policy.
//
// What policies see, which is what they repeat and count by:
//
//	what f comes to                              class       sent again            code
//	a value                                      Success     never                 ok
//	any error                                    Failure     if repeatable         error
//	an error marked Overload, with a wait        Overload    if repeatable, later  error
//	a Conflict, as Classify calls an error       Conflict    always                error
//	the error of a call within it, Refused       Failure     if repeatable         error
//	time ran out, and the server had its chance  Failure     if repeatable         timeout, deadline
//	time ran out, and it had none                Ignored     never                 timeout, deadline
//	time ran out while this process stood still  LocalPause  if repeatable         timeout, deadline
//	cancelled by the caller                      Ignored     never                 cancelled
//	cut off, as the client was closed            Ignored     never                 closed
//	another attempt won, of a hedge              Ignored     never                 superseded
func Do[T any](ctx context.Context, h Handler, call Call, f func(context.Context) (T, error)) (T, error) {
	var zero T
	if f == nil || ctx == nil {
		return zero, errNilArgument
	}
	if h == nil {
		h = bare
	}
	if call.Target == "" {
		if call.Target = call.Method; call.Target == "" {
			return zero, errNoTarget
		}
	}
	d := &doing[T]{call: call, f: f}
	d.call.Sender, d.call.Record, d.call.Unary, d.call.Stream = d, &d.record, true, false
	res := h(ctx, &d.call)
	if res.Err != nil {
		res.Discard()
		Within(ctx, res)
		return zero, res.Err
	}
	if res.Reply == nil {
		return zero, errNoReply
	}
	v, mine := res.Reply.(*value[T])
	if !mine || v.of != d {
		res.Discard()
		return zero, errForeignReply
	}
	return v.v, nil
}

// doing is one Do: its Call, its Record and its first value in one allocation.
type doing[T any] struct {
	call   Call
	record Record
	f      func(context.Context) (T, error)
	first  value[T]
}

// Send calls f.
func (d *doing[T]) Send(ctx context.Context, call *Call) Result {
	ctx = call.Context(ctx)
	if ctx.Err() != nil { // f is not called
		call.Unsent()
		err := context.Cause(ctx)
		v := VerdictOf(ctx, err)
		return Result{Err: err, Class: v.Class, Code: v.Code}
	}
	v, err := d.f(ctx)
	if err != nil {
		return d.failed(ctx, err)
	}
	reply := &d.first
	if call != &d.call {
		reply = new(value[T])
	}
	reply.of, reply.v = d, v
	return Result{Reply: reply, Class: Success, Code: CodeOK}
}

// failed makes the Result of an error of f.
func (d *doing[T]) failed(ctx context.Context, err error) Result {
	verdict := VerdictOf(ctx, err)
	if d.call.Classify != nil && ended(ctx) == alive {
		if said, ok := d.call.Classify(unmarked(err)); ok {
			verdict.Class, verdict.Code = said.Class, cmp.Or(said.Code, verdict.Code)
			verdict.After = cmp.Or(said.After, verdict.After)
		}
	}
	err = unmarked(err)
	if limit := RanOut(ctx); limit != nil {
		switch {
		case err == ctx.Err(), err == context.Canceled: // of a context that f has derived
			err = limit // says which limit, and is a context.DeadlineExceeded all the same
		case errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded):
			err = &limitedError{limit, err}
		}
	}
	return Result{Err: err, Class: verdict.Class, Code: verdict.Code, After: verdict.After}
}

// A limitedError is an error of a function that took the end of its time for a cancel:
// it is the limit too.
type limitedError struct {
	*TimeoutError
	err error
}

func (e *limitedError) Error() string   { return e.err.Error() + ": " + e.TimeoutError.Error() }
func (e *limitedError) Unwrap() []error { return []error{e.TimeoutError, e.err} }

// A value is the Reply of a plain function: over as soon as it is there.
type value[T any] struct {
	of   *doing[T]
	v    T
	gone atomic.Bool
}

func (v *value[T]) Discard() {
	if v.gone.Swap(true) {
		return
	}
	if c, ok := any(v.v).(io.Closer); ok && !isNil(c) {
		_ = c.Close() // nobody is left to be told
	}
}

// isNil reports whether there is nothing in c to be closed: many functions return a nil
// pointer for a value that is not there, and few Close methods expect one.
func isNil(c io.Closer) bool {
	switch v := reflect.ValueOf(c); v.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Func, reflect.Chan, reflect.Slice, reflect.UnsafePointer:
		return v.IsNil()
	default:
		return false
	}
}

func (v *value[T]) OnDone(h Hook, token uint64) {
	if h != nil {
		h.Done(token, End{Class: Success, Code: CodeOK})
	}
}
