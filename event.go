package holdfast

import (
	"log/slog"
	"time"
)

// An Event is what a policy, or a transport, tells of something that it has decided, or
// of a change of its own state, and why. It is passed by value; what it points to is not
// changed. Which fields are set depends on the Kind, and zero is always "not known":
//
//	Kind           Policy     tells                                       Reason
//	retry          retry      attempt Attempt came to Class, Code and     –
//	                          Err; the next one follows after Wait
//	retry_stopped  retry      likewise, and none follows                  told caution body not_repeatable attempts budget
//	                                                                      deadline after schedule layer ended code class,
//	                                                                      or a Code: circuit_open, limited, no_endpoint, …
//	hedge          hedge      attempt Attempt is sent, Wait after the     –
//	                          one before
//	hedge_denied   hedge      none is sent, although it was due           budget share layer body
//	hedge_won      hedge      the answer of attempt Attempt is the call's –
//	rejection      breaker    a call was answered with Err and Code in    open half-open isolated
//	               limit      the place of being sent                     full queue waited deadline
//	               rate                                                   full queue waited deadline
//	               balance                                                no_endpoint
//	circuit        breaker    the circuit Target went From one state To   row broken failures slow probe due hand
//	                          another: closed, open, half-open,
//	                          isolated; to open, for Wait
//	endpoint       balance    Endpoint is To be ejected (for Wait),       row failures success_rate probe; due; probe;
//	                          spared (it would be, but too many are),     check
//	                          probing, back, ill or well
//	discovery      balance    what the resolver Target has answered, or   error empty
//	                          Err; Attrs: endpoints, added, removed, or
//	                          for how long the set is stale
//	replay         transport  it has sent attempt Attempt once more       –
//	wire_attempt   transport  gRPC's attempt at Endpoint ended with Code; transparent
//	                          Attrs: hedge
//	native_retry   transport  gRPC itself repeats Method                  –
//
// Reasons of a retry that is stopped: the server told it not to repeat; the transport's
// caution (a 500 may be a bug); the body was too long to be kept; the call is not
// repeatable; all attempts are made; the budget is empty; no time is left before the
// deadline; the server asks for too long a wait (after); the schedule has ended; another
// layer repeats, or the context forbids it; the call's context has ended; the Code is not
// one of Codes; the Class allows no repeat.
//
// Reasons of a circuit: failures in a row; broken answers in a row; the part of failures;
// that of slow calls; what a probe came to; a probe is due; somebody's hand.
//
// A policy of your own tells of rejections by [Call.Reject]; for what else it has to say, it
// has Kinds of its own, or these.
type Event struct {
	Kind   string     // what it is, for metrics and filters: one of few words
	Level  slog.Level // how much it matters to a log
	Policy string     // who tells: "retry", "breaker", …

	Target, Method, Endpoint string // whom it is about; the Target of a circuit is its key
	Attempt                  int    // the number of the attempt

	Class    Class
	Code     Code
	From, To string // a change of state

	Reason string        // why, for metrics: one of few words
	Detail string        // why, for people
	Wait   time.Duration // until the next attempt, since the one before, or for how long
	Err    error         // not logged: its text may hold a URL

	Attrs []slog.Attr // what else there is to say; it is not changed
}

// LogValue is all that there is to say but the Kind, the Level and the error: a group with
// an attribute for each field that is not zero, and Attrs.
func (e Event) LogValue() slog.Value {
	attrs := make([]slog.Attr, 0, 12+len(e.Attrs))
	word := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	word("policy", e.Policy)
	word("target", e.Target)
	word("method", e.Method)
	word("endpoint", e.Endpoint)
	if e.Attempt != 0 {
		attrs = append(attrs, slog.Int("attempt", e.Attempt))
	}
	if e.Class != 0 {
		word("class", e.Class.String())
	}
	word("code", string(e.Code))
	word("from", e.From)
	word("to", e.To)
	word("reason", e.Reason)
	word("detail", e.Detail)
	if e.Wait != 0 {
		attrs = append(attrs, slog.Duration("wait", e.Wait))
	}
	return slog.GroupValue(append(attrs, e.Attrs...)...)
}
