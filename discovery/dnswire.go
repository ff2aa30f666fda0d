package discovery

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"time"
)

// What is spoken of DNS here: one question about A, AAAA or SRV records over UDP,
// and over TCP when the answer was cut (RFC 1035, RFC 2782, RFC 6891).
const (
	typeA    = 1
	typeAAAA = 28
	typeSRV  = 33
	typeOPT  = 41
	classIN  = 1

	maxUDP = 1232 // what fits everywhere (DNS flag day 2020)

	flagResponse  = 1 << 15
	flagTruncated = 1 << 9
	flagRecursion = 1 << 8
)

// A record is one of those three kinds.
type record struct {
	kind                   uint16
	ttl                    time.Duration
	ip                     netip.Addr
	priority, weight, port uint16
	target                 string
}

var errCut = errors.New("the answer was cut")

// ask asks a server for the records of a name. A name that is not there is a
// *net.DNSError that says so.
func ask(ctx context.Context, server, name string, kind uint16) ([]record, error) {
	id := uint16(rand.Uint32()) //nolint:gosec // a guess at it is one in 65,536 and a port
	query, err := question(id, name, kind)
	if err != nil {
		return nil, err
	}
	answer, err := exchange(ctx, "udp", server, query, id, name, kind)
	if errors.Is(err, errCut) {
		answer, err = exchange(ctx, "tcp", server, query, id, name, kind)
	}
	return answer, err
}

func exchange(ctx context.Context, network, server string, query []byte, id uint16, name string, kind uint16) ([]record, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var answer []record
	if network == "tcp" {
		answer, err = overTCP(conn, query, id, name, kind)
	} else {
		answer, err = overUDP(conn, query, id, name, kind)
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return answer, err
}

func overTCP(conn net.Conn, query []byte, id uint16, name string, kind uint16) ([]record, error) {
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		return nil, err
	}
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	message := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, message); err != nil {
		return nil, err
	}
	answer, mine, err := parse(message, id, name, kind)
	if err == nil && !mine {
		err = errors.New("an answer to another question")
	}
	return answer, err
}

// overUDP asks again once a second, until the context ends: datagrams get lost.
func overUDP(conn net.Conn, query []byte, id uint16, name string, kind uint16) ([]record, error) {
	message := make([]byte, 64<<10)
	for tries := 0; ; tries++ {
		if _, err := conn.Write(query); err != nil {
			return nil, err
		}
		again := time.Now().Add(time.Second << min(tries, 3))
		for {
			if err := conn.SetReadDeadline(again); err != nil {
				return nil, err
			}
			n, err := conn.Read(message)
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				if tries == 3 || time.Now().Before(again) { // or the context has ended
					return nil, err
				}
				break
			}
			if err != nil {
				return nil, err
			}
			// What is no answer to our question is somebody else's, or forged.
			if answer, mine, err := parse(message[:n], id, name, kind); mine {
				return answer, err
			}
		}
	}
}

// question writes a query.
func question(id uint16, name string, kind uint16) ([]byte, error) {
	b := binary.BigEndian.AppendUint16(nil, id)
	b = binary.BigEndian.AppendUint16(b, flagRecursion)
	for _, n := range []uint16{1, 0, 0, 1} { // one question, one EDNS record
		b = binary.BigEndian.AppendUint16(b, n)
	}
	name = strings.TrimSuffix(name, ".")
	if len(name) > 253 {
		return nil, fmt.Errorf("the name %.20q… is too long", name)
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 {
			return nil, fmt.Errorf("%q is no name of a host", name)
		}
		b = append(append(b, byte(len(label))), label...)
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, classIN)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint16(b, typeOPT)
	b = binary.BigEndian.AppendUint16(b, maxUDP)
	return append(b, 0, 0, 0, 0, 0, 0), nil
}

var errMalformed = errors.New("the answer is malformed")

