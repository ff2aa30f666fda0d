//go:build !unix

package main

import (
	"fmt"
	"os"
	"runtime"
)

// errCannotStop is why processes cannot be stopped here.
var errCannotStop = fmt.Errorf("%s has no SIGSTOP, so that this cannot be shown here", runtime.GOOS)

func stopChild(*os.Process) error { return errCannotStop }
func goOn(*os.Process) error      { return errCannotStop }
