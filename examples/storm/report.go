package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-go/holdfast/breaker"
)

// A report is what the storm came to.
type report struct {
	setup       setup
	interrupted bool
	start       time.Time
	phases      []phase
	clients     []*client
	samples     [][]sample // of each client
	metrics     map[string]*reading
}

func (r report) figures(client int, in func(phase int) bool) figures {
	return sum(r.samples[client], in)
}

// storm and outage are the two parts of the phases, with a moment after the
// outage that belongs to neither; only is one of them.
func (r report) storm(phase int) bool    { return !r.phases[phase].outage && !r.phases[phase].after }
func (r report) outage(phase int) bool   { return r.phases[phase].outage }
func only(this int) func(phase int) bool { return func(phase int) bool { return phase == this } }

// servedAgain is how long after the end of the outage the client's first call
// succeeded; false: none did.
func (r report) servedAgain(client int) (time.Duration, bool) {
	var end, first time.Duration
	for _, p := range r.phases {
		if p.outage {
			end = p.end
		}
	}
	for _, s := range r.samples[client] {
		if over := s.due + s.took; s.ok && over >= end && (first == 0 || over < first) {
			first = over
		}
	}
	return first - end, first > 0
}

// text is the report for people.
func (r report) text() string {
	var b strings.Builder
	r.writeFigures(&b)
	for _, c := range r.clients {
		if c.deeds != nil && len(r.samples[0]) > 0 {
			r.writeDeeds(&b, c)
		}
	}
	r.writeMetrics(&b)
	if err := r.disagreement(); err != nil && !r.interrupted {
		fmt.Fprintf(&b, "\nThe metrics are wrong: %v\n", err)
	}
	if late := r.late(); late > busy {
		fmt.Fprintf(&b, "\nThis machine was busy: one call in a hundred was sent %s late or more, through no fault of a server or a\n"+
			"client. The figures show that too; run it again when the machine has less to do.\n", ms(late))
	}
	if r.interrupted {
		b.WriteString("\nStopped early: this is the storm so far.\n")
	}
	b.WriteString("\n" + r.verdict() + "\n")
	return b.String()
}

// busy is how late a hundredth of the calls may be sent on a machine that keeps
// up with the storm.
const busy = 50 * time.Millisecond

// late is the 99th percentile of how late calls were sent, in the worst of the
// phases; all clients share the machine.
func (r report) late() (worst time.Duration) {
	for i := range r.phases {
		for c := range r.clients {
			worst = max(worst, r.figures(c, only(i)).late)
		}
	}
	return worst
}

func (r report) writeFigures(b *strings.Builder) {
	rows := [][]string{{"PHASE", "CLIENT", "CALLS", "SUCCESS", "P50", "P99", "P99.9", "ATTEMPTS", "FAILED"}}
	section := func(name string, in func(int) bool) {
		for i, c := range r.clients {
			f := r.figures(i, in)
			if f.calls == 0 {
				continue
			}
			rows = append(rows, []string{
				name, c.name, thousands(f.calls), percent(f), ms(f.p50), ms(f.p99), ms(f.p999),
				fmt.Sprintf("%.2f", f.perCall()), counts(f.failed, ""),
			})
			name = "" // once for all
		}
	}
	for i, p := range r.phases {
		section(p.name, only(i))
	}
	rows = append(rows, nil)
	section("ALL BUT THE OUTAGE", r.storm)
	b.WriteString("\n")
	writeTable(b, rows, 2, 7)
	b.WriteString("\nEach call counts where it was due, and its time from then on, also when it failed. Attempts: per call.\n")
}

