//go:build unix

package input

import "syscall"

// nonBlocking has a FIFO opened without a writer, so that it can be told from a file.
const nonBlocking = syscall.O_NONBLOCK
