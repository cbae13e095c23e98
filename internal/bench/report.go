package main

import (
	"fmt"
	"io"
	"math"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// report is all that was measured.
type report struct {
	Go     string  `json:"go"`
	CPUs   int     `json:"cpus"`
	Rounds int     `json:"rounds"`
	Time   float64 `json:"seconds_per_measurement"`
	Rows   []*row  `json:"rows"`

	works []work
}

// row is a contender at a work.
type row struct {
	Work      string `json:"work"`
	Contender string `json:"contender"`
	figures
	Samples []*sample `json:"rounds"`
}

// figures are medians of rounds. What is called added is against direct in the
// same round, a ratio against the floor in the same round. Durations are in µs.
type figures struct {
	Rate   float64 `json:"requests_per_second"`
	CPU    float64 `json:"cpu_us"`
	Ratio  float64 `json:"ratio"` // of CPU time, or of memory where streams are held
	Budget string  `json:"budget,omitempty"`
	Over   bool    `json:"over,omitempty"`

	P50    float64 `json:"added_p50_us"`
	P99    float64 `json:"added_p99_us"`
	First  float64 `json:"added_first_p50_us"`
	Chunk  float64 `json:"added_chunk_p50_us"`
	Allocs float64 `json:"allocs"`
	KiB    float64 `json:"alloc_kib"`
	RSS    float64 `json:"rss_mib"`
	Per1k  float64 `json:"mib_per_1000_streams,omitempty"`
	Others float64 `json:"others_cores"`
	Errors int64   `json:"errors"`
	Error  string  `json:"error,omitempty"`
}

func newReport(works []work, o *options) *report {
	r := &report{Go: runtime.Version(), CPUs: runtime.NumCPU(), Rounds: o.rounds, Time: o.time.Seconds(), works: works}
	for i := range works {
		for _, c := range contenders {
			r.Rows = append(r.Rows, &row{Work: works[i].name, Contender: c})
		}
	}
	return r
}

func (r *report) row(work, contender string) *row {
	i := slices.IndexFunc(r.Rows, func(x *row) bool { return x.Work == work && x.Contender == contender })
	return r.Rows[i]
}

func (r *report) add(w *work, contender string, s *sample) {
	x := r.row(w.name, contender)
	x.Samples = append(x.Samples, s)
}

// sum computes the figures of a work's rows.
func (r *report) sum(w *work) {
	base, least := r.row(w.name, direct), r.row(w.name, floor)
	for _, c := range contenders {
		x := r.row(w.name, c)
		plain := func(f func(*sample) float64) float64 { return median(x.Samples, f) }
		// against pairs a round's sample with another contender's of that round.
		against := func(y *row, f func(a, b *sample) float64) float64 {
			var v []float64
			for i, s := range x.Samples {
				v = append(v, f(s, y.Samples[i]))
			}
			return middle(v)
		}
		x.Rate = plain(func(s *sample) float64 { return s.Rate })
		x.CPU = plain(func(s *sample) float64 { return s.CPU })
		x.Allocs = plain(func(s *sample) float64 { return s.Allocs })
		x.KiB = plain(func(s *sample) float64 { return s.KiB })
		x.RSS = plain(func(s *sample) float64 { return s.RSS })
		x.Others = plain(func(s *sample) float64 { return s.Others })
		if w.kind == held {
			x.Per1k = plain(func(s *sample) float64 { return (s.RSS - s.Idle) / max(1, float64(s.Streams)) * 1000 })
			x.Ratio = against(least, func(a, b *sample) float64 { return a.RSS / b.RSS })
		} else {
			x.Ratio = against(least, func(a, b *sample) float64 { return a.CPU / b.CPU })
		}
		x.P50 = against(base, func(a, b *sample) float64 { return a.P50 - b.P50 })
		x.P99 = against(base, func(a, b *sample) float64 { return a.P99 - b.P99 })
		x.First = against(base, func(a, b *sample) float64 { return a.First50 - b.First50 })
		x.Chunk = against(base, func(a, b *sample) float64 { return a.Chunk50 - b.Chunk50 })
		for _, s := range x.Samples {
			x.Errors += s.Errors
			x.Error = cmpOr(x.Error, s.Error)
		}
		if c != proxy {
			continue
		}
		switch b := w.budget; {
		case b.cpu > 0:
			x.Budget, x.Over = fmt.Sprintf("≤ %.2f", b.cpu), x.Ratio > b.cpu
		case b.rss > 0:
			x.Budget, x.Over = fmt.Sprintf("≤ %.2f", b.rss), x.Ratio > b.rss
		case b.p99 > 0:
			more := against(least, func(a, b *sample) float64 { return a.P99 - b.P99 })
			x.Budget, x.Over = fmt.Sprintf("p99 %+.0f ≤ %.0f µs", more, micros(b.p99)), more > micros(b.p99)
		}
	}
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func median(s []*sample, f func(*sample) float64) float64 {
	var v []float64
	for _, x := range s {
		v = append(v, f(x))
	}
	return middle(v)
}

// middle returns the median of v, 0 where there is nothing.
func middle(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	slices.Sort(v)
	n := len(v)
	m := (v[(n-1)/2] + v[n/2]) / 2
	if math.IsNaN(m) || math.IsInf(m, 0) {
		return 0
	}
	return m
}

// print writes the table.
func (r *report) print(out io.Writer) {
	fmt.Fprintf(out, "%s, %d CPUs, medians of %d rounds of %v; µs, MiB; + is against direct, × against the floor\n\n",
		r.Go, r.CPUs, r.Rounds, time.Duration(r.Time*float64(time.Second)))
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "work\tcontender\treq/s\tCPU/req\t× floor\tbudget\t+p50\t+p99\t+first\t+chunk\tallocs\tKiB\tRSS\tper 1000\tothers\terrors\t")
	var over, faults []string
	for i := range r.works {
		w := &r.works[i]
		r.sum(w)
		for _, c := range contenders {
			x := r.row(w.name, c)
			cells := []string{w.name, c, number(x.Rate, 0), number(x.CPU, 1), number(x.Ratio, 2), x.Budget}
			if c == direct {
				cells[4] = "–" // upstream's own
			}
			for j, v := range []float64{x.P50, x.P99, x.First, x.Chunk} {
				switch {
				case c == direct, w.kind == held && j < 3, j == 3 && (!w.stream || w.kind == closed):
					cells = append(cells, "–")
				default:
					cells = append(cells, fmt.Sprintf("%+.0f", v))
				}
			}
			cells = append(cells, number(x.Allocs, 0), number(x.KiB, 1), number(x.RSS, 1), number(x.Per1k, 1), fmt.Sprintf("%.2f", x.Others), fmt.Sprint(x.Errors))
			fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
			if x.Over {
				over = append(over, fmt.Sprintf("%s: %.2f (%s)", w.name, x.Ratio, x.Budget))
			}
			if x.Errors > 0 {
				faults = append(faults, fmt.Sprintf("%s, %s: %d, such as: %s", w.name, c, x.Errors, x.Error))
			}
		}
	}
	t.Flush()
	fmt.Fprintf(out, "\nCPU/req, allocs and KiB are of the contender's process, for direct of upstream's; a chunk, not a request, where streams are held.\n")
	for _, l := range []struct {
		title string
		lines []string
	}{{"over budget", over}, {"errors", faults}} {
		if len(l.lines) > 0 {
			fmt.Fprintf(out, "\n%s:\n  %s\n", l.title, strings.Join(l.lines, "\n  "))
		}
	}
}

func number(v float64, digits int) string {
	if v == 0 {
		return "–"
	}
	return fmt.Sprintf("%.*f", digits, v)
}

// judge writes the proxy's allocations and stacks beside their budgets, and fails
// where one does not hold or an answer was wrong.
func (r *report) judge(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "work\tallocs\tbudget\tKiB of stack\tbudget\trequests\terrors\t")
	var faults []string
	for i := range r.works {
		w := &r.works[i]
		s := r.row(w.name, proxy).Samples[0]
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%d\t%d\t\n", w.name, number(s.Allocs, 1), number(w.allocs, 0), number(s.Stack, 1), number(w.stack, 0), s.Requests, s.Errors)
		if w.allocs > 0 && s.Allocs > w.allocs {
			faults = append(faults, fmt.Sprintf("%s: %.1f allocations a request, above %.0f", w.name, s.Allocs, w.allocs))
		}
		if w.stack > 0 && s.Stack > w.stack {
			faults = append(faults, fmt.Sprintf("%s: %.1f KiB of stack a stream, above %.0f", w.name, s.Stack, w.stack))
		}
		if s.Errors > 0 {
			faults = append(faults, fmt.Sprintf("%s: %d errors, such as: %s", w.name, s.Errors, s.Error))
		}
	}
	t.Flush()
	if len(faults) > 0 {
		return fmt.Errorf("%s", strings.Join(faults, "\n"))
	}
	return nil
}
