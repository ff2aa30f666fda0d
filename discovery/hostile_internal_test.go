package discovery

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/internal/alloctest"
)

// Whatever stands in a file, reading it takes memory in proportion, and yields what can be used.
func FuzzFile(f *testing.F) {
	f.Add([]byte("a:1 weight=3 zone=x"))
	f.Add([]byte(`[{"addr": "a:1", "metadata": {"a": "b"}}]`))
	f.Add([]byte(`{"endpoints": ["a:1", {"addr": "b\n:1"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var endpoints []Endpoint
		var err error
		alloctest.Within(t, 128<<10+200*len(text), func() { endpoints, err = parseFile(text) })
		if err != nil && len(err.Error()) > 500 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
		for _, e := range endpoints {
			if err == nil && (e.Addr == "" || strings.ContainsAny(e.Addr+e.Zone+e.Key, "\r\n\x00") || e.Priority < 0) {
				t.Errorf("%q yields %+v", text, e)
			}
		}
	})
}

// A file of any shape is read in proportion to its length, or refused with a short error.
func TestAHostileFileTakesLittle(t *testing.T) {
	const n = 300_000
	fill := func(begin, part, end string) string { return begin + strings.Repeat(part, n/len(part)) + end }
	for name, x := range map[string]struct{ text, want string }{
		"lists within each other":   {fill("", "[", ""), "exceeded max depth"},
		"objects within each other": {fill("[", `{"a":`, ""), "exceeded max depth"},
		"a key without an end":      {fill(`[{"`, "k", `":1}]`), "unknown field"},
		"a key in metadata":         {fill(`[{"addr":"a:1","metadata":{"`, "k", `":1}}]`), "[0]."},
		"a long address":            {fill("", "a", " weight=x"), ""},
		"a field without an end":    {"a:1 " + strings.Repeat("b", 50_000), "…"},
		"a line without an end":     {fill("a:1 weight=", "9", ""), "too long"},
		"addresses of one letter":   {fill("[", `"a",`, `"a"]`), ""},
		"lines of one letter":       {fill("", "a\n", ""), "more than 100000 addresses"},
		"too many in JSON":          {"[" + strings.Repeat(`"a",`, 100_000) + `"a"]`, "more than 100000 addresses"},
		"no addresses":              {fill("[", "{},", "{}]"), "[0].addr: it must be there"},
		"two lists":                 {`["a:1"] ["b:1"]`, "something follows"},
		"what follows":              {`{"endpoints": ["a:1"]} x`, "something follows"},
		"a line break":              {`["a:1\r\nX: 1"]`, `[0].addr: "a:1\r\nX: 1" has a control character`},
		"a zero":                    {"a:1\x00", `line 1: addr: "a:1\x00" has a control character`},
		"a zone":                    {`[{"addr": "a:1", "zone": "x\ny"}]`, "[0].zone, key"},
		"no list":                   {`{"endpoints": {}}`, "no list"},
		"one list twice":            {`{"endpoints": ["a:1"], "endpoints": ["b:1"]}`, "twice"},
		"one of none first":         {`{"endpoints": [], "endpoints": ["b:1"]}`, "twice"},
		"metadata":                  {`[{"addr": "a:1", "metadata": {"a": "b\nX: y"}}]`, "[0].metadata: a has a control character"},
		"its names":                 {`[{"addr": "a:1", "metadata": {"a\u0000": "b"}}]`, `[0].metadata: "a\x00" has a control character`},
		"a longer address":          {fill(`["`, "a", `:1"]`), "longer than 4096 bytes"},
		"a long value":              {fill(`[{"addr": "a:1", "metadata": {"a": "`, "b", `"}}]`), "longer than 4096 bytes"},
		"a long line, which":        {"a:1\nb:1\n" + fill("a:1 weight=", "9", ""), "line 3: "},
	} {
		var err error
		alloctest.Within(t, 128<<10+200*len(x.text), func() { _, err = parseFile([]byte(x.text)) })
		switch {
		case x.want == "" && err != nil && len(err.Error()) > 500, x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)):
			t.Errorf("%s: %.200v, want %q", name, err, x.want)
		case err != nil && len(err.Error()) > 500:
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

// reply is an answer to a question, with records after it.
func reply(t *testing.T, kind uint16, n int, records []byte) []byte {
	t.Helper()
	m, err := question(7, "users.test", kind)
	if err != nil {
		t.Fatal(err)
	}
	m = m[:len(m)-11] // without EDNS
	m[2], m[11] = 0x80, 0
	binary.BigEndian.PutUint16(m[6:], uint16(n))
	return append(m, records...)
}

// Names that jump from each to the one before would cost the square of their number.
func TestNamesThatOnlyJumpAreRefused(t *testing.T) {
	at := len(reply(t, typeA, 0, nil))
	var chain []byte
	for i := range 7000 {
		to := 12
		if i > 0 {
			to = at + 12 + 2*(i-1)
		}
		chain = append(chain, 0xc0|byte(to>>8), byte(to))
	}
	record := func(name []byte, data []byte) []byte {
		b := append(append([]byte(nil), name...), 0, 99, 0, 1, 0, 0, 0, 1)
		return append(binary.BigEndian.AppendUint16(b, uint16(len(data))), data...)
	}
	records := record([]byte{0xc0, 12}, chain)
	last := at + 12 + len(chain) - 2
	for range 3000 {
		records = append(records, record([]byte{0xc0 | byte(last>>8), byte(last)}, nil)...)
	}
	began := time.Now()
	if _, mine, err := parse(reply(t, typeA, 3001, records), 7, "users.test", typeA); !mine || err != errMalformed {
		t.Errorf("mine %v, %v", mine, err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// A target with a control character is nobody's name, and the others count.
func TestAServiceRecordWhoseTargetIsNoHostCountsForNothing(t *testing.T) {
	record := func(label string) []byte {
		b := []byte{0xc0, 12, 0, typeSRV, 0, classIN, 0, 0, 0, 60}
		data := append([]byte{0, 1, 0, 2, 0, 80, byte(len(label))}, label...)
		return append(append(binary.BigEndian.AppendUint16(b, uint16(len(data)+1)), data...), 0)
	}
	var records []byte
	for _, label := range []string{"good", "a\r\nb", "a b", "\x00", "b\x80"} {
		records = append(records, record(label)...)
	}
	answer, _, err := parse(reply(t, typeSRV, 5, records), 7, "users.test", typeSRV)
	var targets []string
	for _, r := range answer {
		if r.kind == typeSRV {
			targets = append(targets, r.target)
		}
	}
	if fmt.Sprint(targets) != "[good]" || err != nil {
		t.Errorf("%q, %v", targets, err)
	}
}
