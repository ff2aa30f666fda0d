package httpclient_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
)

// echo upgrades, and sends back what it gets.
func echo(w http.ResponseWriter, _ *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	_ = rw.Flush()
	_, _ = io.Copy(c, c)
}

// An upgraded connection is cut off with its client, whether or not anybody reads, and not with
// its caller's context, as without us.
func TestAnUpgradedConnectionIsCutOffWithItsClient(t *testing.T) {
	for _, reads := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			gone := make(chan struct{})
			transport, _ := inMemory(t, func(w http.ResponseWriter, r *http.Request) { defer close(gone); echo(w, r) })
			var gate holdfast.Gate
			ends := new(ends)
			req := request(t, "GET", "http://server.test/", nil)
			req.Header.Set("Connection", "Upgrade")
			req.Header.Set("Upgrade", "x")
			resp, err := httpclient.Wrap(transport, &gate, ends.policy()).RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			conn, _ := resp.Body.(io.ReadWriteCloser)
			_, _ = conn.Write([]byte("x"))
			if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			read := make(chan error, 1)
			if reads {
				go func() { _, err := conn.Read(make([]byte, 1)); read <- err }()
			}
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := gate.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			<-gone
			if err := gate.Shutdown(context.Background()); err != nil {
				t.Error(err)
			}
			if reads {
				if err := <-read; !errors.Is(err, holdfast.ErrClosed) {
					t.Error(err)
				}
			}
			if end := ends.one(t); end.Class != holdfast.Ignored || end.Code != holdfast.CodeClosed || end.Bytes != 1 {
				t.Errorf("it ended as %+v", end)
			}
			_ = conn.Close()
		})
	}
	synctest.Test(t, func(t *testing.T) {
		transport, _ := inMemory(t, echo)
		ctx, cancel := context.WithCancel(t.Context())
		req := request(t, "GET", "http://server.test/", nil).WithContext(ctx)
		req.Header.Set("Connection", "Upgrade")
		req.Header.Set("Upgrade", "x")
		resp, err := httpclient.Wrap(transport, new(holdfast.Gate)).RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		cancel() // of the handshake
		synctest.Wait()
		conn, _ := resp.Body.(io.ReadWriteCloser)
		_, _ = conn.Write([]byte("x"))
		if n, err := conn.Read(make([]byte, 1)); n != 1 || err != nil {
			t.Error(n, err)
		}
		_ = conn.Close()
	})
}
