package retry

import "github.com/holdfast-go/holdfast/internal/keyed"

// A grant is a repeat that a Budget has granted; the zero value is none. It keeps the account from
// which it was taken until it is spent or refunded: a token that is not sent goes back there, though
// the target may have found room for an account of its own meanwhile.
type grant struct {
	b    *Budget
	from *keyed.Entry[*account]
}

func (g grant) granted() bool { return g.from != nil }

// spend is for a repeat that was sent.
func (g grant) spend() {
	if g.granted() {
		g.from.Release()
	}
}

// refund gives it back.
func (g grant) refund() {
	if g.granted() {
		g.from.Value.refund(g.b)
		g.from.Release()
	}
}
