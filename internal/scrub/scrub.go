// Package scrub frees texts of credentials: of what is logged, and of names that become
// labels.
package scrub

import (
	"fmt"
	"log/slog"
	"strings"
)

// scrub frees a text of the credentials and queries of the URLs in it. What is a name
// and no text ("target", "endpoint") loses everything up to an @ as well.
func scrub(key, text string) string {
	if key == "target" || key == "endpoint" {
		return Name(text)
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "//") // a URL may come without its scheme
		b.WriteString(before)
		if !found {
			return b.String()
		}
		b.WriteString("//")
		end := endOfURL(rest, quoted(before))
		mark := len(strings.TrimRight(rest[:end], "\"'`<>()[]{},;:.!\\")) // of the text around it
		b.WriteString(bare(rest[:mark]))
		text = rest[mark:]
	}
}

// quoted reports whether the URL whose scheme ends before has a quotation mark in
// front of it, as the URL of a url.Error has.
func quoted(before string) bool {
	start := strings.TrimRight(before, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.:")
	return strings.HasSuffix(start, `"`)
}

// endOfURL is where the URL ends whose scheme comes before rest: at the next white
// space, which in a quoted URL may be a part of it. Quotation marks do not end it,
// since hosts, passwords and queries may hold them: rather too much is taken than too
// little.
func endOfURL(rest string, quoted bool) int {
	from := 0
	for quoted && from < len(rest) && rest[from] != '"' {
		if rest[from] == '\\' {
			from++
		}
		from++
	}
	from = min(from, len(rest))
	if space := strings.IndexAny(rest[from:], " \t\r\n"); space >= 0 {
		return from + space
	}
	return len(rest)
}

// Attr is an attribute of which all that is text is scrubbed: also in groups, and
// what would become text by an Error or a String of its own. Of what else it is, a
// handler sees the fields.
func Attr(a slog.Attr) slog.Attr {
	switch v := a.Value.Resolve(); v.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(scrub(a.Key, v.String()))
	case slog.KindGroup:
		var group []slog.Attr
		for _, inner := range v.Group() {
			group = append(group, Attr(inner))
		}
		a.Value = slog.GroupValue(group...)
	case slog.KindAny:
		switch is := v.Any().(type) {
		case error, fmt.Stringer:
			a.Value = slog.StringValue(scrub(a.Key, fmt.Sprint(is)))
		case []byte:
			a.Value = slog.StringValue(scrub(a.Key, string(is)))
		}
	default:
		a.Value = v
	}
	return a
}

// Text is a text without the credentials and queries of the URLs in it.
func Text(text string) string { return scrub("", text) }

// Name is a target as metrics and logs have it: without what may be a user, a password
// or a query, and as UTF-8.
func Name(target string) string {
	target = strings.ToValidUTF8(target, "\uFFFD")
	scheme, rest, found := strings.Cut(target, "://")
	if !found {
		return bare(target)
	}
	return scheme + "://" + bare(rest)
}

// bare is what follows the scheme of a URL without its user, query and fragment.
func bare(rest string) string {
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		if strings.Contains(rest[i:], "@") && !hasHost(rest[:i]) {
			return "redacted" // a password with a mark in it, or a query with one
		}
		rest = rest[:i]
	}
	if i := strings.LastIndexByte(rest, '@'); i >= 0 { // in a path it is rare, and may be anything
		rest = rest[i+1:]
	}
	return rest
}

// hasHost reports whether text begins with a host, with or without a port, and a path:
// and not with a user and a password that holds a slash.
func hasHost(text string) bool {
	host, _, path := strings.Cut(text, "/")
	_, port, _ := strings.Cut(host[strings.LastIndexByte(host, ']')+1:], ":")
	return path && strings.Trim(port, "0123456789") == ""
}
