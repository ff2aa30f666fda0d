package arch

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// maxLines is the ceiling of a file's length; the median is near 100.
const maxLines = 350

// checkSizes names the files that nobody reads in one go.
func checkSizes(files []*file) []string {
	var wrong []string
	for _, f := range files {
		if f.lines > maxLines && !f.generated() {
			wrong = append(wrong, fmt.Sprintf("%s has %d lines, more than %d; split it by concept", f.path, f.lines, maxLines))
		}
	}
	return wrong
}

// checkSleeps names the places that wait for the real clock: tests that are not
// in a bubble of testing/synctest, and code that could not be woken. A test is
// taken to be in one when its file uses testing/synctest, or when the function
// uses one of its package that does.
func checkSleeps(files []*file) []string {
	var wrong []string
	bubbles := bubblers(files)
	for _, f := range files {
		bubbled := slices.Contains(f.imports(), "testing/synctest")
		for _, d := range f.ast.Decls {
			if !mentions(d, "time", "Sleep") {
				continue
			}
			switch {
			case f.test() && (bubbled || usesAny(d, bubbles[f.dir])):
			case f.test():
				wrong = append(wrong, f.path+" sleeps outside testing/synctest; time is an input, so wait in a bubble and assert exact times")
			case !strings.HasPrefix(f.dir, "examples/"):
				wrong = append(wrong, f.path+" sleeps; wait on a timer and the context, so that a cancel ends it at once")
			}
		}
	}
	return wrong
}

// bubblers maps a folder to the functions of its tests that run what they are
// given in a bubble.
func bubblers(files []*file) map[string][]string {
	names := map[string][]string{}
	for _, f := range files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test() && mentions(fn, "synctest", "Test") {
				names[f.dir] = append(names[f.dir], fn.Name.Name)
			}
		}
	}
	return names
}

// mentions reports whether pkg.name occurs in n.
func mentions(n ast.Node, pkg, name string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == name {
			x, isIdent := s.X.(*ast.Ident)
			found = found || isIdent && x.Name == pkg
		}
		return !found
	})
	return found
}

// usesAny reports whether one of the names occurs in n.
func usesAny(n ast.Node, names []string) bool {
	found := false
	ast.Inspect(n, func(n ast.Node) bool {
		x, ok := n.(*ast.Ident)
		found = found || ok && slices.Contains(names, x.Name)
		return !found
	})
	return found
}

// badNames are words that say nothing of what is inside.
var badNames = []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "base", "manager", "shared"}

// checkNames names the packages and files that are named after nothing.
func checkNames(files []*file) []string {
	var wrong []string
	for _, f := range files {
		stem := strings.TrimSuffix(strings.TrimSuffix(path.Base(f.path), ".go"), "_test")
		if slices.Contains(badNames, f.pkg) || slices.Contains(badNames, stem) {
			wrong = append(wrong, f.path+" is named after nothing that it does")
		}
	}
	return wrong
}

// checkExamples names the exported constructors without a runnable Example. A
// constructor is a function that gives a value of the package's own, or of the
// transport or the waist that a door serves; what is named …Of or …From reads
// something and makes nothing.
func checkExamples(files []*file) []string {
	runnable := map[string]bool{} // "retry.ExampleNew"
	for _, f := range files {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.external() && strings.HasPrefix(fn.Name.Name, "Example") && hasOutput(f, fn) {
				name, _, _ := strings.Cut(fn.Name.Name, "_")
				runnable[f.dir+"."+name] = true
			}
		}
	}
	var wrong []string
	for _, f := range files {
		if f.test() || f.pkg == "main" || strings.HasPrefix(f.dir, "internal/") {
			continue
		}
		for _, d := range f.ast.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || !constructs(fn) || runnable[f.dir+".Example"+fn.Name.Name] {
				continue
			}
			wrong = append(wrong, fmt.Sprintf("%s: %s.%s has no runnable Example%s with an // Output", f.path, f.pkg, fn.Name.Name, fn.Name.Name))
		}
	}
	return wrong
}

func constructs(fn *ast.FuncDecl) bool {
	name := fn.Name.Name
	if fn.Recv != nil || !ast.IsExported(name) || strings.HasSuffix(name, "Of") || strings.HasSuffix(name, "From") {
		return false
	}
	if fn.Type.Results == nil {
		return false
	}
	switch t := fn.Type.Results.List[0].Type.(type) {
	case *ast.StarExpr:
		x, ok := t.X.(*ast.Ident)
		return ok && x.IsExported()
	case *ast.Ident:
		return t.IsExported() && !typeParam(fn, t.Name)
	case *ast.SelectorExpr:
		x, ok := t.X.(*ast.Ident)
		return ok && slices.Contains([]string{"holdfast", "http", "grpc", "backoff"}, x.Name)
	}
	return false
}

// typeParam reports whether name is a type parameter of fn.
func typeParam(fn *ast.FuncDecl, name string) bool {
	if fn.Type.TypeParams == nil {
		return false
	}
	for _, field := range fn.Type.TypeParams.List {
		for _, p := range field.Names {
			if p.Name == name {
				return true
			}
		}
	}
	return false
}

// hasOutput reports whether the Example is run, and not only compiled.
func hasOutput(f *file, fn *ast.FuncDecl) bool {
	for _, c := range f.ast.Comments {
		if c.Pos() > fn.Pos() && c.End() < fn.End() {
			text := strings.ToLower(c.Text())
			if strings.HasPrefix(text, "output:") || strings.HasPrefix(text, "unordered output:") {
				return true
			}
		}
	}
	return false
}
