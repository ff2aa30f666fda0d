package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// The kernel takes a quota where this process may make a control group of its own:
// in version 2 by cpu.max, in version 1 by two files. Both are looked for at the root.
var groups = []struct {
	root  string
	limit func(dir string, quota int64) error
}{
	{"/sys/fs/cgroup", func(dir string, quota int64) error {
		return write(dir, "cpu.max", fmt.Sprintf("%d %d", quota, period.Microseconds()))
	}},
	{"/sys/fs/cgroup/cpu", func(dir string, quota int64) error {
		return errors.Join(
			write(dir, "cpu.cfs_period_us", strconv.FormatInt(period.Microseconds(), 10)),
			write(dir, "cpu.cfs_quota_us", strconv.FormatInt(quota, 10)),
		)
	}},
}

// leastQuota is what the kernel takes.
const leastQuota = 1000 // µs

// limitCPU leaves a process so much of a CPU in each period, until lift is called.
func limitCPU(pid int, cpus float64) (lift func(), err error) {
	var failed []error
	for _, g := range groups {
		dir := filepath.Join(g.root, fmt.Sprintf("stall-%d", pid))
		if err := os.Mkdir(dir, 0o755); err != nil {
			failed = append(failed, err)
			continue
		}
		lift = func() { _ = os.Remove(dir) } // can be removed when no process is in it
		err := g.limit(dir, max(int64(cpus*float64(period.Microseconds())), leastQuota))
		if err == nil {
			err = write(dir, "cgroup.procs", strconv.Itoa(pid))
		}
		if err == nil {
			return lift, nil
		}
		lift()
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

// canLimit tells why there are no quotas.
func canLimit() error {
	var failed []error
	for _, g := range groups {
		dir := filepath.Join(g.root, fmt.Sprintf("stall-%d-try", os.Getpid()))
		err := os.Mkdir(dir, 0o755)
		if err == nil {
			err = g.limit(dir, period.Microseconds())
			_ = os.Remove(dir)
		}
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return fmt.Errorf("no CPU quota may be set: %w", errors.Join(failed...))
}

func write(dir, name, text string) error {
	// Not os.WriteFile: a file that is not there is to stay so.
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
