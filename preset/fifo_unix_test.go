//go:build unix

package preset_test

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-go/holdfast/preset"
)

// Follow ends with its context also where the file is a FIFO, which nobody writes to.
func TestFollowDoesNotWaitForAFIFO(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy.json")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := preset.NewStack(preset.Standard())
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer stop()
	done := make(chan []string)
	go func() {
		var told []string
		s.Follow(ctx, preset.File(ctx, path, 10*time.Millisecond), func(_ []string, err error) { told = append(told, err.Error()) })
		done <- told
	}()
	select {
	case told := <-done:
		if len(told) != 1 || !strings.Contains(told[0], "it is a FIFO, not a regular file") {
			t.Errorf("%q", told)
		}
	case <-time.After(30 * time.Second):
		t.Error("Follow has not returned")
	}
}
