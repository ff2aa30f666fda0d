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
# Events are one type. A listener of a breaker is told the context, too.
s/\b(\w+)\.Listen\(func\((\w+) breaker\.Change\)/\1.Observe(func(_ context.Context, \2 holdfast.Event)/
s/func\(breaker\.Change\)/func(context.Context, holdfast.Event)/g
s/func\((\w+) (breaker|loadbalance)\.Change\)/func(_ context.Context, \1 holdfast.Event)/g
s/\b(retry\.Event|hedge\.Event|breaker\.Change|loadbalance\.Change|loadbalance\.Discovery|grpcclient\.WireAttempt)\b/holdfast.Event/g
s/\bholdfast\.Rejection\{/holdfast.Event{Kind: "rejection", Level: 4, /g
s/\bholdfast\.Replay\{/holdfast.Event{Kind: "replay", Level: -4, /g
# Opened is called with what is Measured: here a Pool. The type is inferred where the root is not imported.
s/^var attacked atomic\.Pointer\[loadbalance\.Pool\]$/&; func stores[T any](in *atomic.Pointer[loadbalance.Pool], _ func(T) func()) func(T) func() { return func(p T) func() { in.Store(any(p).(*loadbalance.Pool)); return nil } }/
s/Opened: +func\(p \*loadbalance\.Pool\) func\(\) \{ (\w+)\.Store\(p\); return nil \}/Opened: stores(\&\1, loadbalance.Options{}.Opened)/
# Figures have what PanicPicks returned.
s/\b(\w+)\.PanicPicks\(\)/func() (n uint64) { for f := range \1.Figures { if f.Name == "panic_picks_total" { n = uint64(f.Value) } }; return n }()/
# A place of a limit is given back by the function that Acquire returns.
s/\blimit\.Slot\b/func()/g
s/\b(slot|place|first|second|held|mine|s|a|b|c|old\[[0-9]\])\.Release\b/\1/g
# A Set keeps the last endpoints by itself.
s/"keeplast": discovery\.KeepLast,//
s/\bdiscovery\.KeepLast\(([^()]*)\)/\1/g
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
s/\bholdfast\.AfterOf\(([^()]*)\)/holdfast.VerdictOf(context.Background(), \1).After/g
# A file that now names holdfast.Event imports it. The lines are gathered for this, so that
# what is above sees one at a time; add nothing below.
H
$!d
x
s/^\n//
/\bholdfast\.Event\b/{
/"github\.com\/holdfast-go\/holdfast"/!s/(^|\n)(package \w+)\n/\1\2\n\nimport "github.com\/holdfast-go\/holdfast"\n/
}
