package discovery_test

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// An answer is what the DNS server of these tests says to one question.
type answer struct {
	code     byte // 0, 2 SERVFAIL, 3 NXDOMAIN, …
	addrs    []string
	services []service
	ttl      uint32
	cut      bool // over UDP
	silent   bool // nothing is said
	wrongID  bool // a forged one is sent first
	garbage  bool // the records make no sense
	wait     time.Duration
}

type service struct {
	priority, weight, port uint16
	target                 string
}

// A dnsServer speaks real DNS over UDP and TCP on loopback.
type dnsServer struct {
	addr string
	mu   sync.Mutex
	zone map[string]answer // by name
	asks []string          // "udp A name"
}

func newDNSServer(t *testing.T) *dnsServer {
	t.Helper()
	var packets net.PacketConn
	var streams net.Listener
	for range 20 { // one port for both
		var err error
		if packets, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		if streams, err = net.Listen("tcp", packets.LocalAddr().String()); err == nil {
			break
		}
		_ = packets.Close()
	}
	if streams == nil {
		t.Fatal("no port for UDP and TCP")
	}
	s := &dnsServer{addr: packets.LocalAddr().String(), zone: map[string]answer{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 4096)
		for {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return
			}
			query := append([]byte(nil), buf[:n]...)
			wg.Go(func() {
				for _, reply := range s.replies(query, "udp") {
					_, _ = packets.WriteTo(reply, from)
				}
			})
		}
	})
	wg.Go(func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = conn.Close() }()
				var size [2]byte
				if _, err := io.ReadFull(conn, size[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(conn, query); err != nil {
					return
				}
				for _, reply := range s.replies(query, "tcp") {
					_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...))
				}
			})
		}
	})
	t.Cleanup(func() { _ = packets.Close(); _ = streams.Close(); wg.Wait() })
	return s
}

func (s *dnsServer) set(name string, a answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone[name] = a
}

func (s *dnsServer) asked(what string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.asks {
		if strings.HasPrefix(a, what) {
			n++
		}
	}
	return n
}

var kinds = map[uint16]string{1: "A", 28: "AAAA", 33: "SRV"}

func (s *dnsServer) replies(query []byte, network string) [][]byte {
	name, end := "", 12
	for query[end] != 0 {
		n := int(query[end])
		name += string(query[end+1:end+1+n]) + "."
		end += 1 + n
	}
	name = strings.TrimSuffix(name, ".")
	end++
	kind := binary.BigEndian.Uint16(query[end:])
	question := query[12 : end+4]
	s.mu.Lock()
	a, known := s.zone[name]
	s.asks = append(s.asks, network+" "+kinds[kind]+" "+name)
	s.mu.Unlock()
	if !known {
		a.code = 3
	}
	if a.silent {
		return nil
	}
	if a.wait > 0 {
		timer := time.NewTimer(a.wait)
		<-timer.C
	}
	var records [][]byte
	record := func(data []byte) {
		r := []byte{0xc0, 12} // the question's name
		r = binary.BigEndian.AppendUint16(r, kind)
		r = binary.BigEndian.AppendUint16(r, 1)
		r = binary.BigEndian.AppendUint32(r, a.ttl)
		r = binary.BigEndian.AppendUint16(r, uint16(len(data)))
		records = append(records, append(r, data...))
	}
	for _, addr := range a.addrs {
		ip := netip.MustParseAddr(addr)
		if ip.Is4() == (kind == 1) && (kind == 1 || kind == 28) {
			record(ip.AsSlice())
		}
	}
	for _, srv := range a.services {
		if kind != 33 {
			break
		}
		data := binary.BigEndian.AppendUint16(nil, srv.priority)
		data = binary.BigEndian.AppendUint16(data, srv.weight)
		data = binary.BigEndian.AppendUint16(data, srv.port)
		for label := range strings.SplitSeq(srv.target, ".") {
			if label != "" { // else it is the root
				data = append(append(data, byte(len(label))), label...)
			}
		}
		record(append(data, 0))
	}
	if a.garbage {
		record([]byte{1, 2, 3})
	}
	flags := uint16(1<<15|1<<8|1<<7) | uint16(a.code)
	if a.cut && network == "udp" {
		flags |= 1 << 9
		records = nil
	}
	reply := append([]byte(nil), query[:2]...)
	reply = binary.BigEndian.AppendUint16(reply, flags)
	for _, n := range []int{1, len(records), 0, 0} {
		reply = binary.BigEndian.AppendUint16(reply, uint16(n))
	}
	reply = append(reply, question...)
	for _, r := range records {
		reply = append(reply, r...)
	}
	if a.wrongID {
		forged := append([]byte(nil), reply...)
		forged[0]++
		return [][]byte{forged, reply}
	}
	return [][]byte{reply}
}
