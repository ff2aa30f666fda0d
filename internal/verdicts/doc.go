// Package verdicts writes the tables of verdicts into the packages' documentation. It has tests
// alone: they ask the code, by bringing each outcome about at each door, and compare.
//
//	go test ./internal/verdicts -update
package verdicts
