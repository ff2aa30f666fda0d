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
# What Opened is told of is any policy that is Measured: here a Pool.
s/(Opened: +)func\(p \*loadbalance\.Pool\) func\(\) \{ (\w+)\.Store\(p\);/\1func(p holdfast.Measured) func() { \2.Store(p.(*loadbalance.Pool));/
# Figures have what PanicPicks returned.
s/\b(\w+)\.PanicPicks\(\)/func() (n uint64) { for f := range \1.Figures { if f.Name == "panic_picks_total" { n = uint64(f.Value) } }; return n }()/
