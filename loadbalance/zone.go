package loadbalance

import "math/rand/v2"

// ZoneAware makes a Strategy that prefers the nodes of a zone, and picks among them
// and among the others by inner (nil: PeakEWMA). As many calls stay in the zone as
// it has room for: each zone is held to be sent the same, and its nodes can take 1.4
// times their share. The rest spills over to the other zones.
func ZoneAware(zone string, inner Strategy) Strategy {
	if inner == nil {
		inner = PeakEWMA
	}
	return func(nodes []*Node) Picker {
		var here, there []*Node
		var hereAt, thereAt []int
		weightHere, weight := 0.0, 0.0
		zones := map[string]bool{}
		for i, n := range nodes {
			zones[n.Endpoint().Zone] = true
			weight += n.weight()
			if n.Endpoint().Zone == zone {
				here, hereAt = append(here, n), append(hereAt, i)
				weightHere += n.weight()
			} else {
				there, thereAt = append(there, n), append(thereAt, i)
			}
		}
		if len(here) == 0 || len(there) == 0 {
			return inner(nodes)
		}
		return &zoned{
			stay: min(1, overprovisioned*weightHere/(weight/float64(len(zones)))),
			here: inner(here), there: inner(there), hereAt: hereAt, thereAt: thereAt,
		}
	}
}

type zoned struct {
	stay            float64
	here, there     Picker
	hereAt, thereAt []int
}

// Pick stays, or spills over; where what it picked was not taken, by and by anywhere.
func (z *zoned) Pick(info PickInfo) int {
	if rand.Float64() < z.stay && info.Try < tries/2 {
		return z.hereAt[z.here.Pick(info)]
	}
	return z.thereAt[z.there.Pick(info)]
}
