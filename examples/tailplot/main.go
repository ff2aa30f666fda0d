// Tailplot draws what `go run ./examples/tail -json FILE` wrote: each measure as the
// published figure and ours beside it.
//
//	go -C examples/tailplot run . FILE OUT.svg     (or OUT.png)
package main

import (
	"encoding/json"
	"fmt"
	"image/color"
	"math"
	"os"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

type row struct {
	ID        string  `json:"id"`
	Measure   string  `json:"measure"`
	Published float64 `json:"published"`
	Ours      float64 `json:"ours"`
	OK        bool    `json:"ok"`
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: tailplot FILE OUT.svg")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "tailplot:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	text, err := os.ReadFile(in)
	if err != nil {
		return err
	}
	var result struct {
		Rows []row `json:"rows"`
	}
	if err := json.Unmarshal(text, &result); err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	if len(result.Rows) == 0 {
		return fmt.Errorf("%s has no rows", in)
	}
	p, err := drawing(result.Rows)
	if err != nil {
		return err
	}
	return p.Save(11*vg.Inch, vg.Length(len(result.Rows))*0.26*vg.Inch+1.2*vg.Inch, out)
}

var (
	gray  = color.RGBA{150, 150, 150, 255}
	green = color.RGBA{20, 130, 70, 255}
	red   = color.RGBA{190, 40, 40, 255}
)

// least stands for zero on a logarithmic axis.
const least = 0.001

// drawing has a line for each row: a gray ring is the published figure, a dot is
// ours, on a logarithmic axis since they are of all units.
func drawing(rows []row) (*plot.Plot, error) {
	p := plot.New()
	p.Title.Text = "Published experiments (rings) and holdfast (dots: green where the goal is reached)"
	p.Title.Padding = vg.Points(8)
	p.X.Label.Text = "the measure in its own unit: %, ms, µs, s or a ratio"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.X.Min, p.X.Max = least/1.5, 20_000
	p.Y.Min, p.Y.Max = -0.8, float64(len(rows))-0.2
	names := make([]plot.Tick, len(rows))
	var published, reached, missed plotter.XYs
	for i, r := range rows {
		y := float64(len(rows) - 1 - i)
		names[i] = plot.Tick{Value: y, Label: r.ID + "  " + r.Measure}
		a, b := math.Max(r.Published, least), math.Max(r.Ours, least)
		line, err := plotter.NewLine(plotter.XYs{{X: a, Y: y}, {X: b, Y: y}})
		if err != nil {
			return nil, err
		}
		line.Color = gray
		p.Add(line)
		published = append(published, plotter.XY{X: a, Y: y})
		if r.OK {
			reached = append(reached, plotter.XY{X: b, Y: y})
		} else {
			missed = append(missed, plotter.XY{X: b, Y: y})
		}
	}
	p.Y.Tick.Marker = plot.ConstantTicks(names)
	grid := plotter.NewGrid()
	grid.Horizontal.Color = color.RGBA{235, 235, 235, 255}
	grid.Vertical.Color = color.RGBA{235, 235, 235, 255}
	p.Add(grid)
	for _, dots := range []struct {
		at    plotter.XYs
		glyph draw.GlyphDrawer
		color color.Color
	}{{published, draw.RingGlyph{}, color.Black}, {reached, draw.CircleGlyph{}, green}, {missed, draw.CircleGlyph{}, red}} {
		if len(dots.at) == 0 {
			continue
		}
		s, err := plotter.NewScatter(dots.at)
		if err != nil {
			return nil, err
		}
		s.GlyphStyle = draw.GlyphStyle{Color: dots.color, Radius: vg.Points(3.5), Shape: dots.glyph}
		p.Add(s)
	}
	return p, nil
}
