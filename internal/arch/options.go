package arch

import (
	"fmt"
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Zero is the default and negative is off, in every field of every Options; see package
// internal/option. A field of which that is not so says what it means.
var (
	saysZero     = regexp.MustCompile(`\b0\b|\b[Zz]ero\b`)
	saysNegative = regexp.MustCompile(`\b[Nn]egative\b`)
)

// An optionSet is a struct that users fill in: one that is called …Options, or that has a
// method filled, and the structs of its package that are fields of one.
type optionSet struct {
	file   *file
	name   string
	fields []*ast.Field
	within bool // it is a field of another
}

func optionSets(files []*file) (sets []*optionSet) {
	structs, filled := map[string]*optionSet{}, map[string]bool{} // by folder and name
	for _, f := range files {
		if f.test() || f.pkg == "main" || strings.HasPrefix(f.dir, "internal/") {
			continue
		}
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.FuncDecl:
				if n.Recv != nil && n.Name.Name == "filled" {
					filled[f.dir+"."+typeName(n.Recv.List[0].Type)] = true
				}
			case *ast.TypeSpec:
				if s, ok := n.Type.(*ast.StructType); ok && n.Name.IsExported() {
					structs[f.dir+"."+n.Name.Name] = &optionSet{f, n.Name.Name, s.Fields.List, false}
				}
			}
			return true
		})
	}
	for _, at := range slices.Sorted(maps.Keys(structs)) {
		if strings.HasSuffix(at, "Options") || filled[at] {
			sets = append(sets, structs[at])
		}
	}
	for i := 0; i < len(sets); i++ {
		for _, field := range sets[i].fields {
			if in := structs[sets[i].file.dir+"."+typeName(field.Type)]; in != nil {
				in.within = true
				if !slices.Contains(sets, in) {
					sets = append(sets, in)
				}
			}
		}
	}
	return sets
}

// checkOptions names the fields that do not say what zero and negative mean, and the options
// that no test of their package holds to what they say.
func checkOptions(files []*file) []string {
	var wrong []string
	for _, s := range optionSets(files) {
		numbers := 0
		var doc string
		for _, field := range s.fields {
			if field.Doc != nil || field.Comment != nil {
				doc = field.Doc.Text() + field.Comment.Text()
			}
			for _, name := range field.Names {
				if !name.IsExported() || !slices.Contains([]string{"int", "int64", "float64", "Duration"}, typeName(field.Type)) {
					continue
				}
				numbers++
				if !saysZero.MatchString(doc) || !saysNegative.MatchString(doc) {
					wrong = append(wrong, fmt.Sprintf("%s: %s.%s does not say what 0 and what a negative value means", s.file.path, s.name, name.Name))
				}
			}
		}
		if numbers > 0 && !s.within && !slices.ContainsFunc(files, s.tested) {
			wrong = append(wrong, fmt.Sprintf("%s: no test of the package holds %s to what its fields say, by optiontest.Check", s.file.path, s.name))
		}
	}
	return wrong
}

// tested reports whether the file has the options checked.
func (s *optionSet) tested(f *file) bool {
	return f.dir == s.file.dir && f.test() && mentions(f.ast, "optiontest", "Check") && usesAny(f.ast, []string{s.name})
}

// typeName is the last name of a type, whatever points to it: "Duration" of time.Duration.
func typeName(t ast.Expr) string {
	switch t := t.(type) {
	case *ast.StarExpr:
		return typeName(t.X)
	case *ast.SelectorExpr:
		return t.Sel.Name
	case *ast.Ident:
		return t.Name
	}
	return ""
}
