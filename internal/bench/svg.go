package main

import (
	"bytes"
	"fmt"
	"math"
)

// The drawing's measures, in pixels.
const (
	svgWidth  = 720
	svgLeft   = 150 // of the bars
	svgRight  = 60
	svgTop    = 62
	svgRow    = 26
	svgBar    = 14
	svgBottom = 34
)

const svgStyle = `<style>
svg { --bg: #fff; --ink: #1f2328; --faint: #656d76; --grid: #d1d9e0; --bar: #0a66c2; --over: #bc4c00; }
@media (prefers-color-scheme: dark) { svg { --bg: #0d1117; --ink: #e6edf3; --faint: #9198a1; --grid: #3d444d; --bar: #4493f8; --over: #f0883e; } }
text { font: 12px system-ui, sans-serif; fill: var(--ink); }
.title { font-size: 14px; font-weight: 600; }
.faint { fill: var(--faint); }
.grid { stroke: var(--grid); }
.floor { stroke: var(--ink); }
.bar { fill: var(--bar); }
.over { fill: var(--over); }
.budget { stroke: var(--ink); stroke-width: 2; }
</style>
`

// svg draws the proxy's ratio to the floor, a bar for each work that has a
// budget of that kind. Bars beyond the scale are cut, and say so.
func (r *report) svg() []byte {
	var drawn []*work
	for i := range r.works {
		if b := r.works[i].budget; b.cpu > 0 || b.rss > 0 {
			drawn = append(drawn, &r.works[i])
		}
	}
	most := 1.25
	for _, w := range drawn {
		most = max(most, w.budget.cpu, w.budget.rss, min(3, r.row(w.name, proxy).Ratio))
	}
	most = math.Ceil(most*4) / 4
	height := svgTop + svgRow*len(drawn) + svgBottom
	x := func(ratio float64) float64 {
		return svgLeft + min(ratio, most)/most*(svgWidth-svgLeft-svgRight)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%[1]d" height="%d" role="img" aria-label="What the proxy costs, as a ratio to a bare ReverseProxy">`+"\n", svgWidth, height, height)
	b.WriteString(svgStyle)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" style="fill: var(--bg)"/>`+"\n", svgWidth, height)
	fmt.Fprintf(&b, `<text x="16" y="24" class="title">Cost beside a bare httputil.ReverseProxy (1 = the same)</text>`+"\n")
	fmt.Fprintf(&b, `<text x="16" y="44" class="faint">CPU time per request; “held”: memory with %d open streams. Tick: budget. Medians of %d rounds, %s, %d CPUs.</text>`+"\n", heldStreams, r.Rounds, r.Go, r.CPUs)
	bottom := svgTop + svgRow*len(drawn)
	step := 0.25
	if most > 2 {
		step = 0.5
	}
	for v := 0.0; v <= most; v += step {
		class := "grid"
		if v == 1 {
			class = "floor"
		}
		fmt.Fprintf(&b, `<line class="%s" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", class, x(v), x(v), svgTop, bottom)
		fmt.Fprintf(&b, `<text class="faint" x="%.1f" y="%d" text-anchor="middle">%g</text>`+"\n", x(v), bottom+18, v)
	}
	for i, w := range drawn {
		p := r.row(w.name, proxy)
		top := svgTop + svgRow*i + (svgRow-svgBar)/2
		class, label := "bar", fmt.Sprintf("%.2f", p.Ratio)
		if p.Over {
			class = "over"
		}
		if p.Ratio > most {
			label += " →"
		}
		fmt.Fprintf(&b, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n", svgLeft-8, top+svgBar-3, w.name)
		fmt.Fprintf(&b, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/>`+"\n", class, svgLeft, top, x(p.Ratio)-svgLeft, svgBar)
		limit := x(max(w.budget.cpu, w.budget.rss))
		fmt.Fprintf(&b, `<line class="budget" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", limit, limit, top-4, top+svgBar+4)
		fmt.Fprintf(&b, `<text x="%.1f" y="%d">%s</text>`+"\n", max(x(p.Ratio), limit)+6, top+svgBar-3, label)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
