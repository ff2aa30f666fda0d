//go:build !unix

package input

// nonBlocking is nothing where paths lead to no FIFO.
const nonBlocking = 0
