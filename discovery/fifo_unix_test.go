//go:build unix

package discovery_test

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/discovery"
)

// Watch ends with its context also where the file is a FIFO, which nobody writes to.
func TestAFileThatIsAFIFOIsNotWaitedFor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "endpoints")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	done := make(chan []string)
	go func() {
		var told []string
		for endpoints, err := range discovery.File(path, 10*time.Millisecond).Watch(ctx) {
			if err == nil {
				t.Errorf("it yields %v", endpoints)
				break
			}
			told = append(told, err.Error())
		}
		done <- told
	}()
	select {
	case told := <-done:
		if len(told) == 0 || !strings.Contains(told[0], "it is a FIFO, not a regular file") {
			t.Errorf("%q", told)
		}
	case <-time.After(30 * time.Second):
		t.Error("Watch has not ended")
	}
}
