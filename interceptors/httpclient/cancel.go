package httpclient

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast"
)

var errCancelled = errors.New("net/http: request canceled") // net/http's own words, and no error of ours in their place

// cancelled reports whether req.Cancel says so. The field is deprecated, and
// obeyed by net/http as ever; http.Client.Timeout uses it.
func cancelled(req *http.Request) bool {
	select {
	case <-req.Cancel: //nolint:staticcheck // see above
		return true
	default:
		return false
	}
}

// withCancel makes req.Cancel end a context, so that policies stop for it as
// well. The context is to be let go of by its Done, as a Hook.
func withCancel(ctx context.Context, req *http.Request) (context.Context, letGo) {
	ctx, cancel := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-req.Cancel: //nolint:staticcheck // see above
		}
		if deadline, ok := ctx.Deadline(); ok && !time.Now().Before(deadline) {
			<-ctx.Done() // http.Client.Timeout ends both, and which of them is no matter of chance
		}
		cancel(errCancelled)
	}()
	return ctx, letGo(cancel)
}

type letGo context.CancelCauseFunc

func (f letGo) Done(uint64, holdfast.End) { f(nil) }
