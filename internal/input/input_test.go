package input

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-go/holdfast/internal/alloctest"
)

func TestATextFromOutsideIsShownShort(t *testing.T) {
	long := strings.Repeat("k", 1<<20)
	for text, want := range map[string]string{
		"retry":           "retry",
		"a key":           "a key",
		"a\nb":            `"a\nb"`,
		"\x1b[31m":        `"\x1b[31m"`,
		"\u202eabc":       `"\u202eabc"`, // what follows would be written from right to left
		"a\xffb":          `"a\xffb"`,
		long:              long[:60] + "…",
		"\n" + long:       `"\n` + long[:59] + `"…`,
		long[:59] + "äää": long[:59] + "…", // no half of a letter
	} {
		if got := Show(text); got != want {
			t.Errorf("%.70q is shown as %q, want %q", text, got, want)
		}
	}
	if got := Brief(errors.New(long)).Error(); got != long[:300]+"…" {
		t.Errorf("an error of %d bytes", len(got))
	}
}

func TestAnAddressHasNoControlCharacters(t *testing.T) {
	for addr, good := range map[string]bool{
		"10.0.0.1:80": true, "[fd00::1%eth0]:80": true, "users.internal:80": true, "bücher.test:80": true, "/run/a.sock": true,
		"": false, "a:1\r\nX-Injected: 1": false, "a:1\x00": false, "a\u00a0:1": false, "a\u2028:1": false, "a\x7f": false, "a\u0085": false,
		"a\xff": true, // no text, and it breaks no line
	} {
		if err := Address(addr); (err == nil) != good {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestErrorsAreTenAtMost(t *testing.T) {
	var wrong Errors
	if wrong.Err() != nil || wrong.Full() {
		t.Error("there is an error where none was added")
	}
	for i := range 1000 {
		wrong.Add(fmt.Errorf("error %d", i))
		if wrong.Full() != (i >= 10) {
			t.Errorf("after %d errors: full %v", i+1, wrong.Full())
		}
	}
	if text := wrong.Err().Error(); strings.Count(text, "\n") != 10 || !strings.HasSuffix(text, "error 9\nand more") {
		t.Errorf("%s", text)
	}
}

// Whatever its shape, JSON takes memory in proportion to its length, or is refused.
func TestJSONOfAnyShapeTakesLittle(t *testing.T) {
	const n = 200_000 // bytes, about
	fill := func(begin, part, end string) string { return begin + strings.Repeat(part, n/len(part)) + end }
	keys := func() string {
		var b strings.Builder
		for i := 0; b.Len() < n; i++ {
			fmt.Fprintf(&b, `"%x":0,`, i)
		}
		return "{" + b.String() + `"x":0}`
	}
	for name, x := range map[string]struct{ text, want string }{
		"objects within each other":   {fill("", `{"a":`, ""), "nested more than 64 deep"},
		"long keys within each other": {fill("", `{"`+strings.Repeat("k", 90)+`":`, ""), "nested more than 64 deep"},
		"lists within each other":     {fill(`{"a":`, "[", ""), "nested more than 64 deep"},
		"as deep as it may be":        {fill(`{"a":[`, strings.Repeat(`{"a":`, 62)+"1"+strings.Repeat("}", 62)+",", "1]}"), ""},
		"brackets in a string":        {fill(`{"a":"`, `[{\"`, `"}`), ""},
		"empty objects":               {fill(`{"a":[`, "{},", "1]}"), ""},
		"empty lists":                 {fill(`{"a":[`, "[],", "1]}"), ""},
		"small objects":               {fill(`{"a":[`, `{"a":1},`, "1]}"), ""},
		"many keys":                   {keys(), ""},
		"a long key":                  {fill(`{"`, "k", `":1}`), ""},
		"a long key twice":            {fill(`{"`, "k", `":1,`) + fill(`"`, "k", `":1}`), strings.Repeat("k", 60) + "…: it is there twice"},
		"a long number":               {fill(`{"a":1`, "0", "}"), ""},
		"more than there may be":      {`{"a":"` + strings.Repeat("x", MaxJSON) + `"}`, "it has 1024 KiB: 1024 are the most"},
	} {
		var err error
		took := alloctest.Of(func() { _, err = Object([]byte(x.text)) })
		if most := uint64(1<<16 + 110*len(x.text)); took > most {
			t.Errorf("%s: %d bytes took %d", name, len(x.text), took)
		}
		if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
			t.Errorf("%s: %.100v, want %q", name, err, x.want)
		}
		if err != nil && len(err.Error()) > 400 {
			t.Errorf("%s: an error of %d bytes", name, len(err.Error()))
		}
	}
}

func TestAKeyThatIsThereTwiceIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		`{"a": 1, "a": 2}`:                              "a: it is there twice",
		`{"a": {"b": 1, "b": 2}}`:                       "a.b: it is there twice",
		`{"a": [{"b": 1}, {"b": 1, "c": [], "b": 2}]}`:  "a[].b: it is there twice",
		`{"a": 1, "\u0061": 2}`:                         "a: it is there twice",
		`{"a": {"x": 1}, "b": [{"x": 1}, {"x": [[]]}]}`: "",
	} {
		_, err := Object([]byte(text))
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestAFileIsRegularAndBounded(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name string, size int64) {
		f, err := os.Create(at(name))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.Truncate(size), f.Close()); err != nil {
			t.Fatal(err)
		}
	}
	const most = 4096
	write("full", most)
	write("large", most+1)
	write("sparse", 1<<40)
	for link, to := range map[string]string{"link": "full", "link to a directory": ".", "loop": "loop", "link to a device": "/dev/zero", "dangling": "nothing"} {
		if err := os.Symlink(to, at(link)); err != nil {
			t.Skip(err)
		}
	}
	for name, want := range map[string]string{
		"full": "", "link": "",
		"large": "larger than 4 KiB", "sparse": "larger than 4 KiB",
		".": "it is a directory, not a regular file", "link to a directory": "it is a directory", "loop": "too many", "link to a device": "it is a device",
		"dangling": "no such file", "nothing": "no such file",
	} {
		var text []byte
		var err error
		if took := alloctest.Of(func() { text, err = File(at(name), most) }); took > 1<<16 {
			t.Errorf("%s: it took %d bytes", name, took)
		}
		switch {
		case want == "" && (err != nil || len(text) != most):
			t.Errorf("%s: %d bytes, %v", name, len(text), err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || text != nil):
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
