package preset_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/preset"
)

func parsed(t *testing.T, text string) *preset.ServiceConfig {
	t.Helper()
	s, err := preset.ParseServiceConfig([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const perMethod = `{
	"methodConfig": [
		{"name": [{"service": "s.S", "method": "Get"}, {"service": "users.internal:443", "method": "GET"}], "timeout": "2s", "waitForReady": true,
		 "retryPolicy": {"maxAttempts": 9, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 3,
		  "retryableStatusCodes": ["UNAVAILABLE", "ABORTED"], "perAttemptRecvTimeout": "0.5s"}},
		{"name": [{"service": "s.S"}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.02s"}},
		{"name": [{}], "timeout": "7s"}
	],
	"retryThrottling": {"maxTokens": 20, "tokenRatio": 0.5}
}`

func TestMethodsHaveTheirOwnPolicies(t *testing.T) {
	s := parsed(t, perMethod)
	get := s.Config(preset.Standard(), "s.S", "Get")
	if get.Retry.MaxAttempts != 9 || get.Timeout.Limit != 2*time.Second || get.Attempt.Limit != time.Second/2 || get.Budget.Min != 10 || get.Budget.Ratio != 0.5 {
		t.Errorf("Get: %+v", get)
	}
	if !slices.Contains(get.Retry.Codes, "UNAVAILABLE") || !slices.Contains(get.Retry.Codes, "503") || !slices.Contains(get.Retry.Codes, "409") || slices.Contains(get.Retry.Codes, "429") {
		t.Errorf("Get repeats %v", get.Retry.Codes)
	}
	if put := s.Config(preset.Standard(), "s.S", "Put"); put.Hedge.MaxHedges != 2 || put.Hedge.Delay != 20*time.Millisecond || put.Retry.MaxAttempts != -1 {
		t.Errorf("Put: %+v", put)
	}
	if other := s.Config(preset.Standard(), "o.O", "Any"); other.Timeout.Limit != 7*time.Second || other.Attempt.Limit != 7*time.Second || other.Retry.MaxAttempts != 3 {
		t.Errorf("other: %+v", other)
	}
	if wait, said := s.WaitForReady("/s.S/Get"); !wait || !said {
		t.Error("Get waits for a connection")
	}
	if _, said := s.WaitForReady("/s.S/Put"); said {
		t.Error("nothing was said of Put")
	}
}

// T68: retryThrottling, and the schedule, hold for gRPC's and for HTTP's calls.
func TestT68_AServiceConfigIsObeyed(t *testing.T) {
	for name, call := range map[string]holdfast.Call{
		"gRPC": {Target: "dns:///users", Method: "/s.S/Get", Repeatable: true},
		"HTTP": {Target: "users.internal:443", Method: "GET", Repeatable: true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				base := preset.Standard()
				base.Breaker.ConsecutiveFailures, base.Breaker.ConsecutiveFailuresUnderLoad, base.Breaker.FailureRatio = -1, -1, -1
				p, err := parsed(t, perMethod).Policy(base)
				if err != nil {
					t.Fatal(err)
				}
				h := holdfast.Chain(p)
				var sent []time.Time
				down := errors.New("down")
				sender := senderOf(func(context.Context) holdfast.Result {
					sent = append(sent, time.Now())
					code := holdfast.Code("UNAVAILABLE")
					if name == "HTTP" {
						code = "503"
					}
					return holdfast.Result{Err: down, Class: holdfast.Failure, Code: code, After: -1} // the door's caution
				})
				start := time.Now()
				call.Sender = sender
				if res := h(t.Context(), &call); !errors.Is(res.Err, down) {
					t.Error(res.Err)
				}
				// 0.1, 0.3, 0.9 s, a fifth more or less; the fourth, of a second, passes the 2 s
				// but when all are short.
				if len(sent) < 4 || len(sent) > 5 || time.Since(start) > 2*time.Second {
					t.Errorf("%d attempts in %v", len(sent), time.Since(start))
				}
				for i, want := range []time.Duration{100 * time.Millisecond, 300 * time.Millisecond, 900 * time.Millisecond} {
					if got := sent[i+1].Sub(sent[i]); got < want*8/10 || got > want*12/10 {
						t.Errorf("wait %d is %v", i+1, got)
					}
				}
				left := 10 - (len(sent) - 1) // of Min's ten tokens
				sent = nil
				for range 20 {
					again := holdfast.Call{Target: call.Target, Method: call.Method, Repeatable: true, Sender: sender}
					h(t.Context(), &again)
				}
				if len(sent) != 20+left {
					t.Errorf("%d attempts of 20 calls, want %d", len(sent), 20+left)
				}
			})
		})
	}
}

type senderOf func(context.Context) holdfast.Result

func (s senderOf) Send(ctx context.Context, _ *holdfast.Call) holdfast.Result { return s(ctx) }

// The methods of a target share its circuit.
func TestMethodsShareTheirCircuits(t *testing.T) {
	p, err := parsed(t, perMethod).Policy(preset.Standard())
	if err != nil {
		t.Fatal(err)
	}
	h := holdfast.Chain(p)
	send := func(method string) error {
		return h(t.Context(), &holdfast.Call{Target: "t", Method: method, Sender: senderOf(func(context.Context) holdfast.Result {
			return holdfast.Result{Err: errors.New("down"), Class: holdfast.Failure, Code: "UNKNOWN", After: -1}
		})}).Err
	}
	for range 5 {
		_ = send("/s.S/Get")
	}
	if err := send("/o.O/Other"); !errors.Is(err, breaker.ErrOpen) {
		t.Errorf("another method of the target: %v", err)
	}
}

func TestAServiceConfigThatMakesNoSenseWithItsBaseIsRefused(t *testing.T) {
	base := preset.Standard()
	base.Breaker.FailureRatio = 7
	if _, err := parsed(t, perMethod).Policy(base); err == nil || !strings.Contains(err.Error(), "breaker.failureRatio") {
		t.Error(err)
	}
	s := parsed(t, strings.Replace(perMethod, `"0.5s"`, `"5s"`, 1))
	if p, err := s.Policy(preset.Standard()); p == nil || err != nil {
		t.Errorf("an attempt's limit above the call's: %v, want the call's", err)
	}
}
