package input

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// File reads a regular file of at most so many bytes; symbolic links are followed. It never waits
// for somebody to write: a FIFO, a device, a socket and a directory are errors, and so is a file
// that is larger, also one that grows while it is read or says that its size is 0, as those of
// /proc do.
func File(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path) // opening a device may have effects
	if err != nil {
		return nil, err
	}
	if err := suits(path, info, most); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlocking, 0) // it may be a FIFO by now
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := suits(path, info, most); err != nil {
		return nil, err
	}
	var text bytes.Buffer
	text.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := text.ReadFrom(io.LimitReader(f, most+1)); err != nil {
		return nil, err
	}
	if int64(text.Len()) > most {
		return nil, tooLarge(path, most)
	}
	return text.Bytes(), nil
}

func suits(path string, info fs.FileInfo, most int64) error {
	switch {
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s: it is %s, not a regular file", path, kindOf(info.Mode()))
	case info.Size() > most:
		return tooLarge(path, most)
	}
	return nil
}

func tooLarge(path string, most int64) error {
	return fmt.Errorf("%s: it is larger than %d KiB", path, most>>10)
}

func kindOf(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "a directory"
	case mode&fs.ModeNamedPipe != 0:
		return "a FIFO"
	case mode&fs.ModeSocket != 0:
		return "a socket"
	case mode&fs.ModeDevice != 0:
		return "a device"
	}
	return "something else"
}
