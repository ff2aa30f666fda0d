//go:build !linux

package main

import "errors"

// canLimit tells why there are no quotas.
func canLimit() error { return errors.New("CPU quotas are Linux's") }

func limitCPU(int, float64) (lift func(), err error) { return nil, canLimit() }
