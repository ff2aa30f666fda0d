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
s/\bdiscovery\.KeepLast\(([^()]*(\([^()]*(\([^()]*\)[^()]*)*\)[^()]*)*)\)/\1/g
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
# What watches is Watch.
s/\bobserve\.Around\(/observe.Watch(/g
s/\.Observe\((func\([^()]*holdfast\.Event\)|\w+\.Event\))/.Watch(\1/g
# The field's terms: what is read or set by its path.
s/\bholdfast\.Ill\b/holdfast.Unhealthy/g
s/\bholdfast\.Well\b/holdfast.Healthy/g
s/\bholdfast\.Watcher\b/holdfast.ProgressHook/g
s/(Health [!=]= )"ill"/\1"unhealthy"/g
s/\.Retry\.Attempts\b/.Retry.MaxAttempts/g
s/\.Retry\.Base\b/.Retry.InitialInterval/g
s/\.Retry\.Cap\b/.Retry.MaxInterval/g
s/\.Retry\.MaxAfter\b/.Retry.MaxRetryAfter/g
s/\.OverloadBase\b/.OverloadInterval/g
s/\.(Hedge|Options\(\))\.Extra\b/.\1.MaxHedges/g
s/\.(Hedge|Breaker)(\(\)\.Options\(\))?\.Samples\b/.\1\2.MinSamples/g
s/\.(Hedge|Limit|Rate|Budget)(\(\)\.Options\(\))?\.Targets\b/.\1\2.MaxTargets/g
s/\.Breaker(\(\)\.Options\(\))?\.Keys\b/.Breaker\1.MaxKeys/g
s/\.Breaker\.Ratio\b/.Breaker.FailureRatio/g
s/\.Breaker\.Slow\b/.Breaker.SlowDuration/g
s/\.Breaker\.Open\b/.Breaker.OpenDuration/g
s/\.Breaker\.MaxAfter\b/.Breaker.MaxRetryAfter/g
s/\.LongRow\b/.ConsecutiveFailuresUnderLoad/g
s/\.Row\b/.ConsecutiveFailures/g
s/\.MaxOpen\b/.MaxOpenDuration/g
s/\.ProbeLimit\b/.ProbeTimeout/g
# What an Event has in fields.
s/\b(e|event)\.Kind\(\)/\1.Kind/g
s/\b(e|event)\.Level\(\)/\1.Level/g
s/\b(a|e)\.Backend\b/\1.Endpoint/g
s/\bsending\.(Attempt|Hedge|Endpoint)\b/sending.Call.\1/g
s/\[\]preset\.Change\b/[]string/g
# A file that now names holdfast.Event imports it. The lines are gathered for this, so that
# what is above sees one at a time; add nothing below.
H
$!d
x
s/^\n//
/\bholdfast\.Event\b/{
/"github\.com\/holdfast-go\/holdfast"/!s/(^|\n)(package \w+)\n/\1\2\n\nimport "github.com\/holdfast-go\/holdfast"\n/
}
# New takes Options.
s/\btimeout\.New\((([^()]*\(([^()]*\(([^()]*\(([^()]*\(([^()]*\(([^()]*\(([^()]*\([^()]*\))*[^()]*\))*[^()]*\))*[^()]*\))*[^()]*\))*[^()]*\))*[^()]*\))*[^()]*)\)/timeout.New(timeout.Options{Limit: \1})/g
s/\bloadbalance\.New\((([^()]*\(([^()]*\(([^()]*\(([^()]*\(([^()]*\(([^()]*\(([^()]*\([^()]*\))*[^()]*\))*[^()]*\))*[^()]*\))*[^()]*\))*[^()]*\))*[^()]*\))*[^()]*)\)/loadbalance.New(\1, loadbalance.Options{})/g
s/\b(timeout|loadbalance)\.With\(/\1.New(/g
# The same in literals, however many lines they have.
:r1
s/(\bretry\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bAttempts:/\1MaxAttempts:/
tr1
:r2
s/(\bretry\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bBase:/\1InitialInterval:/
tr2
:r3
s/(\bretry\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bOverloadBase:/\1OverloadInterval:/
tr3
:r4
s/(\bretry\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bCap:/\1MaxInterval:/
tr4
:r5
s/(\bretry\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bMaxAfter:/\1MaxRetryAfter:/
tr5
:r6
s/(\bretry\.BudgetOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bTargets:/\1MaxTargets:/
tr6
:r7
s/(\bhedge\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bExtra:/\1MaxHedges:/
tr7
:r8
s/(\bhedge\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bSamples:/\1MinSamples:/
tr8
:r9
s/(\bhedge\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bTargets:/\1MaxTargets:/
tr9
:r10
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bKeys:/\1MaxKeys:/
tr10
:r11
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bRatio:/\1FailureRatio:/
tr11
:r12
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bSamples:/\1MinSamples:/
tr12
:r13
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bRow:/\1ConsecutiveFailures:/
tr13
:r14
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bLongRow:/\1ConsecutiveFailuresUnderLoad:/
tr14
:r15
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bSlow:/\1SlowDuration:/
tr15
:r16
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bOpen:/\1OpenDuration:/
tr16
:r17
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bMaxOpen:/\1MaxOpenDuration:/
tr17
:r18
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bMaxAfter:/\1MaxRetryAfter:/
tr18
:r19
s/(\bbreaker\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bProbeLimit:/\1ProbeTimeout:/
tr19
:r20
s/(\bbreaker\.Status\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bRow:/\1ConsecutiveFailures:/
tr20
:r21
s/(\blimit\.InFlightOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bTargets:/\1MaxTargets:/
tr21
:r22
s/(\blimit\.RateOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bTargets:/\1MaxTargets:/
tr22
:r23
s/(\btimeout\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bFloor:/\1MinAttempt:/
tr23
:r24
s/(\btimeout\.Adaptive\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bSamples:/\1MinSamples:/
tr24
:r25
s/(\bloadbalance\.EjectOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bRow:/\1ConsecutiveFailures:/
tr25
:r26
s/(\bloadbalance\.EjectOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bFailures:/\1FailureRatio:/
tr26
:r27
s/(\bloadbalance\.EjectOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bVolume:/\1MinSamples:/
tr27
:r28
s/(\bloadbalance\.EjectOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bHosts:/\1MinHosts:/
tr28
:r29
s/(\bloadbalance\.EjectOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bBase:/\1BaseDuration:/
tr29
:r30
s/(\bloadbalance\.EjectOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bMost:/\1MaxDuration:/
tr30
:r31
s/(\bloadbalance\.EjectOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bShare:/\1MaxShare:/
tr31
:r32
s/(\bloadbalance\.Checks\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bEvery:/\1Interval:/
tr32
:r33
s/(\bloadbalance\.Checks\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bAsk:/\1Probe:/
tr33
:r34
s/(\bloadbalance\.Checks\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bIll:/\1UnhealthyThreshold:/
tr34
:r35
s/(\bloadbalance\.Checks\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bWell:/\1HealthyThreshold:/
tr35
:r36
s/(\bloadbalance\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bPanic:/\1PanicThreshold:/
tr36
:r37
s/(\bloadbalance\.PrequalOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bHot:/\1HotQuantile:/
tr37
:r38
s/(\bdiscovery\.DNSOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bEvery:/\1Interval:/
tr38
:r39
s/(\bdiscovery\.DNSOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bMin:/\1MinInterval:/
tr39
:r40
s/(\bdiscovery\.PollOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bEvery:/\1Interval:/
tr40
:r41
s/(\bdiscovery\.PollOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bMin:/\1MinInterval:/
tr41
:r42
s/(\bobserve\.LogOptions\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bEvery:/\1Interval:/
tr42
:r43
s/(\b(holdprom|prometheus|prom)\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bTargets:/\1MaxTargets:/
tr43
:r44
s/(\b(holdprom|prometheus|prom)\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bMethods:/\1MaxMethods:/
tr44
:r45
s/(\b(holdprom|prometheus|prom)\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bEndpoints:/\1MaxEndpoints:/
tr45
:r46
s/(\b(holdotel|otel)\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bTargets:/\1MaxTargets:/
tr46
:r47
s/(\b(holdotel|otel)\.Options\{([^{}]*\{([^{}]*\{[^{}]*\})*[^{}]*\})*[^{}]*)\bMethods:/\1MaxMethods:/
tr47
