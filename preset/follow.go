package preset

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/internal/input"
)

// Follow updates s with each Config of a source until ctx is done, the source ends or s
// is found closed, and then returns. One that cannot be read or that Validate refuses changes
// nothing, and the next is as welcome. What JSON cannot say (functions, a Budget, the
// Outer and Inner policies) stays as it is where the Config has none; Update takes it
// away. report, when it is not nil, is told what each has changed, or why it has not.
func (s *Stack) Follow(ctx context.Context, source iter.Seq2[Config, error], report func([]string, error)) {
	for c, err := range source {
		if ctx.Err() != nil {
			return
		}
		var changes []string
		if err == nil {
			keep(reflect.ValueOf(&c).Elem(), reflect.ValueOf(s.Config()))
			changes, err = s.Update(c)
		}
		if report != nil {
			report(changes, err)
		}
		if errors.Is(err, holdfast.ErrClosed) {
			return
		}
	}
}

// keep puts into to what has no JSON and is empty there, and not in from.
func keep(to, from reflect.Value) {
	for i := range to.NumField() {
		field, in, old := to.Type().Field(i), to.Field(i), from.Field(i)
		switch {
		case !field.IsExported():
		case field.Type == routesType:
			keepInRoutes(in, old)
		case !hasJSON(field.Type):
			if in.IsZero() {
				in.Set(old)
			}
		case in.Kind() == reflect.Struct:
			keep(in, old)
		}
	}
}

// File is a source for Follow: the Config that Parse reads from a file, at first
// and whenever its content is another. It looks every so often (0 and negative: 5
// s) until ctx is done. It may be replaced, also through symbolic links. That it
// cannot be read is told once, until it can: what is no regular file (a FIFO, a
// device, a directory) is not read, nor is a file of more than 1 MiB.
func File(ctx context.Context, path string, every time.Duration) iter.Seq2[Config, error] {
	if every <= 0 {
		every = 5 * time.Second
	}
	return func(yield func(Config, error) bool) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		var last []byte
		var trouble string
		for known := false; ; {
			text, err := input.File(path, input.MaxJSON)
			switch {
			case err != nil && err.Error() != trouble:
				trouble, known = err.Error(), false
				if !yield(Config{}, fmt.Errorf("preset: %w", err)) {
					return
				}
			case err == nil && (!known || !bytes.Equal(text, last)):
				last, known, trouble = text, true, ""
				c, err := Parse(text)
				if err != nil {
					err = fmt.Errorf("%s: %w", path, err)
				}
				if !yield(c, err) {
					return
				}
			}
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
		}
	}
}
