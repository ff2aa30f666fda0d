// Package option gives the fields of Options their meaning: zero is the default, and
// negative is off.
package option

import "time"

// Off is an option that is switched off. Any negative value means the same.
const Off = -1

// Day is the longest time that an option can be set to.
const Day = 24 * time.Hour

// A Number is an option of which zero and negative values mean something of their own.
type Number interface{ ~int | ~int64 | ~float64 }

// Of returns the value of an option, or what zero and negative values stand for. One that
// is no number counts as zero.
func Of[T Number](v, zero, negative T) T {
	switch {
	case v > 0:
		return v
	case v < 0:
		return negative
	}
	return zero
}

// Span is Of for a duration, which is a Day at most.
func Span(d, zero, negative time.Duration) time.Duration {
	return min(Of(d, zero, negative), Day)
}

// OrOff is the way back, for policies in which 0 is none: it writes that as Off.
func OrOff[T Number](v T) T {
	if v == 0 {
		return Off
	}
	return v
}
