package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/cristalhq/hedgedhttp"
	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/failsafehttp"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/gojek/heimdall/v7"
	heimdallhttp "github.com/gojek/heimdall/v7/httpclient"
	"github.com/hashicorp/go-retryablehttp"
	"github.com/sony/gobreaker/v2"
)

type response = *http.Response

func failsafeHTTP(base http.RoundTripper, policies ...failsafe.Policy[response]) doer {
	return failsafehttp.NewRoundTripper(base, policies...).RoundTrip
}

func (k knobs) failsafeRetry() failsafe.Policy[response] {
	return failsafehttp.NewRetryPolicyBuilder().WithMaxRetries(2).WithDelay(k.wait).Build()
}

func (k knobs) failsafeBreaker() failsafe.Policy[response] {
	return circuitbreaker.NewBuilder[response]().HandleIf(failed).WithFailureThreshold(5).WithDelay(time.Second).Build()
}

func (k knobs) failsafeHedge() failsafe.Policy[response] {
	return hedgepolicy.NewWithDelay[response](k.delay)
}

func (k knobs) failsafeTimeout() failsafe.Policy[response] { return timeout.New[response](k.limit) }

func failsafeRetry(base http.RoundTripper, k knobs) doer {
	return failsafeHTTP(base, k.failsafeRetry())
}

func failsafeBreaker(base http.RoundTripper, k knobs) doer {
	return failsafeHTTP(base, k.failsafeBreaker())
}

func failsafeTimeout(base http.RoundTripper, k knobs) doer {
	return failsafeHTTP(base, k.failsafeTimeout())
}

func failsafeHedge(base http.RoundTripper, k knobs) doer {
	return failsafeHTTP(base, k.failsafeHedge())
}

func failsafeThree(base http.RoundTripper, k knobs) doer {
	return failsafeHTTP(base, k.failsafeRetry(), k.failsafeBreaker(), k.failsafeTimeout())
}

func failsafeFour(base http.RoundTripper, k knobs) doer {
	return failsafeHTTP(base, k.failsafeRetry(), k.failsafeHedge(), k.failsafeBreaker(), k.failsafeTimeout())
}

func retryablehttpRetry(base http.RoundTripper, k knobs) doer {
	client := retryablehttp.NewClient()
	client.HTTPClient = &http.Client{Transport: base}
	client.RetryMax, client.RetryWaitMin, client.RetryWaitMax, client.Logger = 2, k.wait, k.wait, nil
	return func(req *http.Request) (*http.Response, error) {
		wrapped, err := retryablehttp.FromRequest(req)
		if err != nil {
			return nil, err
		}
		return client.Do(wrapped)
	}
}

type asDoer struct{ http.RoundTripper }

func (d asDoer) Do(req *http.Request) (*http.Response, error) { return d.RoundTrip(req) }

func heimdallRetry(base http.RoundTripper, k knobs) doer {
	client := heimdallhttp.NewClient(
		heimdallhttp.WithHTTPClient(asDoer{base}), heimdallhttp.WithRetryCount(2),
		heimdallhttp.WithRetrier(heimdall.NewRetrier(heimdall.NewConstantBackoff(k.wait, 0))),
	)
	return client.Do
}

func hedgedhttpHedge(base http.RoundTripper, k knobs) doer {
	rt, err := hedgedhttp.NewRoundTripper(k.delay, 2, base)
	if err != nil {
		panic(err)
	}
	return rt.RoundTrip
}

func clientTimeout(base http.RoundTripper, k knobs) doer {
	return (&http.Client{Transport: base, Timeout: k.limit}).Do
}

var errStatus = errors.New("5xx")

// gobreaking guards a call by gobreaker alone.
func gobreaking(do doer) doer {
	cb := gobreaker.NewCircuitBreaker[response](gobreaker.Settings{
		Timeout: time.Second, ReadyToTrip: func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= 5 },
	})
	return func(req *http.Request) (*http.Response, error) {
		resp, err := cb.Execute(func() (response, error) {
			resp, err := do(req)
			if err == nil && resp.StatusCode >= 500 {
				return resp, errStatus
			}
			return resp, err
		})
		if err == errStatus { //nolint:errorlint // ours, as it came
			return resp, nil
		}
		return resp, err
	}
}

func gobreakerBreaker(base http.RoundTripper, _ knobs) doer { return gobreaking(base.RoundTrip) }

// glueThree is the best of single libraries, put together by hand: backoff,
// gobreaker and a context with a deadline.
func glueThree(base http.RoundTripper, k knobs) doer {
	do := gobreaking(limited(base.RoundTrip, k))
	return func(req *http.Request) (resp *http.Response, err error) {
		schedule := backoff.WithMaxRetries(backoff.NewConstantBackOff(k.wait), 2)
		err = backoff.Retry(func() error {
			if resp, err = do(req); err == nil && resp.StatusCode >= 500 {
				_ = resp.Body.Close()
				return errStatus
			}
			return err
		}, backoff.WithContext(schedule, context.Background()))
		return resp, err
	}
}
