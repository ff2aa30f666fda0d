package httpclient

import (
	"context"
	"net/http/httptrace"

	"github.com/holdfast-go/holdfast"
)

// replays returns a context under which what net/http sends again by itself is counted:
// it gets a connection for each time.
func replays(ctx context.Context, call *holdfast.Call) context.Context {
	sent := 0 // net/http gets them one after the other
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) {
		if sent++; sent > 1 {
			call.Replayed(ctx)
		}
	}})
}
