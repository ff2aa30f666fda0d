// Package alloctest holds code to the memory that it may allocate: what a parser takes for a text
// from outside has to be in proportion to the text.
package alloctest

import (
	"runtime"
	"testing"
)

// Of is how many bytes f allocates, and all that runs beside it.
func Of(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Within runs f, which has an error when it allocates more than so many bytes.
func Within(t testing.TB, most int, f func()) {
	t.Helper()
	if took := Of(f); took > uint64(most) {
		t.Errorf("%d bytes were allocated, and %d are the most", took, most)
	}
}
