package discovery

import (
	"cmp"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// Subset is r with k of its endpoints, for clients that would else hold too many
// connections: those that rank highest for the client's seed (rendezvous hashing,
// gRFC A68). One change of the set changes at most one of them. Another seed for
// each client; how many clients an endpoint has is a matter of chance.
func Subset(r Resolver, k int, seed uint64) Resolver {
	return each(r, "subset", func(endpoints []Endpoint) []Endpoint {
		if k <= 0 || len(endpoints) <= k {
			return endpoints
		}
		list := slices.Clone(endpoints)
		slices.SortFunc(list, func(a, b Endpoint) int {
			return cmp.Or(cmp.Compare(rank(b.Addr, seed), rank(a.Addr, seed)), cmp.Compare(a.Addr, b.Addr))
		})
		return list[:k]
	})
}

// rank is FNV-1a of the address and the seed, mixed (the finalizer of SplitMix64).
func rank(addr string, seed uint64) uint64 {
	h := uint64(14695981039346656037) ^ seed
	for i := range len(addr) {
		h = (h ^ uint64(addr[i])) * 1099511628211
	}
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// BalancedSubset is r with k of its endpoints, of which every one has as many
// clients as any other, one more or less: client is this client's number, from 0
// and without gaps. The clients' shares lie one behind the other on an endless tape
// of shuffles of all endpoints, each round another. It is the deterministic
// subsetting of "Site Reliability Engineering" (2016, ch. 20) with nobody left out
// at the end of a round. A change of the set can change all of a subset.
func BalancedSubset(r Resolver, k, client int) Resolver {
	return each(r, "subset", func(endpoints []Endpoint) []Endpoint {
		n := len(endpoints)
		if k <= 0 || n <= k || client < 0 {
			return endpoints
		}
		list := slices.Clone(endpoints)
		slices.SortFunc(list, func(a, b Endpoint) int { return cmp.Compare(a.Addr, b.Addr) })
		from := client * k // on the tape
		var out, round []Endpoint
		for i := 0; len(out) < k; i++ {
			round = nextRound(list, round, i, k)
			begin, end := max(from, i*n), min(from+k, (i+1)*n)
			if begin < end {
				out = append(out, round[begin-i*n:end-i*n]...)
			}
		}
		return out
	})
}

// nextRound is the i-th shuffle. The share that begins at the end of the one before
// goes on in it, and must not find there what it has: that comes later.
func nextRound(list, before []Endpoint, i, k int) []Endpoint {
	next := shuffled(list, i)
	had := before[len(before)-min(len(before), i*len(list)%k):]
	if len(had) == 0 {
		return next
	}
	var first, later []Endpoint
	for _, e := range next {
		if len(first) < k-len(had) && !slices.ContainsFunc(had, func(h Endpoint) bool { return h.Addr == e.Addr }) {
			first = append(first, e)
		} else {
			later = append(later, e)
		}
	}
	return append(first, later...)
}

func shuffled(list []Endpoint, round int) []Endpoint {
	out := slices.Clone(list)
	r := rand.New(rand.NewPCG(uint64(round), bits.Reverse64(uint64(round)))) //nolint:gosec // the same for every client
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}
