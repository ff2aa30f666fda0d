//go:build race

package preset_test

// With the race detector a storm takes ten times as long, and one size of fleet
// meets the same code; all sizes run without it.
const raceEnabled = true
