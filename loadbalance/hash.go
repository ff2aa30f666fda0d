package loadbalance

import (
	"cmp"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
	"sort"

	"github.com/holdfast-go/holdfast/internal/option"
)

// hash is FNV-1a with the finalizer of MurmurHash3: the same in every process, and
// even in all bits.
func hash(s string, seed uint64) uint64 {
	h := uint64(14695981039346656037) ^ seed
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

func mix(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// hashOf is the hash of a pick: of its key, or any.
func hashOf(info PickInfo) uint64 {
	if key, ok := keyOf(info); ok {
		return hash(key, 0)
	}
	return rand.Uint64()
}

// hashing marks the pickers that slow start is not for.
type hashing struct{ untimed }

func (hashing) hashed() {}

// RingHash picks by the key of WithKey the next node on a ring of hashes (Karger et
// al., 1997; sizes as in Envoy and gRFC A42): calls of a key go to one node, and few
// keys move when the nodes change. A call without a key goes anywhere.
func RingHash(nodes []*Node) Picker { return NewRingHash(0)(nodes) }

// The points on a ring, in all; each node has one at least. With many nodes there may be a few for
// each of them instead.
const leastPoints, mostPoints, fewPoints = 1024, 4096, 4

// NewRingHash is RingHash that keeps a node's calls under way to bound times the mean;
// the rest goes to the next ones ("consistent hashing with bounded loads", arXiv
// 1608.01350). 1.25 is usual; below 1 there is no bound.
func NewRingHash(bound float64) Strategy {
	return func(nodes []*Node) Picker {
		r := &ring{nodes: nodes, bound: bound}
		least, sum := math.Inf(1), 0.0
		for _, n := range nodes {
			least, sum = min(least, n.weight()), sum+n.weight()
		}
		// The points of the lightest are a power of two, so that those of all others
		// stay what they are while the nodes change.
		each, most := 1.0, float64(max(mostPoints, fewPoints*len(nodes)))
		for each < least/sum*leastPoints && 2*each*sum/least <= mostPoints {
			each *= 2
		}
		for each*sum/least > most { // by a weight far from the others, which anybody may have written
			each /= 2
		}
		for i, n := range nodes {
			for k := range max(int(math.Round(each*n.weight()/least)), 1) {
				r.points = append(r.points, point{hash(n.key(), uint64(k)*0x9e3779b97f4a7c15), int32(i)})
			}
		}
		slices.SortFunc(r.points, func(a, b point) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.node, b.node)) })
		return r
	}
}

type point struct {
	at   uint64
	node int32
}

type ring struct {
	hashing
	nodes  []*Node
	points []point
	bound  float64
}

// Pick goes on along the ring where the first was not taken.
func (r *ring) Pick(info PickInfo) int {
	h := hashOf(info)
	first := r.at(h)
	if info.Try > 0 {
		return r.other(first, info.Try)
	}
	if r.bound < 1 {
		return int(r.points[first].node)
	}
	return bounded(r.nodes, r.bound, h, int(r.points[first].node))
}

func (r *ring) at(h uint64) int {
	i := sort.Search(len(r.points), func(i int) bool { return r.points[i].at >= h })
	return i % len(r.points)
}

// other is the k-th other node along the ring.
func (r *ring) other(from, k int) int {
	seen := []int32{r.points[from].node}
	for i := 1; i < len(r.points); i++ {
		if n := r.points[(from+i)%len(r.points)].node; !slices.Contains(seen, n) {
			if seen = append(seen, n); len(seen) > k {
				return int(n)
			}
		}
	}
	return int(seen[len(seen)-1])
}

// bounded is the first node with room: the one that the hash says, then others in an
// order that the hash shuffles (arXiv 1908.08762), so that one which is full does not
// fill its neighbour. Room is what keeps to bound times the mean with one call more,
// and four at least, since few calls would else have no affinity at all.
func bounded(nodes []*Node, bound float64, h uint64, first int) int {
	total, weights := int64(1), 0.0
	for _, n := range nodes {
		total += n.pending.Load()
		weights += n.weight()
	}
	room := func(n *Node) bool {
		most := math.Ceil(bound * float64(total) * n.weight() / weights)
		return float64(n.pending.Load()+1) <= max(most, leastRoom)
	}
	if room(nodes[first]) {
		return first
	}
	for k := range 2 * len(nodes) {
		if i := int(mix(h+uint64(k)+1) % uint64(len(nodes))); room(nodes[i]) {
			return i
		}
	}
	best := 0
	for i, n := range nodes {
		if float64(n.pending.Load())/n.weight() < float64(nodes[best].pending.Load())/nodes[best].weight() {
			best = i
		}
	}
	return best
}

