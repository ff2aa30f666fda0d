package holdfast

// A Figure is one number of the state of a policy as it is now: how many calls have a place, how
// often a circuit has rejected one.
type Figure struct {
	// Name is written as in Prometheus, without a namespace: "limit_in_flight", or
	// "circuit_rejected_total" of what is counted. All figures of one Name have the same Kind
	// and the same Labels.
	Name string
	// Help is a sentence that says what is measured, and in which unit.
	Help string
	// Kind says how the value moves, and what several figures come to that have the same Name
	// and Labels.
	Kind FigureKind
	// Labels tell the figures of one Name apart, by two labels at most: "target", "state". They
	// hold no credentials. Those who show figures bound how many values of a label they tell
	// apart, and call the rest "other".
	Labels map[string]string
	// Keys says what the labels hold where that is not what they are called: a breaker's label
	// "target" is the key of a "circuit". Such values are bounded apart, and take no place from
	// targets. Empty: they are what they are called.
	Keys string
	// Value is the number; NaN: there is none.
	Value float64
	// Owner is a pointer to what is measured, where several policies may share it, as retries do
	// a budget: it counts once. nil: the policy itself.
	Owner any
}

// A FigureKind says how the Value of a Figure moves, and how figures are put together that have
// the same Name and Labels.
type FigureKind uint8

// Kinds of Figures.
const (
	Gauge   FigureKind = iota // it goes up and down, and is added up
	Least                     // it goes up and down, and the least counts
	Most                      // it goes up and down, and the greatest counts
	Counter                   // it only grows, and is added up
)

// A Measured policy tells its own state, to whoever shows it: metrics, a page for people.
//
//	for figure := range breaker.Figures {
type Measured interface {
	// Figures calls yield for each Figure that has a value now, in no order, until yield returns
	// false. It is safe for concurrent use, is asked often and does not wait. No lock is held
	// while yield runs, which may call the policy.
	Figures(yield func(Figure) bool)
}
