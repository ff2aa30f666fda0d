//go:build !race

package prometheus_test

const raceOn = false
