package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
)

func heading(group string) string {
	return fmt.Sprintf("\n%s\n  %-28s %-20s %9s %8s %9s\n", group, "", "", "ns/call", "allocs", "of floor")
}

// String is the row as a table's lines.
func (m measured) String() string {
	var b strings.Builder
	name := m.name
	floor, hasFloor := m.of("floor")
	for _, f := range m.figures {
		share := ""
		if hasFloor && f.Who != "floor" && f.Who != "bare" {
			share = fmt.Sprintf("%.2f x", f.NS/floor.NS)
		}
		line := fmt.Sprintf("  %-28s %-20s %9.1f %8.1f %9s", name, f.Who, f.NS, f.Allocs, share)
		if f.Who == "holdfast" {
			line += "   " + m.judge().text
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
		name = ""
	}
	return b.String()
}

// A judgement says whether ours has reached the goal of its row.
type judgement struct {
	ok   bool
	text string
}

func (m measured) judge() judgement {
	ours, _ := m.of("holdfast")
	bare, _ := m.of("bare")
	var parts []string
	ok := true
	if m.goal.times > 0 {
		other, _ := m.of(m.goal.of)
		got := ours.NS / other.NS
		parts = append(parts, fmt.Sprintf("%.2f of %.2f x %s", got, m.goal.times, m.goal.of))
		ok = ok && got <= m.goal.times
	}
	if m.goal.more > 0 {
		got := ours.NS - bare.NS
		parts = append(parts, fmt.Sprintf("+%.0f of +%.0f ns", got, m.goal.more))
		ok = ok && got <= m.goal.more
	}
	if m.goal.allocs != 0 {
		most := float64(max(m.goal.allocs, 0))
		got := ours.Allocs - bare.Allocs
		parts = append(parts, fmt.Sprintf("+%.1f of +%.0f allocs", got, most))
		ok = ok && got <= most+0.05
	}
	if len(parts) == 0 {
		return judgement{true, ""}
	}
	word := "ok: "
	if !ok {
		word = "MISSED: "
	}
	return judgement{ok, word + strings.Join(parts, ", ")}
}

func verdict(done []measured) string {
	reached, goals := 0, 0
	var missed []string
	for _, m := range done {
		switch j := m.judge(); {
		case j.text == "":
		case j.ok:
			reached++
			goals++
		default:
			goals++
			missed = append(missed, m.group+": "+m.name)
		}
	}
	text := fmt.Sprintf("\n%d of %d goals reached\n", reached, goals)
	for _, name := range missed {
		text += "  missed: " + name + "\n"
	}
	return text
}

func write(file string, done []measured) error {
	type line struct {
		Group   string   `json:"group"`
		Name    string   `json:"name"`
		Figures []figure `json:"figures"`
		Goal    string   `json:"goal,omitempty"`
		OK      bool     `json:"ok"`
	}
	var lines []line
	for _, m := range done {
		j := m.judge()
		lines = append(lines, line{m.group, m.name, m.figures, j.text, j.ok})
	}
	text, err := json.MarshalIndent(map[string]any{"rows": lines}, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}
