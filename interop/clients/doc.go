// Package clients has real client libraries speak through the standard stack, where their
// answers go on for longer than any limit of it: watches, long polls, events, streams and
// downloads. Time is virtual, and the servers are in memory.
//
// It is a module of its own, so that nobody who uses Holdfast depends on them.
package clients
