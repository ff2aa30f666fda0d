package main

import (
	"net/http"
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/breaker"
	"github.com/holdfast-go/holdfast/hedge"
	"github.com/holdfast-go/holdfast/interceptors/httpclient"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

func ours(base http.RoundTripper, policies ...holdfast.Policy) doer {
	return httpclient.Wrap(base, policies...).RoundTrip
}

func (k knobs) retry() holdfast.Policy { return retry.New(retry.Options{InitialInterval: k.wait}) }
func (k knobs) breaker() holdfast.Policy {
	return breaker.New(breaker.Options{OpenDuration: time.Second})
}
func (k knobs) timeout() holdfast.Policy { return timeout.New(timeout.Options{Limit: k.limit}) }
func (k knobs) hedge() holdfast.Policy   { return hedge.New(hedge.Options{Delay: k.delay, Share: -1}) }

func ourRetry(base http.RoundTripper, k knobs) doer   { return ours(base, k.retry()) }
func ourBreaker(base http.RoundTripper, k knobs) doer { return ours(base, k.breaker()) }
func ourTimeout(base http.RoundTripper, k knobs) doer { return ours(base, k.timeout()) }
func ourHedge(base http.RoundTripper, k knobs) doer   { return ours(base, k.hedge()) }

func ourThree(base http.RoundTripper, k knobs) doer {
	return ours(base, k.retry(), k.breaker(), k.timeout())
}

func ourFour(base http.RoundTripper, k knobs) doer {
	return ours(base, k.retry(), k.hedge(), k.breaker(), k.timeout())
}

func ourStandard(base http.RoundTripper, _ knobs) doer {
	return ours(base, preset.Standard().Policies()...)
}
