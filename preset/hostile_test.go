package preset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/alloctest"
	"github.com/holdfast-go/holdfast/preset"
)

// JSON of any depth or width is read in proportion to its length, or refused; and the error is
// short whatever it quotes. What takes most is a list of values of two bytes, "1,": encoding/json
// allocates seven times for each, 225 bytes in all, which the race detector makes 250.
func TestHostileJSONTakesLittle(t *testing.T) {
	n := 250_000
	if raceEnabled { // which makes it take ten times as long
		n = 60_000
	}
	fill := func(begin, part, end string) string { return begin + strings.Repeat(part, n/len(part)) + end }
	var wide strings.Builder
	for i := 0; wide.Len() < n; i++ {
		fmt.Fprintf(&wide, `"%x":1,`, i)
	}
	for name, text := range map[string]string{
		"objects within each other":   fill("", `{"`+strings.Repeat("k", 20)+`":`, "1"+strings.Repeat("}", n/24)),
		"lists within each other":     fill(`{"retry":`, "[", ""),
		"many keys":                   "{" + wide.String() + `"x":1}`,
		"many keys of an object":      `{"retry":{` + wide.String() + `"x":1}}`,
		"a long key":                  fill(`{"`, "k", `":1}`),
		"a long key of an object":     fill(`{"retry":{"`, "maxAttempts", `":1}}`),
		"a long key twice":            fill(`{"`, "k", `":1,`) + fill(`"`, "k", `":1}`),
		"a long word":                 fill(`{"retry":{"jitter":"`, "full", `"}}`),
		"a long name of a preset":     fill(`{"preset":"`, "standard", `"}`),
		"a list for a preset":         fill(`{"preset":[`, "1,", `1]}`),
		"a long duration":             fill(`{"timeout":{"limit":"`, "1h", `x"}}`),
		"a long number":               fill(`{"retry":{"maxAttempts":1`, "0", `}}`),
		"a list for a number":         fill(`{"retry":{"maxAttempts":[`, "{},", `1]}}`),
		"a code with a line break":    `{"retry":{"codes":["503\n504"]}}`,
		"many codes that are none":    fill(`{"retry":{"codes":[`, `"\u0000",`, `"x"]}}`),
		"a long code":                 fill(`{"retry":{"codes":["`, "5", `"]}}`),
		"a method of no shape":        fill(`{"methodConfig":[`, "1,", "1]}"),
		"many names of no shape":      fill(`{"methodConfig":[{"name":[`, "1,", "1]}]}"),
		"many methods":                fill(`{"methodConfig":[`, "{},", "{}]}"),
		"a long timeout":              fill(`{"methodConfig":[{"timeout":"`, "1", `s"}]}`),
		"a long code of gRPC":         fill(`{"methodConfig":[{"retryPolicy":{"retryableStatusCodes":["`, "UNAVAILABLE", `"]}}]}`),
		"many codes of gRPC":          fill(`{"methodConfig":[{"retryPolicy":{"retryableStatusCodes":[`, `"x",`, `"x"]}}]}`),
		"control characters in a key": `{"\u001b[31m\r\n":1}`,
		"a key from right to left":    `{"\u202eretry":1}`,
		"not even JSON":               fill("", "\x00", ""),
		"more than there may be":      fill(`{"retry":{"maxAttempts":3`, " ", "}}") + strings.Repeat(" ", 1<<20),
	} {
		for parser, parse := range map[string]func([]byte) error{
			"Parse":              func(text []byte) error { _, err := preset.Parse(text); return err },
			"ParseServiceConfig": func(text []byte) error { _, err := preset.ParseServiceConfig(text); return err },
		} {
			var err error
			began := time.Now()
			alloctest.Within(t, 512<<10+150*len(text), func() { err = parse([]byte(text)) })
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("%s, %s: it took %v", parser, name, took)
			}
			switch {
			case err == nil:
				t.Errorf("%s, %s: it is read", parser, name)
			case len(err.Error()) > 6000, strings.ContainsAny(err.Error(), "\r\x00\x1b\u202e"):
				t.Errorf("%s, %s: an error of %d bytes: %.200q", parser, name, len(err.Error()), err)
			}
		}
	}
}

