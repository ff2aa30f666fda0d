package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"syscall"

	"github.com/holdfast-go/holdfast"
)

// A stage is how far an attempt had come when it failed: whether the server can have begun
// depends on it, and an error alone does not tell.
type stage uint8

const (
	before   stage = iota // its context was done
	encoding              // the request could not be made
	dialling              // there is no connection
	writing               // the request did not go out as a whole
	reading               // it went out, and the server may have acted
)

// judge is the one table of errors. ctx is the attempt's, with the Call in it.
func judge(ctx context.Context, at stage, err error) holdfast.Result {
	v := holdfast.VerdictOf(ctx, err)
	res := holdfast.Result{Err: err, Class: v.Class, Code: v.Code, After: v.After}
	if ctx.Err() != nil {
		res.Err = context.Cause(ctx) // says which limit it was, where the connection only says "closed"
	}
	if v.Class != holdfast.Failure || v.Code != holdfast.CodeError {
		return res // the context tells: cancelled, superseded, out of time, or this process stood still
	}
	switch {
	case at == encoding:
		res.Class, res.Code = holdfast.LocalFault, holdfast.CodeRequest
	case at == dialling && isExhausted(err):
		res.Class, res.Code = holdfast.LocalShortage, holdfast.CodeExhausted
	case at == dialling:
		res.Class, res.Code = holdfast.Refused, holdfast.CodeDial
	case at == writing: // half a request is none: any method may be sent again
		res.Class, res.Code = holdfast.Refused, holdfast.CodeReset
	// From here on the server may have acted: all is a Failure, which only what is Repeatable
	// survives. That holds for a kept connection that the server has closed meanwhile, too:
	// the request went out into it, and nobody knows.
	case errors.Is(err, errProtocol):
		res.Code, res.After = "protocol", -1 // the next answer will be no better
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		res.Code = holdfast.CodeEOF
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		res.Code = holdfast.CodeReset
	}
	return res
}

// isExhausted reports that this process has no port or file descriptor left: no server's doing.
func isExhausted(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL)
}

// encode makes what is sent of the request: a copy, since the caller's map is not ours to
// change, with the headers that policies have put on this attempt.
func (x *exchange) encode(ctx context.Context, call *holdfast.Call) ([]byte, error) {
	out := x.req
	var added map[string]string
	call.Headers(ctx, func(key, value string) {
		if added == nil {
			added = map[string]string{}
			maps.Copy(added, x.req.Headers)
			out.Headers = added
		}
		added[key] = value
	})
	b, err := json.Marshal(out)
	if err == nil && len(b) > maxFrame {
		err = fmt.Errorf("the request has %d bytes, and %d is the most", len(b), maxFrame)
	}
	return b, err
}
