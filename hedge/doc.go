// Package hedge sends a second attempt beside a first one that takes long, and
// returns the first success: it trades a few calls in a hundred for the tail of
// the latency. The idea is that of J. Dean and L. A. Barroso, The Tail at Scale
// (CACM 2013).
//
//	h := hedge.New(hedge.Options{Budget: r.Budget()}) // r is the retry.Retry around it
//
// It stands inside retry. Only first attempts of what is Repeatable are hedged,
// never streams, and never a repeat.
package hedge
