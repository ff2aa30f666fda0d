// Package prometheus counts what package observe sees, for Prometheus: logical calls
// and what is sent on the wire as series of their own, why calls are repeated and
// whether that pays, and how breakers, budgets, limits, balancers and discovery stand.
//
//	metrics, err := holdprom.Register(prometheus.DefaultRegisterer, holdprom.Options{})
//	client := &http.Client{Transport: httpclient.Wrap(nil, metrics.Watch("users", preset.Standard().Policies()...)...)}
//
// docs/observe.md lists the series. Labels are bounded: targets and methods past the
// bounds of Options are counted together as "other". No label holds a path, a query or
// credentials.
package prometheus
