package httpclient

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"strconv"
)

// idempotent is RFC 9110 section 9.2.2, with QUERY (RFC 10008), and the header
// by which a client says so of any method.
func idempotent(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete, "QUERY":
		return true
	}
	_, key := req.Header["Idempotency-Key"]
	_, x := req.Header["X-Idempotency-Key"]
	return key || x // an empty list too: net/http takes it for a promise that is not sent
}

// UUID makes a random idempotency key: a version 4 UUID (RFC 9562) in the quotes
// of a structured field's string (RFC 8941), as the Idempotency-Key draft has it.
func UUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf(`"%x-%x-%x-%x-%x"`, b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// isRepeat reports whether an attempt header says that the request is not a
// first attempt.
func isRepeat(header string) bool {
	n, err := strconv.Atoi(header)
	return err == nil && n > 1
}
