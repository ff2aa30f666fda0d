// Package retry repeats calls that failed, where that does no harm: a call that
// the server refused outright, or one that failed and is Repeatable. It waits
// between attempts as the server asks and the schedule says, stops when the wait
// does not fit the deadline, and draws every repeat from a Budget that only
// successes fill, so that retries do not keep an outage alive.
//
//	client := &http.Client{Transport: httpclient.Wrap(nil,
//		timeout.New(timeout.Options{Limit: 2 * time.Second}),
//		retry.New(retry.Options{}), // three attempts
//		timeout.New(timeout.Options{Limit: 500 * time.Millisecond}),
//	)}
//
// What stands outside it sees one call; what stands inside it sees each attempt.
package retry
