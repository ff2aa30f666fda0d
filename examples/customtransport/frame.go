package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// A frame is four bytes of length, four of the request's id, one of its kind, and a payload.
// A request is one frame. Its answer is one with a status and, where that is OK, further ones
// with what is answered, and one that ends it.
type frame struct {
	id      uint32
	kind    kind
	payload []byte
}

type kind byte

const (
	asks   kind = iota + 1 // a request, in JSON
	begins                 // an answer: one byte of Status, four of milliseconds to wait, a text
	goesOn                 // a part of what is answered; at least one byte
	ends                   // the answer is whole
)

const (
	header   = 9
	maxFrame = 1 << 20 // of payload, either way
)

// errProtocol is what comes of an answer that does not fit its question. The connection is of
// no use after it.
var errProtocol = errors.New("the answer does not keep to the protocol")

// bytes returns the frame as it is sent, for one Write: what was not written as a whole cannot
// be understood, and so not acted upon.
func (f frame) bytes() []byte {
	b := make([]byte, header, header+len(f.payload))
	binary.BigEndian.PutUint32(b, uint32(len(f.payload)))
	binary.BigEndian.PutUint32(b[4:], f.id)
	b[8] = byte(f.kind)
	return append(b, f.payload...)
}

func readFrame(r *bufio.Reader) (frame, error) {
	var b [header]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return frame{}, err
	}
	n := binary.BigEndian.Uint32(b[:])
	if n > maxFrame { // never make room for what the other side merely claims
		return frame{}, errProtocol
	}
	f := frame{binary.BigEndian.Uint32(b[4:]), kind(b[8]), make([]byte, n)}
	_, err := io.ReadFull(r, f.payload)
	return f, err
}
