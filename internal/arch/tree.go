// Package arch holds the house's own rules and the tests that enforce them: the
// floors of docs/design.md, sizes, names, and that the pages under docs tell the
// truth. It has no code that anyone imports.
package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// module is the path that the packages of this repository begin with.
const module = "github.com/holdfast-go/holdfast"

// A file is one Go file of the repository, parsed.
type file struct {
	path  string // slash-separated, from the root of the repository
	dir   string // of path; "." is the root package
	pkg   string // the package clause: "retry", "retry_test"
	lines int
	ast   *ast.File
}

// test reports whether the file is compiled for tests only.
func (f *file) test() bool { return strings.HasSuffix(f.path, "_test.go") }

// external reports whether the file is of a package x_test, which stands outside
// the package it tests.
func (f *file) external() bool { return f.test() && strings.HasSuffix(f.pkg, "_test") }

// imports returns the paths that the file imports.
func (f *file) imports() []string {
	var paths []string
	for _, spec := range f.ast.Imports {
		paths = append(paths, strings.Trim(spec.Path.Value, `"`))
	}
	return paths
}

// generated reports whether a tool wrote the file; nobody reads such a one for
// its size.
func (f *file) generated() bool { return ast.IsGenerated(f.ast) }

// load parses every Go file under root that belongs to the root module: not
// those in nested modules, testdata, or folders whose names begin with a dot or
// an underscore, which the go command leaves out too.
func load(root string) ([]*file, error) {
	var files []*file
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if path == root {
				return nil
			}
			if name == "testdata" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || nested(path) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parse(fset, filepath.ToSlash(rel), string(src))
		if err != nil {
			return err
		}
		files = append(files, f)
		return nil
	})
	slices.SortFunc(files, func(a, b *file) int { return strings.Compare(a.path, b.path) })
	return files, err
}

// nested reports whether dir is the root of a module of its own.
func nested(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// parse makes a file of a source text.
func parse(fset *token.FileSet, path, src string) (*file, error) {
	f, err := parser.ParseFile(fset, path, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, fmt.Errorf("arch: %w", err)
	}
	dir := "."
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		dir = path[:i]
	}
	lines := strings.Count(src, "\n")
	if !strings.HasSuffix(src, "\n") {
		lines++
	}
	return &file{path: path, dir: dir, pkg: f.Name.Name, lines: lines, ast: f}, nil
}
