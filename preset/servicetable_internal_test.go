package preset

import "strings"

// withRetry is a service config with one retryPolicy.
func withRetry(fields string) string {
	return `{"methodConfig": [{"name": [{"service": "s"}], "retryPolicy": {` + fields + `}}]}`
}

const (
	fine     = `"maxAttempts": 3, "initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]`
	backoffs = `"initialBackoff": "0.1s", "maxBackoff": "1s", "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"]`
)

// serviceConfigs are what both parsers are given. ours says what ours thinks of it,
// where it differs from gRPC's: the words of its refusal.
var serviceConfigs = []struct{ text, ours string }{
	{`{}`, ""}, {``, ""}, {`[]`, ""}, {`null`, ""}, {`{`, ""}, {`{"methodConfig": []}`, ""}, {`{"methodConfig": null}`, ""},
	{`{"methodConfig": {}}`, ""}, {`{"methodConfig": [{}]}`, ""}, {`{"methodConfig": [{"name": []}]}`, ""}, {`{"methodConfig": [7]}`, ""},
	{`{"methodConfig": [{"name": [{}], "timeout": "1s"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "1.5s"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s", "method": "m"}], "timeout": "0s"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": ".5s"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "1.s"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "100ms"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "1"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "1m"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": 1}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "s"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "1.0000000001s"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "0.000000001s"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "-1s"}]}`, "methodConfig[0].timeout: -1s is below zero"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "99999999999s"}]}`, "longer than a year"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": null}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "waitForReady": true}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "waitForReady": false}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "waitForReady": "true"}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "maxRequestMessageBytes": 1024, "maxResponseMessageBytes": 2048}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "maxRequestMessageBytes": -1}]}`, "is no number of bytes"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "maxRequestMessageBytes": 1.5}]}`, ""},
	{`{"methodConfig": [{"name": [{"method": "m"}]}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}, {"service": "s"}]}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}]}, {"name": [{"service": "s"}]}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": 7}]}]}`, ""},
	{withRetry(fine), ""},
	{withRetry(`"maxAttempts": 1, ` + backoffs), ""}, {withRetry(`"maxAttempts": 0, ` + backoffs), ""}, {withRetry(`"maxAttempts": -3, ` + backoffs), ""},
	{withRetry(`"maxAttempts": "3", ` + backoffs), ""}, {withRetry(backoffs), ""}, {withRetry(`"maxAttempts": 2.5, ` + backoffs), ""},
	{withRetry(`"maxAttempts": 9, ` + backoffs), ""}, {withRetry(``), ""},
	{withRetry(strings.Replace(fine, `"0.1s"`, `"0s"`, 1)), ""}, {withRetry(strings.Replace(fine, `"1s"`, `"0s"`, 1)), ""},
	{withRetry(strings.Replace(fine, `"0.1s"`, `"-0.1s"`, 1)), ""}, {withRetry(strings.Replace(fine, `"0.1s"`, `"100ms"`, 1)), ""},
	{withRetry(strings.Replace(fine, `"0.1s"`, `"5s"`, 1)), ""},
	{withRetry(strings.Replace(fine, `: 2,`, `: 0,`, 1)), ""}, {withRetry(strings.Replace(fine, `: 2,`, `: -1,`, 1)), ""}, {withRetry(strings.Replace(fine, `: 2,`, `: 1.3,`, 1)), ""},
	{withRetry(strings.Replace(fine, `["UNAVAILABLE"]`, `[]`, 1)), ""}, {withRetry(strings.Replace(fine, `["UNAVAILABLE"]`, `null`, 1)), ""},
	{withRetry(strings.Replace(fine, `["UNAVAILABLE"]`, `["UNAVAILABLE", 4, "ABORTED"]`, 1)), ""},
	{withRetry(strings.Replace(fine, `"UNAVAILABLE"`, `"unavailable"`, 1)), ""}, {withRetry(strings.Replace(fine, `"UNAVAILABLE"`, `"UNAVAIL"`, 1)), ""},
	{withRetry(strings.Replace(fine, `"UNAVAILABLE"`, `17`, 1)), ""}, {withRetry(strings.Replace(fine, `"UNAVAILABLE"`, `-1`, 1)), ""},
	{withRetry(strings.Replace(fine, `"UNAVAILABLE"`, `"CANCELLED"`, 1)), ""}, {withRetry(strings.Replace(fine, `"UNAVAILABLE"`, `true`, 1)), ""},
	{withRetry(fine + `, "perAttemptRecvTimeout": "0.5s"`), ""},
	{withRetry(fine + `, "perAttemptRecvTimeout": "0s"`), "retryPolicy.perAttemptRecvTimeout: it must be there, and above zero"},
	{withRetry(fine + `, "maxAttempt": 3`), "methodConfig[0].retryPolicy.maxAttempt: there is no such field: did you mean maxAttempts?"},
	{`{"methodConfig": [{"name": [{"service": "s"}]}], "retryPolicy": {` + fine + `}}`, "retryPolicy: there is no such field"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "retryPolicies": {}}]}`, "retryPolicies: there is no such field: did you mean retryPolicy?"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "timeout": "1s", "timeout": "2s"}]}`, "it is there twice"},
	{`{"methodconfig": []}`, "methodconfig: there is no such field: did you mean methodConfig?"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "hedgingPolicy": {"maxAttempts": 3, "hedgingDelay": "0.5s", "nonFatalStatusCodes": ["UNAVAILABLE"]}}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "hedgingPolicy": {"maxAttempts": 3}}]}`, ""},
	{`{"methodConfig": [{"name": [{"service": "s"}], "hedgingPolicy": {"maxAttempts": 1}}]}`, "hedgingPolicy.maxAttempts: it must be there, a whole number from 2"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "hedgingPolicy": {"maxAttempts": 3, "delay": "1s"}}]}`, "hedgingPolicy.delay: there is no such field"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "hedgingPolicy": "junk"}]}`, "hedgingPolicy: junk is no object"},
	{`{"methodConfig": [{"name": [{"service": "s"}], "retryPolicy": {` + fine + `}, "hedgingPolicy": {"maxAttempts": 3}}]}`, "keep one"},
	{`{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0.1}, "methodConfig": [{"name": [{}]}]}`, ""},
	{`{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 0.1}, "methodConfig": [{"name": [{}]}]}`, ""},
	{`{"retryThrottling": {"maxTokens": 0, "tokenRatio": 0.1}, "methodConfig": [{"name": [{}]}]}`, ""},
	{`{"retryThrottling": {"maxTokens": 10, "tokenRatio": 0}, "methodConfig": [{"name": [{}]}]}`, ""},
	{`{"retryThrottling": {"maxTokens": 10, "tokenRatio": -1}, "methodConfig": [{"name": [{}]}]}`, ""},
	{`{"retryThrottling": {"maxTokens": 1001, "tokenRatio": 0.1}}`, "retryThrottling.maxTokens: 1001 is more than 1000"},
	{`{"retryThrottling": {"maxTokens": 10}}`, "retryThrottling.tokenRatio: it must be there"},
	{`{"loadBalancingConfig": [{"round_robin": {}}], "healthCheckConfig": {"serviceName": "x"}}`, ""},
	{`{"loadBalancingPolicy": "round_robin"}`, ""},
}
