# Applies the renames of CHANGELOG.md to Go code that was written before them, as far as
# text can: sed -E -i -f scripts/renames.sed FILE…
#
# Classify returns a Verdict, which has a Class.
s/\(holdfast\.Class, bool\) \{/(holdfast.Verdict, bool) {/
s/return (holdfast\.(Ignored|Success|Failure|Overload|Refused)), /return holdfast.Verdict{Class: \1}, /
# Codes are a type.
s/Codes: +\[\]string\{/Codes: []holdfast.Code{/
# A list of the classes whose calls may be sent again has one more.
s/\[\]holdfast\.Class\{holdfast\.Success, holdfast\.Refused, holdfast\.Failure\}/[]holdfast.Class{holdfast.Success, holdfast.Refused, holdfast.Failure, holdfast.Conflict}/
# A place of a limit is given back by the function that Acquire returns.
s/\blimit\.Slot\b/func()/g
s/\b(slot|place|first|second|held|mine|s|a|b|c|old\[[0-9]\])\.Release\b/\1/g
# A Set keeps the last endpoints by itself.
s/"keeplast": discovery\.KeepLast,//
s/\bdiscovery\.KeepLast\(([^()]*)\)/\1/g
# A breaker tells of its circuits as all policies do.
s/\.Listen\(func\((\w+) breaker\.Change\) \{/.Observe(func(_ context.Context, e holdfast.Event) { \1 := e.(breaker.Change);/
# One name for each interceptor.
s/\bgrpcclient\.(Unary|Stream)\(/(grpcclient.Wrapper{}).\1(/g
s/\bgrpcclient\.OriginKey\b/"holdfast-origin"/g
s/\bgrpcclient\.DefaultReplayCap\b/(256 << 10)/g
s/\bhttpclient\.OriginHeader\b/"Holdfast-Origin"/g
s/\btimeout\.DefaultLimit\b/(10 * time.Second)/g
s/\bbreaker\.PerTarget\b/func(c *holdfast.Call) string { return c.Target }/g
s/\bbreaker\.PerMethod\b/func(c *holdfast.Call) string { return c.Target + " " + c.Method }/g
s/\bholdfast\.(Class|Code)Of\(([^()]*(\([^()]*\)[^()]*)*)\)/holdfast.VerdictOf(\2).\1/g
# One DNS, with options.
s/\bdiscovery\.DNS\(("[^"]*"|[a-z]+)\)/discovery.DNS(\1, discovery.DNSOptions{})/g
s/\bdiscovery\.DNSWith\(/discovery.DNS(/g
# What becomes of an attempt is one type, in a Script and by Faults.
s/\bholdfasttest\.Fault\b/holdfasttest.Step/g
s/\bholdfasttest\.CutBodies\{Base: ([^,{}]*), After: ([^,{}]*)\}/holdfasttest.Bodies{Base: \1, Cut: func(*http.Response) (int64, bool) { return \2, true }}/g
s/\bholdfasttest\.TB\b/testing.TB/g
s/\*observe\.Log\b/observe.Observer/g
s/\bloadbalance\.NewRingHash\(loadbalance\.RingOptions\{Bound: ([^{}]*)\}\)/loadbalance.NewRingHash(\1)/g
s/\b(\w+)\.SentAt\(\)/time.Now().Add(-\1.Ran())/g
s/\bholdfast\.AfterOf\(([^()]*)\)/holdfast.VerdictOf(context.Background(), \1).After/g