// parse reads an answer. mine reports whether it is one to the question.
func parse(m []byte, id uint16, name string, kind uint16) (answer []record, mine bool, err error) {
	if len(m) < 12 || binary.BigEndian.Uint16(m) != id {
		return nil, false, errMalformed
	}
	flags := binary.BigEndian.Uint16(m[2:])
	questions, answers := int(binary.BigEndian.Uint16(m[4:])), int(binary.BigEndian.Uint16(m[6:]))
	if flags&flagResponse == 0 || questions != 1 {
		return nil, false, errMalformed
	}
	asked, at, ok := readName(m, 12)
	if !ok || at+4 > len(m) || !strings.EqualFold(asked, strings.TrimSuffix(name, ".")) || binary.BigEndian.Uint16(m[at:]) != kind {
		return nil, false, errMalformed
	}
	at += 4
	switch code := flags & 15; {
	case code == 3:
		return nil, true, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case code != 0:
		return nil, true, &net.DNSError{Err: fmt.Sprintf("the server says %s", codeName(code)), Name: name, IsTemporary: true}
	case flags&flagTruncated != 0:
		return nil, true, errCut
	}
	for range answers {
		var r record
		if r, at, ok = readRecord(m, at); !ok {
			return nil, true, errMalformed
		}
		answer = append(answer, r)
	}
	return answer, true, nil
}

func codeName(code uint16) string {
	switch code {
	case 1:
		return "FORMERR"
	case 2:
		return "SERVFAIL"
	case 4:
		return "NOTIMP"
	case 5:
		return "REFUSED"
	}
	return fmt.Sprint(code)
}

func readRecord(m []byte, at int) (r record, next int, ok bool) {
	_, at, ok = readName(m, at)
	if !ok || at+10 > len(m) {
		return r, 0, false
	}
	class, size := binary.BigEndian.Uint16(m[at+2:]), int(binary.BigEndian.Uint16(m[at+8:]))
	ttl := binary.BigEndian.Uint32(m[at+4:])
	if ttl > 1<<31 { // RFC 2181 section 8
		ttl = 0
	}
	kind := binary.BigEndian.Uint16(m[at:])
	at += 10
	if at+size > len(m) {
		return r, 0, false
	}
	data := m[at : at+size]
	r.ttl = time.Duration(ttl) * time.Second
	if class == classIN {
		switch {
		case kind == typeA && size == 4, kind == typeAAAA && size == 16:
			r.ip, _ = netip.AddrFromSlice(data)
			r.kind = kind
		case kind == typeSRV && size > 6:
			r.priority, r.weight, r.port = binary.BigEndian.Uint16(data), binary.BigEndian.Uint16(data[2:]), binary.BigEndian.Uint16(data[4:])
			if r.target, _, ok = readName(m, at+6); !ok {
				return r, 0, false
			}
			if hostName(r.target) {
				r.kind = kind // else it is none of ours: nothing could be asked of it
			}
		case kind == typeA, kind == typeAAAA, kind == typeSRV:
			return r, 0, false
		}
	}
	return r, at + size, true
}

// hostName reports whether a name can be that of a host: a label of DNS may hold any byte, a dot too,
// and the root alone says that there is no such service (RFC 2782).
func hostName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.ContainsFunc(label, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return false
		}
	}
	return len(name) <= 253
}

// maxJumps is more than a name can need, which has 127 labels at most.
const maxJumps = 127

// readName reads a name, which may go on elsewhere in the message. Each jump leads
// further back, so that it comes to an end; and there are few, so that a message full of
// jumps is read as quickly as any other.
func readName(m []byte, at int) (name string, next int, ok bool) {
	var b strings.Builder
	limit := at + 1
	jumps := 0
	for jumped := false; ; {
		if at >= len(m) {
			return "", 0, false
		}
		n := int(m[at])
		switch {
		case n == 0:
			if !jumped {
				next = at + 1
			}
			return b.String(), next, true
		case n&0xc0 == 0xc0:
			if at+1 >= len(m) {
				return "", 0, false
			}
			to := (n&0x3f)<<8 | int(m[at+1])
			if !jumped {
				next, jumped = at+2, true
			}
			if jumps++; to >= limit-1 || jumps > maxJumps {
				return "", 0, false
			}
			at, limit = to, to+1
		case n > 63 || at+1+n > len(m) || b.Len()+n > 254:
			return "", 0, false
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			b.Write(m[at+1 : at+1+n])
			at += 1 + n
		}
	}
}
