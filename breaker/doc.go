// Package breaker stops calls to a server that is down, so that they fail at
// once and the server is left alone, and finds out by single calls when it is
// back.
//
//	client := &http.Client{Transport: httpclient.Wrap(nil,
//		retry.New(retry.Options{}),
//		breaker.New(breaker.Options{}), // sees every attempt
//		timeout.New(timeout.Options{Limit: 500 * time.Millisecond}),
//	)}
//
// It stands inside retry and outside the limit of an attempt. Calls of one key,
// by default of one target, share a circuit.
package breaker
