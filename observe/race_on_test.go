//go:build race

package observe_test

const raceOn = true
