// Package observe tells what becomes of calls: one record for each call, one for each
// attempt on the wire, and the events that say what policies decided in between.
//
//	log := observe.NewLog(slog.Default(), observe.LogOptions{})
//	client := &http.Client{Transport: httpclient.Wrap(nil, observe.Watch(log, preset.Standard().Policies()...)...)}
//
// A policy made by New watches from where it stands: outside all others it sees calls,
// inside all others what is really sent. Watch puts one at each end. The packages
// observe/prometheus and observe/otel are such observers; who does not import them
// links nothing of theirs.
package observe
