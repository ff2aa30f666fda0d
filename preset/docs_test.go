package preset_test

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/holdfast-go/holdfast/preset"
)

var update = flag.Bool("update", false, "write the tables of options into the pages of docs/")

// tables are those of the pages, each between <!-- options NAME --> and <!-- end -->:
// the options of a section of Config, with the defaults that Describe prints.
var tables = map[string]struct{ page, folder, options, section string }{
	"breaker":  {"breaker.md", "breaker", "Options", "breaker"},
	"hedge":    {"hedge.md", "hedge", "Options", "hedge"},
	"inflight": {"limit.md", "limit", "InFlightOptions", "limit"},
	"rate":     {"limit.md", "limit", "RateOptions", "rate"},
	"retry":    {"retry.md", "retry", "Options", "retry"},
	"budget":   {"retry.md", "retry", "BudgetOptions", "budget"},
	"timeout":  {"timeout.md", "timeout", "Options", "attempt"},
}

// TestTheTablesOfOptionsAreTrue holds the pages to the options' own comments and to
// the defaults in force. go test ./preset -update writes them.
func TestTheTablesOfOptionsAreTrue(t *testing.T) {
	defaults := map[string]string{}
	for line := range strings.Lines(preset.Config{}.Describe()) {
		f := strings.Fields(line)
		defaults[f[0]] = f[1]
	}
	for name, at := range tables {
		page := filepath.Join("..", "docs", at.page)
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		begin, end := fmt.Sprintf("<!-- options %s -->\n", name), "<!-- end -->\n"
		before, rest, found := strings.Cut(string(text), begin)
		_, after, closed := strings.Cut(rest, end)
		if !found || !closed {
			t.Errorf("%s has no table %s: put %q and %q where it belongs", page, name, strings.TrimSpace(begin), strings.TrimSpace(end))
			continue
		}
		want := before + begin + table(t, at.folder, at.options, at.section, defaults) + end + after
		switch {
		case string(text) == want:
		case *update:
			if err := os.WriteFile(page, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
		default:
			t.Errorf("%s: its table %s is not what the options say: go test ./preset -update", page, name)
		}
	}
}

func table(t *testing.T, folder, options, section string, defaults map[string]string) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("| option | default | |\n| --- | --- | --- |\n")
	fields := 0
	for _, f := range fieldsOf(t, folder, options) {
		for _, ident := range f.Names {
			fields++
			path := section + "." + string(unicode.ToLower(rune(ident.Name[0]))) + ident.Name[1:]
			doc := strings.Join(strings.Fields(f.Doc.Text()), " ")
			if doc == "" {
				doc = strings.Join(strings.Fields(f.Comment.Text()), " ")
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", ident.Name, defaults[path], strings.ReplaceAll(doc, "|", `\|`))
		}
	}
	if fields == 0 {
		t.Fatalf("%s has no %s", folder, options)
	}
	return b.String()
}

// fieldsOf are the fields of a struct; where one comment stands over several, each
// has it.
func fieldsOf(t *testing.T, folder, name string) (fields []*ast.Field) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != name {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				var last *ast.CommentGroup
				for _, field := range s.Fields.List {
					if field.Doc == nil && field.Comment == nil {
						field.Doc = last
					}
					last = field.Doc
					fields = append(fields, field)
				}
			}
			return false
		})
	}
	return fields
}
