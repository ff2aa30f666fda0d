package holdfasttest

// The checks by name, for tests that see each of them fail.
var (
	PolicyChecks    = policyChecks
	TransportChecks = transportChecks
)
