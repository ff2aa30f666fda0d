package verdicts_test

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-go/holdfast"
)

var update = flag.Bool("update", false, "write the tables of verdicts into the packages' documentation")

// A row is one outcome and what policies see of it, each way in which it comes about.
type row struct {
	outcome string
	seen    []holdfast.Result
}

// documented holds the table of a file to rows. A table is a block of preformatted lines in a
// comment whose first one begins with its title.
func documented(t *testing.T, file, title string, rows []row) {
	t.Helper()
	lines := [][]string{{title, "class", "sent again", "code"}}
	for _, r := range rows {
		lines = append(lines, []string{r.outcome, class(r.seen[0].Class), again(r.seen[0]), names(r.seen)})
		for _, other := range r.seen[1:] {
			if other.Class != r.seen[0].Class || again(other) != again(r.seen[0]) {
				t.Errorf("%q is two outcomes: %v, %s and %v, %s", r.outcome, r.seen[0].Class, again(r.seen[0]), other.Class, again(other))
			}
		}
	}
	holds(t, file, lines)
}

// class is the name of the constant.
func class(c holdfast.Class) string {
	var b strings.Builder
	for part := range strings.SplitSeq(c.String(), "_") {
		b.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return b.String()
}

// again says which calls are sent again after an outcome, by its Class and After.
func again(r holdfast.Result) string {
	said := "never"
	switch {
	case r.After < 0:
	case r.Class.Again(false):
		said = "always"
	case r.Class.Again(true):
		said = "if repeatable"
	}
	if r.After > 0 && said != "never" {
		said += ", later"
	}
	return said
}

func names(seen []holdfast.Result) string {
	var all []string
	for _, r := range seen {
		if c := string(r.Code); !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return strings.Join(all, ", ")
}

// holds compares the table of a file with what it is to be, whose first line is its head, and
// writes it where that is wanted.
func holds(t *testing.T, file string, lines [][]string) {
	t.Helper()
	name := filepath.Join("..", "..", filepath.FromSlash(file))
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	want, found := replaced(string(text), aligned(lines))
	switch {
	case !found:
		t.Errorf("%s has no table that begins with %q: put that word into a preformatted line of the comment it belongs to", file, lines[0][0])
	case want == string(text):
	case *update:
		if err := os.WriteFile(name, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: its table %q is not what the code says; run: go test ./internal/verdicts -update", file, lines[0][0])
	}
}

// replaced puts a table into the place of the one with its title.
func replaced(text string, table []string) (out string, found bool) {
	title, _, _ := strings.Cut(table[0], "  ")
	var lines []string
	inside := false
	for line := range strings.SplitSeq(text, "\n") {
		cell, pre := strings.CutPrefix(line, "//\t")
		cell, _, _ = strings.Cut(cell, "  ")
		if pre && !found && cell == title {
			inside, found = true, true
			for _, row := range table {
				lines = append(lines, "//\t"+row)
			}
		}
		if inside = inside && pre; !inside {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n"), found
}

// wide is the most that the first column takes; what is longer goes on in the next line.
const wide = 46

// aligned makes lines of rows.
func aligned(rows [][]string) []string {
	var broken [][]string
	for _, r := range rows {
		for i, part := range wrapped(r[0], wide) {
			next := slices.Clone(r)
			if next[0] = part; i > 0 {
				next = []string{"  " + part}
			}
			broken = append(broken, next)
		}
	}
	width := make([]int, len(rows[0]))
	for _, r := range broken {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var lines []string
	for _, r := range broken {
		var b strings.Builder
		for i, cell := range r {
			b.WriteString(cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)+2))
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// wrapped breaks a text into lines between words. All but the first are shorter, for their indent.
func wrapped(text string, most int) []string {
	lines := []string{""}
	for word := range strings.FieldsSeq(text) {
		last := &lines[len(lines)-1]
		switch {
		case *last == "":
			*last = word
		case len(*last)+1+len(word) > most:
			lines = append(lines, word)
		default:
			*last += " " + word
		}
		most = wide - 2*min(len(lines)-1, 1)
	}
	return lines
}

func TestATableIsReplacedAsAWhole(t *testing.T) {
	text := "// X.\n//\n//\told  a\n//\tb   c\n//\n//\tother  d\npackage x\n"
	got, found := replaced(text, aligned([][]string{{"old", "class"}, {strings.Repeat("a word ", 10), "e"}}))
	want := "// X.\n//\n//\told                                          class\n" +
		"//\ta word a word a word a word a word a word a  e\n//\t  word a word a word a word\n//\n//\tother  d\npackage x\n"
	if got != want || !found {
		t.Errorf("%v\n%s\nwant\n%s", found, got, want)
	}
	if _, found := replaced(text, []string{"none  a"}); found {
		t.Error("a table that is not there was found")
	}
	if got := again(holdfast.Result{Class: holdfast.Failure, After: time.Second}); got != "if repeatable, later" {
		t.Error(got)
	}
}
