// Package hedge is a shape yet.
package hedge
