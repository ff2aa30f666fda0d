// Package preset puts the policies together: configurations that are filled in
// and in the right order, from code or from JSON, and a Stack that takes a new
// one while calls are under way.
//
//	client := &http.Client{Transport: httpclient.Wrap(nil, preset.Standard().Policies()...)}
package preset
