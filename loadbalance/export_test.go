package loadbalance

// Infrastructure is what EjectOptions.Counts is where there is none.
var Infrastructure = infrastructure
