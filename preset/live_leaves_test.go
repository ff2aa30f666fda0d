package preset_test

import (
	"time"

	"github.com/holdfast-go/holdfast"
	"github.com/holdfast-go/holdfast/limit"
	"github.com/holdfast-go/holdfast/preset"
	"github.com/holdfast-go/holdfast/retry"
	"github.com/holdfast-go/holdfast/timeout"
)

// liveLeaves are the values of a Config, each with a change and a probe that sees it.
func liveLeaves() map[string]leaf {
	const ms, s = time.Millisecond, time.Second
	type c = *preset.Config
	fail, overload := holdfast.Failure, holdfast.Overload
	leaves := map[string]leaf{
		"limit.max":        {func(c c) { c.Limit.Max = 5 }, func(c c) { c.Limit.Max = 2 }, (*probing).burst},
		"limit.wait":       {func(c c) { c.Limit.Max = 2 }, func(c c) { c.Limit.Wait = 1500 * ms }, (*probing).burst},
		"limit.queue":      {func(c c) { c.Limit = limit.InFlightOptions{Max: 2, Wait: 5 * s, Queue: 1} }, func(c c) { c.Limit.Queue = 4 }, (*probing).burst},
		"limit.perTarget":  {func(c c) { c.Limit.Max = 2 }, func(c c) { c.Limit.PerTarget = true }, (*probing).burst},
		"limit.maxTargets": {func(c c) { c.Limit = limit.InFlightOptions{Max: 2, PerTarget: true, MaxTargets: 10} }, func(c c) { c.Limit.MaxTargets = 1 }, (*probing).burst},

		"rate.perSecond":  {func(c c) { c.Rate = limit.RateOptions{PerSecond: 1, Burst: 1, Wait: 20 * s} }, func(c c) { c.Rate.PerSecond = 4 }, (*probing).burst},
		"rate.burst":      {func(c c) { c.Rate = limit.RateOptions{PerSecond: 1, Burst: 5} }, func(c c) { c.Rate.Burst = 2 }, (*probing).burst},
		"rate.wait":       {func(c c) { c.Rate = limit.RateOptions{PerSecond: 1, Burst: 1} }, func(c c) { c.Rate.Wait = 3 * s }, (*probing).burst},
		"rate.queue":      {func(c c) { c.Rate = limit.RateOptions{PerSecond: 1, Burst: 1, Wait: 9 * s, Queue: 1} }, func(c c) { c.Rate.Queue = 4 }, (*probing).burst},
		"rate.perTarget":  {func(c c) { c.Rate = limit.RateOptions{PerSecond: 1, Burst: 2} }, func(c c) { c.Rate.PerTarget = true }, (*probing).burst},
		"rate.maxTargets": {func(c c) { c.Rate = limit.RateOptions{PerSecond: 1, Burst: 2, PerTarget: true, MaxTargets: 10} }, func(c c) { c.Rate.MaxTargets = 1 }, (*probing).burst},

		"retry.maxAttempts":      {func(c c) { c.Retry.MaxAttempts = 2 }, func(c c) { c.Retry.MaxAttempts = 5 }, repeats(fail, 0)},
		"retry.initialInterval":  {func(c c) { c.Retry.MaxAttempts = 3 }, func(c c) { c.Retry.InitialInterval = s }, repeats(fail, 0)},
		"retry.maxInterval":      {func(c c) { c.Retry.MaxAttempts, c.Retry.InitialInterval, c.Retry.Jitter = 6, s, retry.Full }, func(c c) { c.Retry.MaxInterval = 2 * s }, inAll},
		"retry.overloadInterval": {func(c c) { c.Retry.MaxAttempts = 3 }, func(c c) { c.Retry.OverloadInterval = 5 * s }, repeats(overload, 0)},
		"retry.maxRetryAfter":    {func(c c) { c.Retry.MaxAttempts = 2 }, func(c c) { c.Retry.MaxRetryAfter = 10 * s }, repeats(overload, 30*s)},
		"retry.minAttempt":       {func(c c) { c.Retry.MaxAttempts, c.Attempt.Limit = 3, 2*s }, func(c c) { c.Retry.MinAttempt = 3 * s }, timely(5 * s)},
		"retry.codes":            {func(c c) { c.Retry.MaxAttempts = 3 }, func(c c) { c.Retry.Codes = []holdfast.Code{"503"} }, repeats(fail, 0)},
		"retry.jitter":           {func(c c) { c.Retry.MaxAttempts, c.Retry.InitialInterval = 2, s }, func(c c) { c.Retry.Jitter = retry.Full }, inAll},

		"budget.ratio":      {func(c c) { c.Retry.MaxAttempts, c.Budget.Min = 2, off }, func(c c) { c.Budget.Ratio = 1 }, drain(0)},
		"budget.min":        {func(c c) { c.Retry.MaxAttempts, c.Budget.Min, c.Budget.Ratio = 2, 8, off }, func(c c) { c.Budget.Min = 2 }, drain(0)},
		"budget.window":     {func(c c) { c.Retry.MaxAttempts, c.Budget.Min, c.Budget.Ratio = 2, off, 1 }, func(c c) { c.Budget.Window = s }, drain(5 * s)},
		"budget.unlimited":  {func(c c) { c.Retry.MaxAttempts, c.Budget.Min = 2, off }, func(c c) { c.Budget.Unlimited = true }, drain(0)},
		"budget.maxTargets": {func(c c) { c.Retry.MaxAttempts, c.Budget.Min, c.Budget.Ratio = 2, 8, off }, func(c c) { c.Budget.MaxTargets = 1 }, drain(0)},

		"hedge.maxHedges":  {func(c c) { c.Hedge.MaxHedges, c.Hedge.Delay, c.Hedge.Share, c.Timeout.Limit = 1, s, off, 9*s }, func(c c) { c.Hedge.MaxHedges = 3 }, (*probing).hang},
		"hedge.delay":      {func(c c) { c.Hedge.MaxHedges, c.Hedge.Delay, c.Hedge.Share, c.Timeout.Limit = 1, s, off, 9*s }, func(c c) { c.Hedge.Delay = 3 * s }, (*probing).hang},
		"hedge.quantile":   {func(c c) { c.Hedge.MaxHedges, c.Hedge.Share, c.Timeout.Limit = 1, off, 9*s }, func(c c) { c.Hedge.Quantile = 0.5 }, learnt(400, 0)},
		"hedge.minSamples": {func(c c) { c.Hedge.MaxHedges, c.Hedge.Share, c.Timeout.Limit = 1, off, 9*s }, func(c c) { c.Hedge.MinSamples = 1000 }, learnt(400, 0)},
		"hedge.window":     {func(c c) { c.Hedge.MaxHedges, c.Hedge.Share, c.Timeout.Limit = 1, off, 9*s }, func(c c) { c.Hedge.Window = 10 * s }, learnt(400, 30*s)},
		"hedge.minDelay":   {func(c c) { c.Hedge.MaxHedges, c.Hedge.Share, c.Timeout.Limit = 1, off, 9*s }, func(c c) { c.Hedge.MinDelay = s }, learnt(400, 0)},
		"hedge.share":      {func(c c) { c.Hedge.MaxHedges, c.Hedge.Share, c.Hedge.Delay = 1, 1, 100*ms }, func(c c) { c.Hedge.Share = 0.1 }, (*probing).hedged},
		"hedge.minAttempt": {func(c c) { c.Hedge.MaxHedges, c.Hedge.Delay, c.Hedge.Share = 1, s, off }, func(c c) { c.Hedge.MinAttempt = 3 * s }, timely(3 * s)},
		"hedge.maxTargets": {func(c c) { c.Hedge.MaxHedges, c.Hedge.Share, c.Timeout.Limit = 1, off, 9*s }, func(c c) { c.Hedge.MaxTargets = 1 }, func(p *probing, target string) trace {
			learnt(400, 0)(p, target)
			learnt(400, 0)(p, target+" that takes its place")
			return p.hang(target)
		}},

		"breaker.consecutiveFailures":          {func(c c) { c.Breaker.ConsecutiveFailures = 2 }, func(c c) { c.Breaker.ConsecutiveFailures = 1 }, failing(fail, 0, 10*ms)},
		"breaker.consecutiveFailuresUnderLoad": {func(c c) { c.Breaker.MinSamples = 3 }, func(c c) { c.Breaker.ConsecutiveFailuresUnderLoad = 2 }, failing(fail, 0, 10*ms)},
		"breaker.failureRatio":                 {func(c c) { c.Breaker.MinSamples, c.Breaker.FailureRatio = 3, 0.9 }, func(c c) { c.Breaker.FailureRatio = 0.5 }, failing(fail, 0, 10*ms)},
		"breaker.minSamples":                   {func(c c) { c.Breaker.MinSamples, c.Breaker.FailureRatio = 3, 0.5 }, func(c c) { c.Breaker.MinSamples = 8 }, failing(fail, 0, 10*ms)},
		"breaker.window":                       {func(c c) { c.Breaker.MinSamples, c.Breaker.FailureRatio, c.Breaker.OpenDuration = 3, 0.5, time.Minute }, func(c c) { c.Breaker.Window = s }, failing(fail, 0, 2*s)},
		"breaker.slowRatio":                    {func(c c) { c.Breaker.MinSamples, c.Breaker.SlowDuration, c.Breaker.SlowRatio = 3, 500*ms, 0.9 }, func(c c) { c.Breaker.SlowRatio = 0.3 }, (*probing).slow},
		"breaker.slowDuration":                 {func(c c) { c.Breaker.MinSamples, c.Breaker.SlowDuration, c.Breaker.SlowRatio = 3, 5*s, 0.3 }, func(c c) { c.Breaker.SlowDuration = 500 * ms }, (*probing).slow},
		"breaker.ignoreOverload":               {func(c c) { c.Breaker.ConsecutiveFailures = 2 }, func(c c) { c.Breaker.IgnoreOverload = true }, failing(overload, 0, 10*ms)},
		"breaker.observeOnly":                  {func(c c) { c.Breaker.ConsecutiveFailures = 2 }, func(c c) { c.Breaker.ObserveOnly = true }, failing(fail, 0, 10*ms)},
		"breaker.openDuration":                 {func(c c) { c.Breaker.ConsecutiveFailures = 1 }, func(c c) { c.Breaker.OpenDuration = 5 * s }, closed(1, fail, 0, nil)},
		"breaker.maxOpenDuration":              {func(c c) { c.Breaker.ConsecutiveFailures, c.Breaker.MaxOpenDuration = 1, 8*s }, func(c c) { c.Breaker.MaxOpenDuration = s }, longest},
		"breaker.maxRetryAfter":                {func(c c) { c.Breaker.ConsecutiveFailures = 1 }, func(c c) { c.Breaker.MaxRetryAfter = 10 * s }, closed(1, overload, time.Minute, nil)},
		"breaker.probeTimeout":                 {func(c c) { c.Breaker.ConsecutiveFailures, c.Breaker.ProbeTimeout = 1, 2*s }, func(c c) { c.Breaker.ProbeTimeout = 10 * s }, closed(1, fail, 0, lasts(time.Minute))},
		"breaker.maxKeys": {func(c c) { c.Breaker.ConsecutiveFailures = 1 }, func(c c) { c.Breaker.MaxKeys = 1 }, func(p *probing, target string) trace {
			_, _, _ = p.call("one that is down", false, fails(fail, 0)) // an open circuit stays
			return failing(fail, 0, 10*ms)(p, target)
		}},
	}
	for path, of := range map[string]func(c c) *timeout.Options{
		"timeout.": func(c c) *timeout.Options { return &c.Timeout }, "attempt.": func(c c) *timeout.Options { return &c.Attempt },
	} {
		adaptive := func(c c) { *of(c) = timeout.Options{Limit: 9 * s, Adaptive: new(timeout.Adaptive)} }
		leaves[path+"limit"] = leaf{func(c c) { of(c).Limit = 9 * s }, func(c c) { of(c).Limit = 3 * s }, (*probing).hang}
		leaves[path+"minAttempt"] = leaf{func(c c) { of(c).Limit = 9 * s }, func(c c) { of(c).MinAttempt = 2 * s }, timely(s)}
		leaves[path+"ifNone"] = leaf{func(c c) { of(c).Limit = 3 * s }, func(c c) { of(c).IfNone = true }, timely(9 * s)}
		leaves[path+"adaptive.factor"] = leaf{adaptive, func(c c) { of(c).Adaptive = &timeout.Adaptive{Factor: 9} }, learnt(400, 0)}
		leaves[path+"adaptive.min"] = leaf{adaptive, func(c c) { of(c).Adaptive = &timeout.Adaptive{Min: 2 * s} }, learnt(400, 0)}
		leaves[path+"adaptive.minSamples"] = leaf{adaptive, func(c c) { of(c).Adaptive = &timeout.Adaptive{MinSamples: 1000} }, learnt(400, 0)}
		leaves[path+"adaptive.quantile"] = leaf{adaptive, func(c c) { of(c).Adaptive = &timeout.Adaptive{Quantile: 0.5} }, learnt(400, 0)}
		leaves[path+"adaptive.window"] = leaf{adaptive, func(c c) { of(c).Adaptive = &timeout.Adaptive{Window: 10 * s} }, learnt(400, 30*s)}
	}
	return leaves
}
