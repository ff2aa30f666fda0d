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
# Opened is called with what is Measured: here a Pool. The type is inferred where the root is not imported.
s/^var attacked atomic\.Pointer\[loadbalance\.Pool\]$/&; func stores[T any](in *atomic.Pointer[loadbalance.Pool], _ func(T) func()) func(T) func() { return func(p T) func() { in.Store(any(p).(*loadbalance.Pool)); return nil } }/
s/Opened: +func\(p \*loadbalance\.Pool\) func\(\) \{ (\w+)\.Store\(p\); return nil \}/Opened: stores(\&\1, loadbalance.Options{}.Opened)/
# Figures have what PanicPicks returned.
s/\b(\w+)\.PanicPicks\(\)/func() (n uint64) { for f := range \1.Figures { if f.Name == "panic_picks_total" { n = uint64(f.Value) } }; return n }()/
