package preset

import (
	"cmp"
	"slices"
	"strings"
)

// A kept is a pattern that an old route and a new one have: which routes these are, and which of
// the patterns of each it is.
type kept struct{ was, wasAt, is, isAt int }

// keeps returns the patterns that routes have kept, those first that come first in an old route,
// and of these those that come first in a new one. The order of the routes means nothing.
func keeps(was, is []Route) (all []kept) {
	old := map[string]kept{}
	for i, r := range was {
		for at, pattern := range r.Match {
			old[unnamed(pattern)] = kept{was: i, wasAt: at}
		}
	}
	for i, r := range is {
		for at, pattern := range r.Match {
			if k, there := old[unnamed(pattern)]; there {
				k.is, k.isAt = i, at
				all = append(all, k)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b kept) int { return cmp.Or(a.wasAt-b.wasAt, a.isAt-b.isAt) })
	return all
}

// unnamed is a pattern without the names of its wildcards, by which it matches nothing else.
func unnamed(pattern string) string {
	var b strings.Builder
	for {
		before, rest, opened := strings.Cut(pattern, "{")
		name, after, closed := strings.Cut(rest, "}")
		b.WriteString(before)
		switch {
		case !opened || !closed:
			b.WriteString(rest)
			return b.String()
		case name == "$":
			b.WriteString("{$}")
		case strings.HasSuffix(name, "..."):
			b.WriteString("{...}")
		default:
			b.WriteString("{}")
		}
		pattern = after
	}
}

// A succession says how new routes go on from old ones.
type succession struct {
	from []int // by a new route: the old one whose state it has; -1: none
	to   []int // by an old route: the new one that has its state, or else its calls; -1: none
}

// succeed has each old route's state go to one new route at most: one that has two of the same kind
// would have two limits for the same places.
func succeed(was, is []Route) succession {
	s := succession{slices.Repeat([]int{-1}, len(is)), slices.Repeat([]int{-1}, len(was))}
	all := keeps(was, is)
	for _, k := range all {
		if s.from[k.is] < 0 && s.to[k.was] < 0 {
			s.from[k.is], s.to[k.was] = k.was, k.is
		}
	}
	for _, k := range all {
		if s.to[k.was] < 0 {
			s.to[k.was] = k.is
		}
	}
	return s
}

// relieve has those who still wait at the places and tokens of old routes that no new one has go
// by what is in force for their calls now.
func (p *parts) relieve(before *parts, s succession) {
	for was, is := range s.to {
		now := p
		if is >= 0 {
			now = p.routed.routes[is]
		}
		for i, r := range table {
			own := before.routed.routes[was].made[i]
			taken := is >= 0 && s.from[is] == was && now.made[i] != p.made[i]
			if r.shares == alike && own != before.made[i] && !taken {
				r.make(&now.config, own)
			}
		}
	}
}
