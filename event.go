package holdfast

import (
	"log/slog"
	"time"
)

// An Event is what a policy, or a transport, tells of something that it has decided, or
// of a change of its own state, and why. It is passed by value. Which fields are set
// depends on the Kind; zero means that there is none, or that it is not known.
//
//	Kind           Policy       what has happened                                   Reason
//	retry          retry        the Attempt came to Class, Code and Err, and the    –
//	                            next one follows after Wait
//	retry_stopped  retry        the call comes to these, and no Attempt follows     told caution body not_repeatable attempts budget
//	                                                                                deadline after schedule layer ended code class, or a
//	                                                                                Code
//	hedge          hedge        the Attempt is to be sent, Wait after the last one  –
//	hedge_denied   hedge        none is sent, though it was due                     budget share layer body
//	hedge_won      hedge        the call has the answer of the Attempt              –
//	rejection      breaker      a call was not sent; it was answered with Code      open half-open isolated
//	               limit, rate  and Err                                             full queue waited deadline
//	               balance                                                          no_endpoint
//	               gate                                                             closed
//	circuit        breaker      the circuit Target went From closed, open,          consecutive_failures broken failure_ratio
//	                            half-open or isolated To another; it is open        slow probe due hand
//	                            for Wait
//	table_full     breaker      the Target, a key of the policy, found no room      max_keys max_targets
//	               limit, rate  among those that have a state of their own; Detail
//	               retry, hedge says how many calls did not. It is told of the
//	               timeout      first one, and each time their number has doubled
//	endpoint       balance      the Endpoint is To be ejected (for Wait),           consecutive_failures failure_ratio
//	                            spared (too many are out), probing, back,           success_rate probe due check
//	                            unhealthy or healthy
//	discovery      balance      the resolver Target has answered, or Err; Attrs:    error empty
//	                            endpoints, with added, removed and refused, or for how
//	                            long it has been stale
//	replay         transport    it has sent the Attempt once more by itself         –
//	wire_attempt   transport    gRPC's attempt at the Endpoint ended with Code;     transparent
//	                            Attrs: hedge
//	native_retry   transport    gRPC itself repeats the Method                      –
//
// Why a retry stops: the server has told it to; the transport's caution (a 500 may be a
// bug); the body was too long to be kept; all attempts are made; the budget is empty; there
// is no time left before the deadline; the server asks for a longer wait than it may
// (after); the schedule is at its end; another layer repeats, the context forbids it, or the client is closed;
// the call's context has ended; the code is not one of Options.Codes; its class allows no
// repeat. The Code is that of what was rejected or could not be sent here: "circuit_open",
// "limited", "no_endpoint", "cancelled", …
//
// Why a circuit changes: failures in a row, or answers in a row that broke off; the part of
// the calls that failed, or were slow; what its probe has come to; a probe is due; by hand.
//
// A policy of your own rejects by [Call.Reject], which makes the event, and tells what else
// it decides by [Call.Tell], with Kinds of its own where none of these fits.
type Event struct {
	Kind   string     // what it is, for metrics and filters: one of few words
	Level  slog.Level // how much it matters to a log
	Policy string     // who tells: "retry", "breaker", …

	Target, Method, Endpoint string // whom it is about; the Target of a circuit is its key
	Attempt                  int    // the number of the attempt
	Class                    Class
	Code                     Code
	From, To                 string // a change of state

	Reason string        // why, for metrics: one of few words
	Detail string        // why, for people
	Wait   time.Duration // until the next attempt, since the one before, or how long it will last
	Err    error

	Attrs []slog.Attr // what else there is to say; whoever is told leaves it as it is
}

// LogValue is what there is to say: a group of each field that is not zero, under its name
// in lower case, and Attrs. A log has the Kind and the Level elsewhere. The error is left
// out, since its text may hold a URL with what must not be logged; in a Detail that is of an
// error, as for discovery, URLs are cut to their hosts.
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
