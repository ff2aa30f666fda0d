package httpclient

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
)

// T18: http.Client.Timeout closes Request.Cancel at its deadline; were that a
// hair quicker than the context, the context would still end by its deadline.
func TestT18_ACancelAtTheDeadlineIsTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		cancel := make(chan struct{})
		close(cancel)
		ctx, letGo := withCancel(early{limited}, &http.Request{Cancel: cancel})
		defer letGo.Done(0, holdfast.End{})
		<-ctx.Done()
		if ctx.Err() != context.DeadlineExceeded {
			t.Errorf("ended by %v", context.Cause(ctx))
		}
	})
}

// An early context says that its deadline has come before it ends.
type early struct{ context.Context }

func (early) Deadline() (time.Time, bool) { return time.Now(), true }
