package arch

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
)

// A page is one Markdown file of the repository.
type page struct {
	path string // slash-separated, from the root
	text string
}

// loadPages reads the Markdown at the root and under docs.
func loadPages(root string) ([]page, error) {
	var pages []page
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		names, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				return nil, err
			}
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return nil, err
			}
			pages = append(pages, page{filepath.ToSlash(rel), string(text)})
		}
	}
	return pages, nil
}

// A sample is one block of Go code on a page.
type sample struct {
	page string
	line int // of the page
	code []string
}

// samplesOf finds the blocks that are fenced as go.
func samplesOf(p page) []sample {
	var samples []sample
	open := false
	for i, line := range strings.Split(p.text, "\n") {
		switch {
		case !open && strings.TrimSpace(line) == "```go":
			open = true
			samples = append(samples, sample{p.path, i + 1, nil})
		case open && strings.HasPrefix(strings.TrimSpace(line), "```"):
			open = false
		case open:
			last := &samples[len(samples)-1]
			last.code = append(last.code, line)
		}
	}
	return samples
}

// flat is code as it is compared: without indentation, blank lines and the
// spaces that gofmt puts before a comment.
func flat(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// checkSamples names the samples that occur in no Go file. A sample is a part of
// a file that is compiled (an Example, or the consumer under testdata), line for
// line, so that it cannot go stale.
func checkSamples(pages []page, sources []string) []string {
	var flats []string
	for _, s := range sources {
		flats = append(flats, "\n"+flat(strings.Split(s, "\n")))
	}
	var wrong []string
	for _, p := range pages {
		for _, s := range samplesOf(p) {
			if !contains(flats, "\n"+flat(s.code)) {
				wrong = append(wrong, fmt.Sprintf("%s:%d: this sample occurs in no Go file, so nothing compiles it", s.page, s.line))
			}
		}
	}
	return wrong
}

func contains(texts []string, part string) bool {
	for _, t := range texts {
		if strings.Contains(t, part) {
			return true
		}
	}
	return false
}

// goSources reads every Go file of the repository, those under testdata too.
func goSources(root string) ([]string, error) {
	var sources []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && name != root {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(name, ".go") {
			return nil
		}
		src, err := os.ReadFile(name)
		sources = append(sources, string(src))
		return err
	})
	return sources, err
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

// checkLinks names the relative links that lead nowhere.
func checkLinks(root string, pages []page) []string {
	var wrong []string
	for _, p := range pages {
		for _, m := range link.FindAllStringSubmatch(p.text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			to := path.Join(path.Dir(p.path), m[1])
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(to))); err != nil {
				wrong = append(wrong, fmt.Sprintf("%s links to %s, which is not there", p.path, m[1]))
			}
		}
	}
	return wrong
}
