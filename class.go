package holdfast

// A Class is the verdict on one sending: whose doing the outcome was, how the server
// is, and whether the call may be sent again.
//
// The principle behind all of them: nothing that this process did, or failed to do,
// counts against a server; and nothing that a server did is taken for the caller's
// doing.
type Class uint8

const (
	// Ignored says nothing about the server: the caller cancelled, another attempt
	// won, the server had no chance to answer, or a policy of ours rejected the call.
	Ignored Class = iota
	// Success: the server answered for itself, with "not found" too.
	Success
	// Failure: the server failed, and may have done some of the work.
	Failure
	// Overload: the server asks for less. Repeat later, and only what is Repeatable.
	Overload
	// Refused: the server is not there, or did none of the work. Repeating is
	// harmless, whatever the method.
	Refused
	// Conflict: the server is well and undid, or never began, the work, since it met
	// other work. The same call may be sent again: a transaction that lost a
	// serialization race and is run again as a whole, 425 Too Early, 421 Misdirected
	// Request.
	Conflict
	// Relayed: the server is well and passes on the failure of another one behind it.
	Relayed
	// LocalFault: the call cannot be sent as it is, or its answer not be taken: a
	// message that cannot be marshalled or is larger than our own limit, illegal
	// metadata, a body that cannot be read. It will be the same next time.
	LocalFault
	// LocalShortage: nothing was sent, since this process lacked what it takes:
	// credentials, a port, a file descriptor, a connection slot of its own.
	LocalShortage
	// LocalPause: time ran out while this process stood still for a part of it, so
	// that the server did not have its time, or its answer was not read. It may have
	// done the work.
	LocalPause
)

// A Health is how a server is, as far as one outcome tells.
type Health uint8

// What an outcome tells of the server.
const (
	Unknown    Health = iota // nothing
	Healthy                  // it answers
	Unhealthy                // it fails, or is not there
	Overloaded               // it has too much to do
)

// String returns the name in lower case.
func (h Health) String() string {
	if int(h) < len(healths) {
		return healths[h]
	}
	return healths[Unknown]
}

var healths = [...]string{"unknown", "healthy", "unhealthy", "overloaded"}

// again says which calls may be sent again.
type again uint8

const (
	never again = iota
	ifRepeatable
	always
)

// meanings is the one table of what each Class means to those who ask.
var meanings = [...]struct {
	name   string
	server Health
	again  again
	sample bool
}{
	Ignored:       {"ignored", Unknown, never, false},
	Success:       {"success", Healthy, never, true},
	Failure:       {"failure", Unhealthy, ifRepeatable, false},
	Overload:      {"overload", Overloaded, ifRepeatable, false},
	Refused:       {"refused", Unhealthy, always, false},
	Conflict:      {"conflict", Healthy, always, false},
	Relayed:       {"relayed", Healthy, ifRepeatable, false},
	LocalFault:    {"local_fault", Unknown, never, false},
	LocalShortage: {"local_shortage", Unknown, always, false},
	LocalPause:    {"local_pause", Unknown, ifRepeatable, false},
}

// known is c, or Ignored for a value that is no Class, so that it harms nobody.
func (c Class) known() Class {
	if int(c) < len(meanings) {
		return c
	}
	return Ignored
}

// Server returns how the server is, as far as the outcome tells.
func (c Class) Server() Health { return meanings[c.known()].server }

// Again reports whether the outcome allows a call to be sent again, by what is said of
// the call: whether sending it twice does no harm. Again(true) is false where no call
// may be, Again(false) is true where any may be.
func (c Class) Again(repeatable bool) bool {
	a := meanings[c.known()].again
	return a == always || a == ifRepeatable && repeatable
}

// Sample reports whether the time that the attempt took tells how long the server
// takes.
func (c Class) Sample() bool { return meanings[c.known()].sample }

// String returns the name in lower case.
func (c Class) String() string {
	if int(c) < len(meanings) {
		return meanings[c].name
	}
	return "unknown"
}
