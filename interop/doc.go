// Package interop has no code: its test runs gRPC's own interoperability cases
// through holdfast's interceptors, against a server that fails and delays as much
// as it may. It is a module of its own for what these cases depend on.
package interop
