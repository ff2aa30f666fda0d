// Package breaker is a shape yet.
package breaker
