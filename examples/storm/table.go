package main

import (
	"strings"
	"unicode/utf8"
)

// writeTable writes rows in columns as wide as they need. Those from the first
// right one to the last stand at the right, as numbers should.
func writeTable(b *strings.Builder, rows [][]string, firstRight, lastRight int) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			room := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i >= firstRight && i <= lastRight {
				cell = room + cell
			} else {
				cell += room
			}
			line.WriteString(cell + "  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
