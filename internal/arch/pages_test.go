package arch

import (
	"flag"
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "fill in the tests in docs/traps.md")

func TestSamplesAreCompiled(t *testing.T) {
	pages, err := loadPages(root)
	if err != nil {
		t.Fatal(err)
	}
	sources, err := goSources(root)
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkSamples(pages, sources))
}

func TestLinksLeadSomewhere(t *testing.T) {
	pages, err := loadPages(root)
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkLinks(root, pages))
}

func TestTrapsNameTheirTests(t *testing.T) {
	name := filepath.Join(root, "docs", "traps.md")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	filled, wrong := rewrite(string(text), proofs(tree(t)))
	report(t, wrong)
	switch {
	case filled == string(text):
	case *update:
		if err := os.WriteFile(name, []byte(filled), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Error("docs/traps.md does not name the tests that there are; run: go test ./internal/arch -update")
	}
}

func TestStaleSamplesAndLinksAreSeen(t *testing.T) {
	p := page{"README.md", "text\n```go\nx := f(1)   // one\n\n\ty := 2\n```\n[here](LICENSE) [gone](docs/none.md) [web](https://example.org/x)\n"}
	if got := checkSamples([]page{p}, []string{"package a\n\nfunc g() {\n\tx := f(1) // one\n\ty := 2\n}\n"}); len(got) != 0 {
		t.Errorf("a compiled sample is called stale: %v", got)
	}
	if got := checkSamples([]page{p}, []string{"package a\n\nfunc g() {\n\tx := f(2) // one\n\ty := 2\n}\n"}); len(got) != 1 || !strings.HasPrefix(got[0], "README.md:2:") {
		t.Errorf("a stale sample gives %v", got)
	}
	if got := checkLinks(root, []page{p}); len(got) != 1 || !strings.Contains(got[0], "docs/none.md") {
		t.Errorf("a dead link gives %v", got)
	}
}

func TestAWrongTableOfTrapsIsSeen(t *testing.T) {
	var b strings.Builder
	for n := 1; n <= traps; n++ {
		b.WriteString("| T" + strconv.Itoa(n) + " | holds |  | not yet: the breaker |\n")
	}
	for n := 1; n <= requirements; n++ {
		b.WriteString("| R" + strconv.Itoa(n) + " | holds |  | not yet: the breaker |\n")
	}
	table := b.String()
	found := proofs([]*file{
		fake(t, "retry/a_test.go", "package retry_test\n\nfunc TestT06_Holds() {}\n\nfunc TestR08_Holds() {}\n\nfunc TestT6() {}\n\nfunc TestT34_T35_Both() {}\n"),
		fake(t, "a_test.go", "package holdfast_test\n\nfunc FuzzT06_Too() {}\n"),
	})

	filled, wrong := rewrite(table, found)
	if len(wrong) != 0 {
		t.Errorf("a whole table is called wrong: %v", wrong)
	}
	if !strings.Contains(filled, "| T6 | holds | `holdfast.FuzzT06_Too`<br>`retry.TestT06_Holds` | not yet: the breaker |") {
		t.Error("the tests of T6 are not filled in")
	}
	if !strings.Contains(filled, "| T34 | holds | `retry.TestT34_T35_Both` |") || !strings.Contains(filled, "| T35 | holds | `retry.TestT34_T35_Both` |") {
		t.Error("a test with two numbers is not filled in for both")
	}
	if again, _ := rewrite(filled, found); again != filled {
		t.Error("filling in twice is not the same as once")
	}
	for name, c := range map[string]struct {
		text, want string
		proofs     map[string][]string
	}{
		"a missing row":        {strings.Replace(table, "| T7 |", "| X7 |", 1), "T7 has no row", nil},
		"a row twice":          {table + "| T7 | holds |  | not yet: x |\n", "T7 has two rows", nil},
		"neither test nor why": {strings.Replace(table, "| T7 | holds |  | not yet: the breaker |", "| T7 | holds | `gone.Test` |  |", 1), "T7 has no test", nil},
		"a number beyond":      {table, "T94 is tested", map[string][]string{"T94": {"retry.TestT94_X"}}},
	} {
		if _, wrong := rewrite(c.text, c.proofs); !strings.Contains(strings.Join(wrong, "\n"), c.want) {
			t.Errorf("%s: complaints %v, want %q", name, wrong, c.want)
		}
	}
}

var testName = regexp.MustCompile("`([a-z]+)\\.((?:Test|Fuzz)[A-Za-z0-9_]+)`")

// A page that names a test names one that there is.
func TestPagesNameTestsThatThereAre(t *testing.T) {
	there := map[string]bool{}
	for _, f := range tree(t) {
		if !f.test() {
			continue
		}
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				there[path.Base(f.dir)+"."+fn.Name.Name] = true
			}
		}
	}
	pages, err := loadPages(root)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, p := range pages {
		for _, m := range testName.FindAllStringSubmatch(p.text, -1) {
			named++
			if m[1] != "holdfast" && m[1] != "holdfasttest" && !there[m[1]+"."+m[2]] {
				t.Errorf("%s names %s.%s, which there is not", p.path, m[1], m[2])
			}
		}
	}
	if named < 100 {
		t.Errorf("%d tests are named: they are not found any more", named)
	}
}
