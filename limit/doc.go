// Package limit bounds what a client sends: calls in flight (InFlight) and calls
// in a second (Rate). Outermost in a list a limit admits calls, innermost it
// bounds attempts. What finds no room is rejected at once, unless a bounded wait
// is asked for.
package limit
