// Package httpclient is the HTTP door: it puts holdfast's policies around an
// [http.RoundTripper], so that an [http.Client] retries, times out and balances
// without its user's code changing.
//
//	client := &http.Client{
//		Transport: httpclient.Wrap(http.DefaultTransport,
//			timeout.New(timeout.Options{Limit: 2 * time.Second}),
//			retry.New(retry.Options{}),
//			timeout.New(timeout.Options{Limit: 500 * time.Millisecond}),
//		),
//	}
//
// Beneath it everything works as without it: streaming in both directions,
// trailers, upgrades, redirects, cookies, httptrace, connection reuse. Requests,
// headers and bodies that belong to the caller are not changed.
//
// # Verdicts
//
// Policies see the class of each attempt, and its code, which metrics and the ledger show. What
// may be sent again a retry sends again, out of its budget and no sooner than the server asks
// by Retry-After and its kin. A request is repeatable by its method, or by its
// Idempotency-Key, or as Wrapper.Repeatable says.
//
//	status                                      class     sent again            code
//	408 502 503 504                             Failure   if repeatable         the status
//	421 425                                     Conflict  always                the status
//	429                                         Overload  if repeatable         the status
//	503 with Retry-After                        Overload  if repeatable, later  the status
//	other 2xx 3xx 4xx                           Success   never                 the status
//	other 5xx                                   Failure   never                 the status
//	5xx with X-Should-Retry: true, or in        Failure   if repeatable         the status
//	  RepeatStatus
//	503 with X-Should-Retry: false              Failure   never                 the status
//	503 of another service, by Holdfast-Origin  Relayed   if repeatable         the status
//
//	no answer                                       class          sent again     code
//	no connection: no such name, nobody listens     Refused        always         dial
//	the TLS handshake takes too long                Refused        always         tls_timeout
//	HTTP/2: the stream was refused                  Refused        always         refused_stream
//	HTTP/2: a GOAWAY left the request out           Refused        always         goaway
//	a proxy answers CONNECT by 408, 429 or 5xx      Refused        always         proxy
//	a proxy answers CONNECT by another 3xx or 4xx   LocalFault     never          proxy
//	the base's Proxy fails                          LocalFault     never          proxy
//	a kept connection takes no byte of the headers  Refused        always         reset
//	the connection is reset, or ends                Failure        if repeatable  reset, eof
//	the connection runs out of time of its own      Failure        if repeatable  timeout
//	any other error                                 Failure        if repeatable  error
//	the certificate does not check out              Failure        never          certificate
//	a TLS alert; the server speaks no TLS           Failure        never          tls
//	no port, no file descriptor                     LocalShortage  always         exhausted
//	no connection slot of MaxConnsPerHost in time   LocalShortage  always         exhausted
//	scheme, host or header that cannot be sent      LocalFault     never          request
//	the answer's headers exceed our own bound       LocalFault     never          request
//	the request's body is not as long as it says    LocalFault     never          request
//	the request's body cannot be read               LocalFault     never          request_body
//	time ran out, and the server had its chance     Failure        if repeatable  timeout, deadline
//	time ran out, and it had none                   Ignored        never          timeout, deadline
//	time ran out while this process stood still     LocalPause     if repeatable  timeout, deadline
//	cancelled by the caller                         Ignored        never          cancelled
//	cut off, as the client was closed               Ignored        never          closed
//	another attempt won, of a hedge                 Ignored        never          superseded
//
// Wrapper.Classify overrules both tables. An answer whose body breaks off is a Failure at its
// end, for whoever counts; it is not sent again, since the caller has it, but for one that
// Wrapper.WholeBody has read before.
package httpclient
