//go:build unix

package input

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Nobody writes to the FIFO, and to read it would last for ever.
func TestAFIFOIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	fifo, socket := filepath.Join(dir, "fifo"), filepath.Join(dir, "socket")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	began := time.Now()
	for path, want := range map[string]string{fifo: "it is a FIFO, not a regular file", socket: "it is a socket"} {
		if _, err := File(path, 100); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("they were refused after %v", took)
	}
}

// A file that becomes a FIFO between two looks is refused all the same.
func TestAPathThatBecomesAFIFOIsNotWaitedFor(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "swapped")
	fifo, file, link := filepath.Join(dir, "fifo"), filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			_ = os.Symlink([]string{fifo, file}[i%2], link)
			_ = os.Rename(link, path)
		}
	}()
	read, refused := 0, 0
	for range 5000 {
		text, err := File(path, 100)
		switch {
		case err == nil && string(text) == "text":
			read++
		case err != nil:
			refused++
		default:
			t.Errorf("%q", text)
		}
	}
	close(stop)
	<-stopped
	if read == 0 || refused == 0 {
		t.Errorf("%d were read and %d refused: this checks little", read, refused)
	}
}

// The files of /proc say that their size is 0, and have any.
func TestAFileOfSizeZeroIsBounded(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc with such files")
	}
	if text, err := File("/proc/self/stat", 1<<20); err != nil || len(text) == 0 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
	if _, err := File("/proc/self/smaps", 64); err == nil || !strings.Contains(err.Error(), "it is larger than") {
		t.Errorf("%v", err)
	}
}
