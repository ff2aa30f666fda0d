package discovery

import (
	"testing"

	"github.com/holdfast-go/holdfast/internal/alloctest"
)

// Whatever a server answers, reading it comes to an end, to records that make sense, and takes
// memory in proportion: a record has 11 bytes at least, and may stand for a name of 254.
func FuzzDNSAnswer(f *testing.F) {
	query, err := question(7, "users.test", typeA)
	if err != nil {
		f.Fatal(err)
	}
	answer := append([]byte(nil), query[:len(query)-11]...) // without EDNS
	answer[2], answer[7], answer[11] = 0x80, 1, 0
	f.Add(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 0, 1))
	f.Add(append(answer, 0xc0, 28, 0, 33, 0, 1, 0, 0, 0, 60, 0, 9, 0, 1, 0, 2, 0, 3, 0xc0, 12, 0))
	f.Fuzz(func(t *testing.T, message []byte) {
		for _, kind := range []uint16{typeA, typeAAAA, typeSRV} {
			var records []record
			var mine bool
			var err error
			alloctest.Within(t, 64<<10+100*len(message), func() { records, mine, err = parse(message, 7, "users.test", kind) })
			if !mine && len(records) > 0 {
				t.Error("records of somebody else's answer")
			}
			for _, r := range records {
				if err == nil && (r.kind == typeA || r.kind == typeAAAA) && !r.ip.IsValid() || r.kind == typeSRV && (len(r.target) > 254 || !hostName(r.target)) || r.ttl < 0 {
					t.Errorf("%+v", r)
				}
			}
		}
	})
}
