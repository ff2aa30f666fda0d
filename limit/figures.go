package limit

import "github.com/holdfast-go/holdfast"

var (
	_ holdfast.Measured = (*InFlight)(nil)
	_ holdfast.Measured = (*Rate)(nil)
)

// all is the target of a limit that has none for each.
const all = "all"

// Figures tells how many calls are under way and wait, of each target where it has a limit of
// its own, and how many may be.
func (l *InFlight) Figures(yield func(holdfast.Figure) bool) {
	if !l.made() {
		return
	}
	more, perTarget, most, owner := true, l.rooms.each.Load(), l.rooms.most.Load(), l.rooms
	each := func(target string, r *room) bool {
		if target == "" {
			target = all
		}
		s := r.stats()
		if l.rooms.stale(r) && s.InFlight == 0 { // of before PerTarget has changed
			return true
		}
		more = yield(holdfast.Figure{
			Name: "limit_in_flight", Help: "Calls under way, as the limit counts them.",
			Labels: map[string]string{"target": target}, Value: float64(s.InFlight), Owner: owner,
		}) && yield(holdfast.Figure{
			Name: "limit_waiting", Help: "Calls that wait for a place.",
			Labels: map[string]string{"target": target}, Value: float64(s.Waiting), Owner: owner,
		})
		return more
	}
	if each("", l.rooms.all); more {
		l.rooms.table.Each(each)
	}
	if more && perTarget {
		more = yield(holdfast.FullFigure("limit", l.rooms.table.Late(), owner))
	}
	if more && most > 0 {
		yield(holdfast.Figure{Name: "limit_max", Help: "Calls that may be under way at once.", Kind: holdfast.Most, Value: float64(most)})
	}
}

// Figures tells how many tokens are left and how many calls wait for one, of each target where
// it has a rate of its own.
func (l *Rate) Figures(yield func(holdfast.Figure) bool) {
	if !l.bounds() {
		return
	}
	each := func(target string, b *bucket) bool {
		if target == "" {
			target = all
		}
		return yield(holdfast.Figure{
			Name: "rate_tokens", Help: "Calls that the rate would let begin at once; none where some wait. Of several targets together the least.", Kind: holdfast.Least,
			Labels: map[string]string{"target": target}, Value: max(b.tokens.Tokens(), 0), Owner: l.s,
		}) && yield(holdfast.Figure{
			Name: "rate_waiting", Help: "Calls that wait for their turn.",
			Labels: map[string]string{"target": target}, Value: float64(b.waiting.Load()), Owner: l.s,
		})
	}
	if !l.s.latest.Load().PerTarget {
		each("", l.s.all)
	} else if yield(holdfast.FullFigure("rate", l.s.buckets.Late(), l.s)) {
		l.s.buckets.Each(each)
	}
}
