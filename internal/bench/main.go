// Command bench measures what the proxy costs: beside load that asks upstream
// directly, and beside a bare httputil.ReverseProxy that swaps the credential,
// which is the floor.
//
// Upstream, load and each contender are processes of their own, new for each
// measurement; contenders take turns, round by round. A figure is the median
// of the rounds, a ratio that of the rounds' ratios. Linux only: it reads
// /proc. docs/performance.md tells what the figures mean.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == childFlag {
		if err := runChild(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench", os.Args[2]+":", err)
			os.Exit(1)
		}
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds over all contenders")
	flag.DurationVar(&o.time, "time", 2*time.Second, "`duration` of one measurement; thrice as long at fixed rates")
	flag.StringVar(&o.only, "only", "", "measure only works whose name contains one of these `texts`, with commas between")
	flag.BoolVar(&o.short, "short", false, "measure briefly, and fail where the proxy allocates more than its budget, or needs more stack; times are not judged")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of the floor and of the proxy for each work to this `directory`, during the first round")
	flag.StringVar(&o.json, "json", "", "write all figures to this `file`")
	flag.StringVar(&o.svg, "svg", "", "draw the ratios to this `file`")
	flag.Parse()
	if err := o.run(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds             int
	time               time.Duration
	only               string
	short              bool
	profile, json, svg string
}

func (o *options) run(out io.Writer) error {
	if o.short {
		o.rounds, o.time = 1, 300*time.Millisecond
	}
	if o.rounds < 1 || o.time <= 0 {
		return fmt.Errorf("-rounds and -time must be above 0")
	}
	chosen := o.works()
	if len(chosen) == 0 {
		return fmt.Errorf("-only %s: no such work", o.only)
	}
	rep := newReport(chosen, o)
	for round := range o.rounds {
		for i := range chosen {
			for _, contender := range order(round) {
				if o.short && contender != proxy {
					continue
				}
				fmt.Fprintf(os.Stderr, "\r\033[Kround %d of %d: %s, %s", round+1, o.rounds, chosen[i].name, contender)
				s, err := o.measure(&chosen[i], contender, round)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", chosen[i].name, contender, err)
				}
				rep.add(&chosen[i], contender, s)
			}
		}
	}
	fmt.Fprint(os.Stderr, "\r\033[K")
	if o.short {
		return rep.judge(out)
	}
	rep.print(out)
	if o.json != "" {
		b, err := json.MarshalIndent(rep, "", "\t")
		if err != nil {
			return err
		}
		if err := os.WriteFile(o.json, append(b, '\n'), 0o644); err != nil {
			return err
		}
	}
	if o.svg != "" {
		return os.WriteFile(o.svg, rep.svg(), 0o644)
	}
	return nil
}

// works returns the works that -only chooses.
func (o *options) works() []work {
	var chosen []work
	for _, w := range works() {
		if o.short && w.allocs == 0 && w.stack == 0 {
			continue
		}
		for text := range strings.SplitSeq(o.only, ",") {
			if strings.Contains(w.name, text) {
				chosen = append(chosen, w)
				break
			}
		}
	}
	return chosen
}

// measure measures a contender once, in processes of its own.
func (o *options) measure(w *work, contender string, round int) (*sample, error) {
	up, err := start("upstream", w.upstreamSpec())
	if err != nil {
		return nil, err
	}
	defer up.stop()
	c := up
	if contender != direct {
		if c, err = start(contender, contenderSpec{Upstream: "http://" + up.Addr}); err != nil {
			return nil, err
		}
		defer c.stop()
	}
	spec := w.loadSpec(contender, o.time)
	spec.Addr, spec.Admin, spec.Upstream = c.Addr, c.Admin, up.Admin
	if o.short && w.kind == held {
		spec.Callers /= 10
	}
	profiled := make(chan error, 1)
	if o.profile != "" && round == 0 && contender != direct {
		go func() { profiled <- o.writeProfile(w, contender, c.Admin, spec.Measure) }()
	} else {
		profiled <- nil
	}
	s, err := ask(spec)
	if err != nil {
		return nil, err
	}
	return s, <-profiled
}

// ask runs load.
func ask(spec loadSpec) (*sample, error) {
	cmd, err := command("load", nil)
	if err != nil {
		return nil, err
	}
	in, err := json.Marshal(spec)
	if err != nil {
		return nil, err
	}
	cmd.Stdin = bytes.NewReader(in)
	b, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	s := &sample{}
	return s, json.Unmarshal(b, s)
}

// writeProfile fetches a CPU profile of a contender while it is measured.
func (o *options) writeProfile(w *work, contender, admin string, d time.Duration) error {
	if err := os.MkdirAll(o.profile, 0o755); err != nil {
		return err
	}
	time.Sleep(d / 5) // the warm-up
	resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, max(1, int(d.Seconds()))))
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	name := strings.ReplaceAll(w.name, "/", "-") + "-" + contender + ".pprof"
	f, err := os.Create(filepath.Join(o.profile, name))
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, resp.Body); err != nil {
		return err
	}
	return f.Close()
}
