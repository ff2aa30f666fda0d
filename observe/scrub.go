package observe

import "strings"

// scrub frees a text of the credentials and queries of the URLs in it. What is a name
// and no text ("target", "endpoint") loses everything up to an @ as well.
func scrub(key, text string) string {
	if key == "target" || key == "endpoint" {
		return Name(text)
	}
	if !strings.Contains(text, "://") {
		return text
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "://")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("://")
		end := strings.IndexAny(rest, " \t\r\n\"'<>`")
		if end < 0 {
			end = len(rest)
		}
		b.WriteString(bare(rest[:end]))
		text = rest[end:]
	}
}

// Scrub is a text without the credentials and queries of the URLs in it.
func Scrub(text string) string { return scrub("", text) }

// Name is a target as metrics and logs have it: without what may be a user, a password
// or a query.
func Name(target string) string {
	scheme, rest, found := strings.Cut(target, "://")
	if !found {
		return bare(target)
	}
	return scheme + "://" + bare(rest)
}

// bare is what follows the scheme of a URL without its user, query and fragment.
func bare(rest string) string {
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		if !strings.Contains(rest[:i], "/") && strings.Contains(rest[i:], "@") {
			return "redacted" // a password with a mark in it, or a query with one
		}
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 { // in a path it is rare, and may be anything
		rest = rest[i+1:]
	}
	return rest
}