const leastRoom = 4

// Maglev picks by the key of WithKey from a table in which every node has as many
// places as its weight says ("Maglev", Eisenbud et al., NSDI 2016): more even than a
// ring and faster to pick from, but more keys move when the nodes change.
func Maglev(nodes []*Node) Picker { return NewMaglev(65537)(nodes) }

// NewMaglev is Maglev with a table of so many places, or of more, since they are a prime and not
// fewer than the nodes: for an even choice take a hundred times the nodes at least. 0 and negative
// mean 65,537.
func NewMaglev(size int) Strategy {
	size = option.Of(size, 65537, 65537)
	return func(nodes []*Node) Picker {
		m := &maglev{table: make([]int32, primeFrom(max(size, len(nodes))))}
		m.fill(nodes)
		return m
	}
}

// primeFrom is the least prime that is not below n. A node goes through the table by steps of its
// own, and comes to every place because the number of places has no divisor with any of them.
func primeFrom(n int) int {
	for n = max(n, 2); ; n++ {
		d := 2
		for d <= n/d && n%d != 0 {
			d++
		}
		if d > n/d {
			return n
		}
	}
}

type maglev struct {
	hashing
	table []int32
	order []int // the nodes by key, so that all clients have the same table
}

func (m *maglev) fill(nodes []*Node) {
	size := uint64(len(m.table))
	order := make([]int, len(nodes))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(nodes[a].key(), nodes[b].key()) })
	next, skip := make([]uint64, len(nodes)), make([]uint64, len(nodes))
	most := 0.0
	for i, n := range nodes {
		next[i], skip[i] = hash(n.key(), 1)%size, hash(n.key(), 2)%max(size-1, 1)+1
		most = max(most, n.weight())
	}
	for i := range m.table {
		m.table[i] = -1
	}
	m.order = order
	target := make([]float64, len(nodes))
	for filled, round := uint64(0), 1.0; ; round++ {
		for _, i := range order {
			if round*nodes[i].weight() < target[i] {
				continue // it has had its turns
			}
			target[i] += most
			for m.table[next[i]] >= 0 {
				next[i] = (next[i] + skip[i]) % size
			}
			m.table[next[i]] = int32(i)
			next[i] = (next[i] + skip[i]) % size
			if filled++; filled == size {
				return
			}
		}
	}
}

// Pick looks up.
func (m *maglev) Pick(info PickInfo) int {
	h := hashOf(info)
	i := int(m.table[h%uint64(len(m.table))])
	if info.Try == 0 {
		return i
	}
	at := slices.Index(m.order, i)
	return m.order[(at+info.Try)%len(m.order)]
}

// Rendezvous picks by the key of WithKey the node that ranks highest for it
// (Thaler and Ravishankar, 1998): exactly the keys of a node that is gone move. A
// pick looks at all nodes, so it suits some tens of them.
func Rendezvous(nodes []*Node) Picker {
	r := &rendezvous{keys: make([]uint64, len(nodes)), weights: make([]float64, len(nodes))}
	for i, n := range nodes {
		r.keys[i], r.weights[i] = hash(n.key(), 0), n.weight()
	}
	return r
}

type rendezvous struct {
	hashing
	keys    []uint64
	weights []float64
}

// Pick ranks, and takes the next of the order where the first was not taken.
func (r *rendezvous) Pick(info PickInfo) int {
	h := hashOf(info)
	passed := math.Inf(1)
	best := 0
	for range min(info.Try, len(r.keys)-1) + 1 {
		top := math.Inf(-1)
		for i, key := range r.keys {
			if score := r.score(i, h^bits.RotateLeft64(key, 17)); score > top && score < passed {
				best, top = i, score
			}
		}
		passed = top
	}
	return best
}

// score is -w/ln(u), with u drawn by the hash from (0, 1).
func (r *rendezvous) score(i int, h uint64) float64 {
	u := (float64(mix(h)>>11) + 0.5) / (1 << 53)
	return -r.weights[i] / math.Log(u)
}
