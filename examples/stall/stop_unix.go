//go:build unix

package main

import (
	"os"
	"syscall"
)

// errCannotStop is why processes cannot be stopped here.
var errCannotStop error

// stopChild has a process stand still, goOn has it run again.
func stopChild(p *os.Process) error { return p.Signal(syscall.SIGSTOP) }
func goOn(p *os.Process) error      { return p.Signal(syscall.SIGCONT) }
