package grpcclient

import (
	"net"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/holdfast-go/holdfast"
)

// An arrival is what is known of an attempt that failed, beside its status: how far it
// got, and what came back. The text of a status proves nothing of that, since a server may
// have written it, or passed on what another one wrote.
type arrival struct {
	request any       // nil: it is not known
	due     time.Time // the deadline that the server was told; zero: none, or it is not known
	on      bool      // it had a stream on a connection
	sending bool      // the error is one of SendMsg, which is never a server's
	unread  bool      // it is one of decoding what came, in this process
	heard   hearing   // whether anything of the server's answer arrived
	trailer metadata.MD
}

// A hearing says whether HEADERS of the server arrived on a stream.
type hearing uint8

const (
	unknown hearing = iota
	unsent          // it had a connection, and no stream was made on it
	unheard         // nothing arrived
	headers         // they did
	begun           // they did, and then the stream was refused
)

// contentType is in every first HEADERS of a server: in the header, or in the trailer
// where the server sent nothing else (gRPC's "Trailers-Only").
const contentType = "content-type"

// silent reports whether no server has written the status: it can only be gRPC's own.
func (a arrival) silent() bool {
	if _, is := a.trailer[contentType]; is {
		return false
	}
	return !a.on || a.sending || a.heard == unheard || a.heard == unsent
}

// refused reports whether an attempt that failed as UNAVAILABLE did no work at any server:
// gRPC had no connection to put it on, or the server has refused the stream, for the second
// time, and has sent nothing else on it.
func (a arrival) refused(s *status.Status) bool { return a.untaken(s) || !a.on && unconnected(s) }

// untaken reports whether the stream of an attempt was refused, or let go as the server was
// about to close its connection, and nothing else was sent on it.
func (a arrival) untaken(s *status.Status) bool {
	return a.on && (isRefusedStream(s) || s.Code() == codes.Unavailable && begins(s, drained...)) && a.silent()
}

// drained is what gRPC says of a stream that a GOAWAY left out, or that was not written when its
// connection ended.
var drained = []string{"the connection is draining", "the stream is rejected because server is draining the connection", "transport is closing"}

// noReplay keeps gRPC from sending a message once more by itself. It does so where a stream was
// refused, or let go by a GOAWAY, also when the server had begun to answer on it; what no server
// has begun is sent once more from here.
var noReplay grpc.CallOption = grpc.MaxRetryRPCBufferSize(0)

// overdue reports whether the server gave the call up at the deadline that it was told. A
// limit of ours that has moved since, as it does when this process stood still, has it go on
// here; but there is nothing to wait for.
func (a arrival) overdue(s *status.Status) bool {
	return (s.Code() == codes.DeadlineExceeded || s.Code() == codes.Canceled) && !a.due.IsZero() && !time.Now().Before(a.due)
}

func isRefusedStream(s *status.Status) bool {
	return s.Code() == codes.Unavailable && strings.HasPrefix(s.Message(), "stream terminated by RST_STREAM with error code: REFUSED_STREAM")
}

// unconnected reports whether gRPC, which says so in words alone, had no connection.
func unconnected(s *status.Status) bool {
	return s.Code() == codes.Unavailable && begins(s, "connection error: desc = ", "last connection error: ", unresolved, "last resolver error: ")
}

// begins reports whether the message begins with one of the words.
func begins(s *status.Status, words ...string) bool {
	for _, w := range words {
		if strings.HasPrefix(s.Message(), w) {
			return true
		}
	}
	return false
}

// nowhere is the address of an attempt before it has a connection, and of one that never
// had any: that of a connection can be nil.
var nowhere net.Addr = noAddr{}

type noAddr struct{}

func (noAddr) Network() string { return "" }
func (noAddr) String() string  { return "" }

// reached returns whether gRPC has told of a peer, and its address.
func reached(p *peer.Peer) (addr string, on bool) {
	switch p.Addr {
	case nowhere:
		return "", false
	case nil:
		return "", true
	}
	return p.Addr.String(), true
}

// untold is a header before gRPC has told of one, known by a key that none can have.
var untold = metadata.MD{untoldKey: nil}

const untoldKey = ""

// headed is what a header that gRPC was asked for says.
func headed(header metadata.MD) hearing {
	if _, is := header[untoldKey]; is {
		return unknown
	}
	if header == nil {
		return unheard
	}
	return headers
}

// A witness knows of the attempts of a call what gRPC's balancer, or a stats.Handler, was
// told of them: whether HEADERS arrived. It costs nothing where there is neither.
type witness struct{ word atomic.Int64 }

// saw notes what there is to be known of an attempt. That HEADERS arrived stays known of all
// that gRPC sends for it, also when it sends the attempt again by itself. A nil witness does
// nothing.
func (w *witness) saw(call *holdfast.Call, h hearing) {
	if w == nil {
		return
	}
	if known := w.tells(call.Attempt); known >= headers {
		h = max(known, h)
	}
	w.word.Store(int64(call.Attempt)<<8 | int64(h))
}

// heard is what both a header that gRPC was asked for and the witness say.
func (w *witness) heard(attempt int, header metadata.MD) hearing {
	h := w.tells(attempt)
	if h == unsent {
		return h
	}
	return max(h, headed(header))
}

// tells returns what was noted of the attempt.
func (w *witness) tells(attempt int) hearing {
	if w == nil {
		return unknown
	}
	if word := w.word.Load(); word>>8 == int64(attempt) {
		return hearing(word & 0xff)
	}
	return unknown
}

// sender is what a Call of this package is sent by.
type sender interface{ about() (*rpc, *witness) }

func (u *unary) about() (*rpc, *witness)   { return &u.rpc, &u.witness }
func (s *session) about() (*rpc, *witness) { return &s.rpc, &s.witness }

// witnessOf returns the witness of the call; nil where there is none.
func witnessOf(call *holdfast.Call) *witness {
	if call == nil {
		return nil
	}
	if s, ok := call.Sender.(sender); ok {
		_, w := s.about()
		return w
	}
	return nil
}
