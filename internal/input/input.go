// Package input reads what comes from outside, a file or JSON, within bounds: of size, of depth,
// and of what an error says of it.
package input

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxShown = 60  // bytes of a text that Show shows
	maxBrief = 300 // bytes of an error that Brief keeps
)

// Show is a text from outside as an error or a log has it: cut where it is long, and quoted
// where it has what would break a line or could not be seen.
func Show(text string) string { return shorten(text, maxShown) }

// Brief is an error that another package has made of a text from outside, cut and quoted in the
// same way.
func Brief(err error) error { return errors.New(shorten(err.Error(), maxBrief)) }

func shorten(text string, most int) string {
	cut := ""
	if len(text) > most {
		end := most
		for end > most-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		text, cut = text[:end], "…"
	}
	if !utf8.ValidString(text) || !Printable(text) {
		text = strconv.Quote(text)
	}
	return text + cut
}

// Printable reports whether text has neither a control character nor another one that cannot be
// seen.
func Printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Address returns an error for an address that cannot be one: it is empty, or has a control
// character. Such an address could end up in a protocol or in a log as a line of its own.
func Address(addr string) error {
	switch {
	case addr == "":
		return errors.New(`it must be there: write "10.0.0.1:8080"`)
	case !Printable(addr):
		return fmt.Errorf("%s has a control character: remove it", Show(addr))
	}
	return nil
}
