// Package otel has calls traced and measured by OpenTelemetry, as its semantic
// conventions say (v1.40): over HTTP a client span for each attempt, with
// http.request.resend_count from the second on; over gRPC, and for plain functions, a
// span for each logical call, with its attempts beneath on wish. What policies decide
// are events of these spans.
//
//	telemetry := holdotel.New(holdotel.Options{})
//	client := &http.Client{Transport: httpclient.Wrap(nil, telemetry.Watch(preset.Standard().Policies()...)...)}
//
// It needs the API of OpenTelemetry alone; the SDK is the program's.
package otel
