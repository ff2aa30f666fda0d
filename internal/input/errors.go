package input

import "errors"

// Errors are what is wrong with a text: the first ten, so that a text which is wrong all through
// costs no more than one that is right. The zero Errors has none.
type Errors struct{ first []error }

const maxErrors = 10

var errMore = errors.New("and more")

// Add adds an error, and is for nothing when they are Full.
func (e *Errors) Add(err error) {
	switch {
	case len(e.first) < maxErrors:
		e.first = append(e.first, err)
	case len(e.first) == maxErrors:
		e.first = append(e.first, errMore)
	}
}

// Full reports whether it is known that there are more than ten: whoever reads on learns nothing.
func (e *Errors) Full() bool { return len(e.first) > maxErrors }

// Len is how many are kept.
func (e *Errors) Len() int { return len(e.first) }

// Err is all of them in one, or nil.
func (e *Errors) Err() error { return errors.Join(e.first...) }