func (r report) writeDeeds(b *strings.Builder, c *client) {
	d := c.deeds
	rows := [][]string{{"WHAT " + strings.ToUpper(c.name) + " DID", "RETRY: REPEATED AFTER", "RETRY: GAVE UP, SINCE", "HEDGES", "TIMEOUT: CUT"}}
	for i, p := range r.phases {
		if r.figures(0, only(i)).calls == 0 {
			continue
		}
		did := d.total(only(i))
		rows = append(rows, []string{p.name, counts(did.repeats, "-"), counts(did.stops, "-"), counts(did.hedges, "-"), counts(did.timeouts, "-")})
	}
	b.WriteString("\n")
	writeTable(b, rows, 1, 0)
	spent := d.spent()
	fmt.Fprintf(b, "\nBudget: %s repeats and hedges granted, %s refused, %s given back unused.\n",
		thousands(int(spent.Withdrawn)), thousands(int(spent.Refused)), thousands(int(spent.Refunded)))
	probes := 0
	for _, c := range d.changes() { // those to half-open and back are counted
		switch {
		case c.To == breaker.HalfOpen.String():
			probes++
		case c.From == breaker.Closed.String():
			fmt.Fprintf(b, "Breaker: open after %.1f s: %s.\n", c.at.Sub(r.start).Seconds(), c.Detail)
		case c.To == breaker.Closed.String():
			fmt.Fprintf(b, "Breaker: closed after %.1f s, with probe %d.\n", c.at.Sub(r.start).Seconds(), probes)
			probes = 0
		}
	}
}

// verdict says the difference in a sentence or two, whichever way it is.
func (r report) verdict() string {
	if r.figures(0, r.storm).calls == 0 {
		return "No call was due yet: nothing to compare."
	}
	var said []string
	for i := 0; i+1 < len(r.clients); i += 2 { // a bare one, and the same with holdfast
		said = append(said, r.comparison(i, i+1))
	}
	return strings.Join(said, "\n")
}

func (r report) comparison(bareOne, oursOne int) string {
	bare, ours := r.figures(bareOne, r.storm), r.figures(oursOne, r.storm)
	text := fmt.Sprintf("Outside the outage and the moment after it %s lost %s of %s calls, %s %s, for %.2f attempts per call;\n"+
		"the slowest in a hundred took %s or longer with the former, %s with the latter.",
		r.clients[bareOne].name, lost(bare), thousands(bare.calls), r.clients[oursOne].name, lost(ours), ours.perCall(), ms(bare.p99), ms(ours.p99))
	if out := r.figures(oursOne, r.outage); out.calls > 0 {
		text += fmt.Sprintf("\nIn the outage %s made %.2f attempts per call, of 4 that it may: its breaker rejected %s calls.",
			r.clients[oursOne].name, out.perCall(), thousands(out.failed[circuitOpen]))
		if after, ok := r.servedAgain(oursOne); ok {
			text += fmt.Sprintf("\nThe servers were back, and %s later it was served again.", ms(after))
		}
	}
	return text
}

// lost is how many calls failed, and one in how many that is.
func lost(f figures) string {
	n := f.calls - f.ok
	if n == 0 {
		return "none"
	}
	return fmt.Sprintf("%s (1 in %s)", thousands(n), thousands((f.calls+n/2)/n))
}

// percent is rounded down, so that 100 % are all.
func percent(f figures) string {
	of := f.ok * 10_000 / max(f.calls, 1)
	return fmt.Sprintf("%d.%02d %%", of/100, of%100)
}

func ms(d time.Duration) string {
	if d >= time.Second {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("%.3g ms", d.Seconds()*1000)
}

// counts lists what happened how often, the most frequent first.
func counts(n map[string]int, none string) string {
	var whats []string
	for what := range n {
		whats = append(whats, what)
	}
	slices.SortFunc(whats, func(a, b string) int { return cmp.Or(cmp.Compare(n[b], n[a]), cmp.Compare(a, b)) })
	for i, what := range whats {
		whats[i] = fmt.Sprintf("%s x %s", thousands(n[what]), what)
	}
	if len(whats) == 0 {
		return none
	}
	return strings.Join(whats, ", ")
}

// thousands writes a number as people read it: 12,345.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
