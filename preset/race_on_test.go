//go:build race

package preset_test

const raceEnabled = true
