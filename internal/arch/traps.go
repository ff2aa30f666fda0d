package arch

import (
	"fmt"
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Traps and requirements bear numbers: T6 of docs/traps.md is shown to hold by
// the tests named TestT06_…, R8 by TestR08_….
const (
	traps        = 93
	requirements = 20
)

// A test may bear several: TestT34_T35_….
var (
	numbered = regexp.MustCompile(`^(?:Test|Fuzz)((?:[TR]\d+_)+)`)
	number   = regexp.MustCompile(`([TR])(\d+)_`)
)

// proofs maps "T6" to the tests that bear the number: "retry.TestT06_…".
func proofs(files []*file) map[string][]string {
	found := map[string][]string{}
	for _, f := range files {
		if !f.test() {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil {
				continue
			}
			m := numbered.FindStringSubmatch(fn.Name.Name)
			if m == nil {
				continue
			}
			pkg := path.Base(f.dir)
			if f.dir == "." {
				pkg = "holdfast"
			}
			for _, part := range number.FindAllStringSubmatch(m[1], -1) {
				digits := strings.TrimLeft(part[2], "0")
				found[part[1]+digits] = append(found[part[1]+digits], pkg+"."+fn.Name.Name)
			}
		}
	}
	for _, names := range found {
		slices.Sort(names)
	}
	return found
}

// A row of the table in docs/traps.md:
//
//	| T6 | what must hold | tests | what is still open, or why it does not apply |
type row struct {
	number, sentence, tests, note string
}

var rowLine = regexp.MustCompile(`^\| ([TR]\d+) \| (.*) \| (.*) \| (.*) \|$`)

// rewrite fills the column of tests from the tree and leaves the rest as it is.
// It also tells what is wrong with the page: a number that is missing, or one
// that has neither a test nor a note.
func rewrite(text string, proofs map[string][]string) (filled string, wrong []string) {
	seen := map[string]bool{}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		m := rowLine.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		r := row{m[1], strings.TrimSpace(m[2]), strings.TrimSpace(m[3]), strings.TrimSpace(m[4])}
		if seen[r.number] {
			wrong = append(wrong, r.number+" has two rows")
		}
		seen[r.number] = true
		var tests []string
		for _, name := range proofs[r.number] {
			tests = append(tests, "`"+name+"`")
		}
		r.tests = strings.Join(tests, "<br>")
		if r.tests == "" && !strings.HasPrefix(r.note, "not yet: ") && !strings.HasPrefix(r.note, "does not apply: ") {
			wrong = append(wrong, r.number+` has no test; its note must begin with "not yet: " or "does not apply: " and say why`)
		}
		lines[i] = fmt.Sprintf("| %s | %s | %s | %s |", r.number, r.sentence, r.tests, r.note)
	}
	for n := 1; n <= traps; n++ {
		if number := "T" + strconv.Itoa(n); !seen[number] {
			wrong = append(wrong, number+" has no row")
		}
	}
	for n := 1; n <= requirements; n++ {
		if number := "R" + strconv.Itoa(n); !seen[number] {
			wrong = append(wrong, number+" has no row")
		}
	}
	for number := range proofs {
		if !seen[number] {
			wrong = append(wrong, number+" is tested and has no row")
		}
	}
	slices.Sort(wrong)
	return strings.Join(lines, "\n"), wrong
}