// An unknown key is quoted, in short; the nearest name is still found.
func TestAnUnknownKeyIsQuotedInShort(t *testing.T) {
	for text, want := range map[string]string{
		`{"retry": {"maxAtempts": 3}}`:                                                  "retry.maxAtempts: there is no such field: did you mean maxAttempts?",
		`{"` + strings.Repeat("k", 1000) + `": 3}`:                                      strings.Repeat("k", 60) + "…: there is no such field: use one of attempt, ",
		`{"retry": {"a\nb": 3}}`:                                                        `retry."a\nb": there is no such field`,
		`{"retry": {"maxAttempts": "` + strings.Repeat("x", 1000) + `"`:                 "unexpected EOF",
		`{"retry": {"maxAttempts": "` + strings.Repeat("x", 99) + `"}}`:                 "retry.maxAttempts: " + strings.Repeat("x", 60) + "… is no whole number",
		`{"retry": {"maxAttempts": {"a": 1}}}`:                                          "retry.maxAttempts: {…} is no whole number",
		`{"retry": {"codes": ["503", "a b"]}}`:                                          "retry.codes[1]: a b is no code",
		`{"a0":1,"a1":1,"a2":1,"a3":1,"a4":1,"a5":1,"a6":1,"a7":1,"a8":1,"a9":1,"b":1}`: "and more",
	} {
		if _, err := preset.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %q", text, err, want)
		}
	}
}

// Whoever cannot be a code is no code, in code either: it would be a line of its own in what
// Describe and Update say.
func TestACodeIsOneWord(t *testing.T) {
	for code, good := range map[holdfast.Code]bool{"503": true, "UNAVAILABLE": true, "a,b": false, "a\nb": false, holdfast.Code(strings.Repeat("x", 100)): false} {
		c := preset.Standard()
		c.Retry.Codes = []holdfast.Code{"500", code}
		if err := c.Validate(); (err == nil) != good || err != nil && !strings.HasPrefix(err.Error(), "preset: retry.codes[1]: ") {
			t.Errorf("%q: %v", code, err)
		}
		if lines := strings.Count(c.Describe(), "\n"); lines != strings.Count(preset.Standard().Describe(), "\n") {
			t.Errorf("%q: Describe has %d lines", code, lines)
		}
	}
}

// A path that leads to something else than a file of a size that makes sense is an error, told
// once, and what comes in its place is read.
func TestAWatchedFileIsRegularAndBounded(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "policy.json")
	sparse, err := os.Create(filepath.Join(dir, "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sparse.Close() }()
	if err := sparse.Truncate(1 << 40); err != nil {
		t.Fatal(err)
	}
	for to, want := range map[string]string{dir: "a directory, not a regular file", "/dev/zero": "a device", sparse.Name(): "larger than 1024 KiB"} {
		if err := os.Symlink(to, path); err != nil {
			t.Skip(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		n := 0
		for c, err := range preset.File(ctx, path, time.Millisecond) {
			if n++; n == 1 {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v, want %q", to, err, want)
				}
				time.AfterFunc(20*time.Millisecond, func() { // it is looked at again meanwhile
					if err := os.WriteFile(path+".new", []byte(`{"retry":{"maxAttempts":7}}`), 0o600); err != nil {
						t.Error(err)
					}
					if err := os.Rename(path+".new", path); err != nil {
						t.Error(err)
					}
				})
				continue
			}
			if err != nil || c.Retry.MaxAttempts != 7 {
				t.Errorf("%s: %v, %d attempts", to, err, c.Retry.MaxAttempts)
			}
			break
		}
		stop()
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// What all routes have is bounded: a text with a long list and many routes takes no memory as the
// product of the two. A route takes 25 KiB to be read and looked at, and 50 with all codes.
func TestCodesTimesRoutesTakeLittle(t *testing.T) {
	list := func(n int, each string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, each, i)
		}
		return strings.TrimSuffix(b.String(), ",")
	}
	text := func(codes int, code string, routes int) []byte {
		return []byte(`{"retry":{"codes":[` + list(codes, code) + `]},"routes":[` + list(routes, `{"match":"/a%d","timeout":{"limit":"20s"}},`) + `]}`)
	}
	for name, c := range map[string]struct {
		text []byte
		most int // bytes
		good bool
	}{
		"no codes":                      {text(0, "", 1000), 40 << 20, true},
		"as many codes as there may be": {text(250, `"K%d",`, 1000), 80 << 20, true},
		"one code more":                 {text(251, `"K%d",`, 1000), 8 << 20, false},
		"many codes":                    {text(20_000, `"K%d",`, 1000), 20 << 20, false},
		"many that are none":            {text(20_000, `"a %d",`, 1000), 20 << 20, false},
	} {
		var config preset.Config
		var err error
		alloctest.Within(t, c.most, func() { config, err = preset.Parse(c.text) })
		if (err == nil) != c.good || err != nil && (!strings.Contains(err.Error(), "retry.codes: they are more than 250") || len(err.Error()) > 2000) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			alloctest.Within(t, 2*c.most, func() { _, err = preset.NewStack(config) })
			if err != nil {
				t.Error(err)
			}
		}
	}
}
