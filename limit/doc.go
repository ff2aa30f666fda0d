// Package limit is a shape yet.
package limit
