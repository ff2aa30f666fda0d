// Package preset puts the policies together: configurations that are filled in
// and in the right order, from code or from JSON, and a Stack that takes a new
// one while calls are under way.
//
//	client := &http.Client{Transport: httpclient.Wrap(nil, preset.Standard().Policies()...)}
//
// What differs for some paths and methods stands in the Routes of a Config, by patterns of
// net/http's ServeMux, for HTTP and gRPC alike; a gRPC service config is read as such routes.
// They share the circuits and the budget of the rest.
package preset
