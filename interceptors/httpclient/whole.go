package httpclient

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/holdfast-go/holdfast"
)

// wanted reports whether an answer is to be read completely before it counts as one.
func (x *exchange) wanted(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusSwitchingProtocols, http.StatusNoContent, http.StatusNotModified:
		return false // a 304 says the length of what is not sent
	}
	return resp.ContentLength > 0 && resp.ContentLength <= x.door.WholeBody && resp.Body != http.NoBody && x.req.Method != http.MethodHead
}

// whole reads the answer, which its caller reads from memory then. It returns how much there
// was, and why that is not all. What is longer than it said, of a base that is no Transport, the
// caller gets as it is.
func (x *exchange) whole(resp *http.Response) (int, error) {
	p := &peeked{ReadCloser: resp.Body}
	got, err := p.fill(resp.ContentLength + 1) // the end is to come, too
	switch {
	case err == nil, err == io.EOF && int64(got) == resp.ContentLength:
		resp.Body = p
		return got, nil
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return got, err
}

// brokenOff makes a Result of an answer that did not come completely. The server had begun, so
// it is not asked what the error would mean of an attempt without an answer.
func (x *exchange) brokenOff(ctx context.Context, s *sending, resp *http.Response, got int, err error) holdfast.Result {
	defer shut(resp.Body)
	defer s.close()
	v := holdfast.VerdictOf(ctx, err)
	res := holdfast.Result{Class: v.Class, Code: v.Code, After: v.After}
	limit := ranOut(ctx)
	switch {
	case limit != nil:
		res.Err = limit
	case cancelled(x.req):
		return holdfast.Result{Err: errCancelled, Code: holdfast.CodeCancelled}
	default:
		res.Err = fmt.Errorf("httpclient: the answer broke off after %d of %d bytes: %w", got, resp.ContentLength, err)
	}
	if res.Code == holdfast.CodeError {
		res.Code = holdfast.CodeTruncated
	}
	if x.door.Classify != nil && ctx.Err() == nil {
		if v, ok := x.door.Classify(nil, res.Err); ok {
			res.Class, res.Code, res.After = v.Class, cmp.Or(v.Code, res.Code), cmp.Or(v.After, res.After)
		}
	}
	return res
}
