package sectest6

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/grpcclient"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

func serve(c net.Conn, afterData bool, mode string, n *atomic.Int32) {
	defer c.Close()
	io.ReadFull(c, make([]byte, len(http2.ClientPreface)))
	fr := http2.NewFramer(c, c)
	fr.WriteSettings()
	act := func(id uint32) bool {
		var code uint32
		switch {
		case mode == "fin":
			return true
		case mode == "rst":
			c.(*net.TCPConn).SetLinger(0)
			return true
		case mode == "hang":
			time.Sleep(150 * time.Millisecond)
			return true
		case mode == "garbage":
			c.Write(bytes.Repeat([]byte{0xff}, 50))
			return true
		case strings.HasPrefix(mode, "code"):
			fmt.Sscanf(mode, "code%d", &code)
			fr.WriteRSTStream(id, http2.ErrCode(code))
		case strings.HasPrefix(mode, "hdrcode"): // headers first
			fmt.Sscanf(mode, "hdrcode%d", &code)
			var b bytes.Buffer
			e := hpack.NewEncoder(&b)
			e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			e.WriteField(hpack.HeaderField{Name: "content-type", Value: "application/grpc"})
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true})
			fr.WriteRSTStream(id, http2.ErrCode(code))
		case strings.HasPrefix(mode, "goaway"):
			fmt.Sscanf(mode, "goaway%d", &code)
			fr.WriteGoAway(id, http2.ErrCode(code), []byte("x"))
			return true
		case strings.HasPrefix(mode, "status"):
			var b bytes.Buffer
			e := hpack.NewEncoder(&b)
			e.WriteField(hpack.HeaderField{Name: ":status", Value: "200"})
			e.WriteField(hpack.HeaderField{Name: "content-type", Value: "application/grpc"})
			e.WriteField(hpack.HeaderField{Name: "grpc-status", Value: mode[6:]})
			e.WriteField(hpack.HeaderField{Name: "grpc-retry-pushback-ms", Value: "0"})
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: true})
		case strings.HasPrefix(mode, "http"):
			var b bytes.Buffer
			e := hpack.NewEncoder(&b)
			e.WriteField(hpack.HeaderField{Name: ":status", Value: mode[4:]})
			fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: b.Bytes(), EndHeaders: true, EndStream: true})
		}
		return false
	}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				fr.WriteSettingsAck()
			}
		case *http2.HeadersFrame:
			n.Add(1)
			if !afterData && act(f.StreamID) {
				return
			}
		case *http2.DataFrame:
			if afterData && act(f.StreamID) {
				return
			}
		}
	}
}

func TestACallIsSentOnce(t *testing.T) {
	modes := []string{"fin", "rst", "hang", "garbage", "http502", "http503", "http429", "http504", "http400"}
	for i := range 17 {
		modes = append(modes, fmt.Sprintf("status%d", i))
		if i < 14 {
			modes = append(modes, fmt.Sprintf("goaway%d", i), fmt.Sprintf("hdrcode%d", i))
			if i != 7 {
				modes = append(modes, fmt.Sprintf("code%d", i))
			}
		}
	}
	total := 0
	for _, kind := range []string{"unary", "stream"} {
		for _, mode := range modes {
			for _, after := range []bool{false, true} {
				for _, wrapped := range []bool{false, true} {
					var n atomic.Int32
					l, err := net.Listen("tcp", "127.0.0.1:0")
					if err != nil {
						t.Fatal(err)
					}
					go func() {
						for {
							c, err := l.Accept()
							if err != nil {
								return
							}
							go serve(c, after, mode, &n)
						}
					}()
					opts := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
					unl := retry.NewBudget(retry.BudgetOptions{Unlimited: true})
					if wrapped {
						opts = append(opts, grpcclient.DialOptions(retry.New(retry.Options{MaxAttempts: 4, InitialInterval: time.Millisecond, Budget: unl}), hedge.New(hedge.Options{Delay: time.Millisecond, Budget: unl}), timeout.New(timeout.Options{Limit: 50*time.Millisecond}))...)
					}
					cc, _ := grpc.NewClient("passthrough:///"+l.Addr().String(), opts...)
					ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
					h := grpc_health_v1.NewHealthClient(cc)
					if kind == "unary" {
						_, _ = h.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "x"})
					} else if st, err := h.Watch(ctx, &grpc_health_v1.HealthCheckRequest{Service: "x"}); err == nil {
						_, _ = st.Recv()
					}
					cancel()
					cc.Close()
					l.Close()
					total++
					if k := n.Load(); k > 1 {
						t.Errorf("wrapped %v %s %s after data %v: %d times", wrapped, kind, mode, after, k)
					}
				}
			}
		}
	}
	t.Logf("%d calls", total)
}
