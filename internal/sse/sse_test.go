package sse

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
)

func read(r io.Reader, max int) (events []string, err error) {
	s := NewScanner(r, max)
	for {
		e, err := s.Next()
		if err == io.EOF {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		events = append(events, fmt.Sprintf("%s|%s|%s", e.Name, e.Data, e.ID))
	}
}

// pitfall 31, pitfall 32: line ends, missing spaces, comments, several data
// lines, long lines, and a last event without its blank line.
func TestScanner(t *testing.T) {
	long := strings.Repeat("x", 300<<10)
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"lf", "event: a\ndata: 1\nid: 7\n\ndata: 2\n\n", []string{"a|1|7", "|2|"}},
		{"crlf", "event: a\r\ndata: 1\r\n\r\ndata: 2\r\n\r\n", []string{"a|1|", "|2|"}},
		{"cr", "event: a\rdata: 1\r\rdata: 2\r\r", []string{"a|1|", "|2|"}},
		{"no space", "data:1\n\n", []string{"|1|"}},
		{"two spaces", "data:  1\n\n", []string{"| 1|"}},
		{"several lines", "data: 1\ndata: 2\n\n", []string{"|1\n2|"}},
		{"empty data", "data\n\ndata:\n\n", []string{"||", "||"}},
		{"comments", ": OPENROUTER PROCESSING\n\n: x\ndata: 1\n\n", []string{"|1|"}},
		{"no data", "event: ping\n\ndata: 1\n\n", []string{"|1|"}},
		{"no final blank line", "data: 1\n\ndata: 2", []string{"|1|", "|2|"}},
		{"byte order mark", "\ufeffdata: 1\n\n", []string{"|1|"}},
		{"long", "data: " + long + "\n\ndata: 2\n\n", []string{"|" + long + "|", "|2|"}},
		{"unknown fields", "retry: 1\nfoo: bar\ndata: 1\n\n", []string{"|1|"}},
	} {
		for kind, r := range map[string]io.Reader{
			"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in)),
			"halves": iotest.HalfReader(strings.NewReader(c.in)), "data with EOF": iotest.DataErrReader(strings.NewReader(c.in)),
		} {
			got, err := read(r, 0)
			if err != nil || strings.Join(got, "\x00") != strings.Join(c.want, "\x00") {
				t.Errorf("%s, %s: %.80q, %v; want %.80q", c.name, kind, got, err, c.want)
			}
		}
	}
}

// readLike reads events whose data has a member "t", and what this is. told is how many
// were told by their Text.
func readLike(r io.Reader, max int) (texts []string, told int, err error) {
	s := NewScanner(r, max)
	defer s.Release()
	for {
		e, err := s.Next()
		if err != nil {
			return texts, told, err
		}
		if len(e.Text) > 0 {
			texts = append(texts, string(e.Text))
			told++
			continue
		}
		d, end := jsonx.NewDecoder(e.Data), 0
		text := "none"
		for k := range d.Members() {
			if string(k) == "t" && d.Kind() == jsonx.String {
				text, end = d.String(), d.Offset()
			}
		}
		if d.End() != nil {
			text, end = "no JSON", 0
		}
		texts = append(texts, text)
		if text != "none" {
			s.Like(end)
		}
	}
}

// Events that differ from one before in one string alone are told by it, whatever
// ends their lines and however they come.
func TestScannerLike(t *testing.T) {
	const n, b = `{"n":1,"t":"`, `","b":"x"}`
	for _, c := range []struct {
		name, in string
		want     []string
		told     int
	}{
		{"alike", "data: " + n + "a" + b + "\n\ndata: " + n + "b" + b + "\n\ndata: " + n + `\"c\u00e9\"` + b + "\n\n", []string{"a", "b", `"cé"`}, 2},
		{"named", "event: e\ndata: " + n + "a" + b + "\n\nevent: e\ndata: " + n + "b" + b + "\n\nevent: f\ndata: " + n + "c" + b + "\n\n", []string{"a", "b", "c"}, 1},
		{"empty", "data: " + n + "a" + b + "\n\ndata: " + n + b + "\n\ndata: " + n + "b" + b + "\n\n", []string{"a", "", "b"}, 1},
		{"others between", "data: " + n + "a" + b + "\n\n: c\n\ndata: {}\n\ndata: " + n + "b" + b + "\n\n", []string{"a", "none", "b"}, 1},
		{"forgotten", "data: " + n + "a" + b + "\n\ndata: [\n\ndata: " + n + "b" + b + "\n\n", []string{"a", "no JSON", "b"}, 0},
		{"crlf", "data: " + n + "a" + b + "\r\n\r\ndata: " + n + "b" + b + "\r\n\r\ndata: " + n + "c" + b + "\r\n\r\n", []string{"a", "b", "c"}, 2},
		{"no space", "data:" + n + "a" + b + "\n\ndata:" + n + "b" + b + "\n\n", []string{"a", "b"}, 1},
		{"no data", "data:" + n + "a" + b + "\n\n" + n + "b" + b + "\n\ndata:" + n + "c" + b + "\n\n", []string{"a", "c"}, 1},
		{"more data", "data: " + n + "a" + b + "\n\ndata: " + n + "b" + b + "\ndata: x\n\ndata: " + n + "c" + b + "\n\n", []string{"a", "no JSON", "c"}, 0},
		{"a line end", "data: " + n + "a" + b + "\n\ndata: " + n + "b\r" + b + "\n\n", []string{"a", "no JSON"}, 0},
		{"a carriage return between", "data: " + n + "a" + b + "\r\rdata: " + n + "b" + b + "\n\ndata: " + n + "c" + b + "\n\n", []string{"a", "b", "c"}, 1},
		{"more members", "data: " + n + "a" + b + "\n\ndata: " + n + `b","t":"c` + b + "\n\n", []string{"a", "c"}, 0},
	} {
		for kind, r := range map[string]io.Reader{
			"whole": strings.NewReader(c.in), "bytes": iotest.OneByteReader(strings.NewReader(c.in)), "halves": iotest.HalfReader(strings.NewReader(c.in)),
			"frames": &frames{next: strings.SplitAfter(c.in, "\n\n")},
		} {
			got, told, err := readLike(r, 0)
			if err != io.EOF || !slices.Equal(got, c.want) || told != c.told && kind != "bytes" {
				t.Errorf("%s, %s: %q, %d of them told, %v; want %q, %d", c.name, kind, got, told, err, c.want, c.told)
			}
		}
	}
	long := "data: " + n + "a" + b + "\n\ndata: " + n + strings.Repeat("b", 1000) + b + "\n\n"
	if got, _, err := readLike(strings.NewReader(long), 500); len(got) != 1 || !errors.Is(err, ErrTooLong) {
		t.Errorf("%q, %v, want an event and ErrTooLong", got, err)
	}
}

// frames is a FrameReader that uses its memory again.
type frames struct {
	io.Reader
	next []string
	buf  [128]byte
}

func (f *frames) NextFrame() ([]byte, error) {
	if len(f.next) == 0 {
		return nil, io.EOF
	}
	f.buf = [128]byte{}
	n := copy(f.buf[:], f.next[0])
	f.next = f.next[1:]
	return f.buf[:n], nil
}

// What a frame leaves of an event is kept beyond the frame's memory.
func TestScannerOfFrames(t *testing.T) {
	got, err := read(&frames{next: []string{"data: 1\n\n", "data: 2\r", "\ndata: 3\n\ndata:", " 4\n\n"}}, 0)
	if want := "|1| |2\n3| |4|"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
}

func TestScannerBounds(t *testing.T) {
	for name, in := range map[string]string{
		"line": "data: " + strings.Repeat("x", 100<<10), "event": strings.Repeat("data: "+strings.Repeat("x", 1000)+"\n", 100),
	} {
		if _, err := read(strings.NewReader(in), 64<<10); !errors.Is(err, ErrTooLong) {
			t.Errorf("%s: %v, want ErrTooLong", name, err)
		}
	}
	if got, err := read(strings.NewReader("data: "+strings.Repeat("x", 16<<20)+"\n\n"), 16<<20); err != nil || len(got) != 1 {
		t.Errorf("16 MiB of data: %d events, %v", len(got), err)
	}
}

func TestScannerReturnsTheReadersError(t *testing.T) {
	cut := errors.New("cut")
	got, err := read(io.MultiReader(strings.NewReader("data: 1\n\ndata: 2\n"), iotest.ErrReader(cut)), 0)
	if err != cut || len(got) != 1 {
		t.Errorf("got %q, %v; want one event and the error", got, err)
	}
}

// The scanner must hand over an event as soon as its blank line is there.
func TestScannerDoesNotReadAhead(t *testing.T) {
	r, w := io.Pipe()
	done := make(chan string) // the writer below is waited for by the reads of it
	go func() {
		io.WriteString(w, "data: 1\r\n\r\n")
		done <- "written"
		w.Close()
	}()
	e, err := NewScanner(r, 0).Next()
	if err != nil || string(e.Data) != "1" {
		t.Fatalf("got %q, %v", e.Data, err)
	}
	<-done
}

func FuzzScanner(f *testing.F) {
	f.Add("data: 1\r\n\r\nevent: x\rdata:2\n\n: c\n\n", uint8(3))
	f.Add("\ufeffdata\ndata: \xff\n\n", uint8(1))
	f.Fuzz(func(t *testing.T, in string, n uint8) {
		whole, err := read(strings.NewReader(in), 1<<10)
		texts, _, err1 := readLike(strings.NewReader(in), 1<<10)
		apart, _, err2 := readLike(&chunks{in, int(n%7) + 1}, 1<<10)
		if fmt.Sprint(texts, err1) != fmt.Sprint(apart, err2) {
			t.Fatalf("whole: %q, %v\nsplit: %q, %v", texts, err1, apart, err2)
		}
		split, err2 := read(&chunks{in, int(n%7) + 1}, 1<<10)
		if fmt.Sprint(whole, err) != fmt.Sprint(split, err2) {
			t.Fatalf("whole: %q, %v\nsplit: %q, %v", whole, err, split, err2)
		}
	})
}

type chunks struct {
	s string
	n int
}

func (c *chunks) Read(p []byte) (int, error) {
	if c.s == "" {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), c.n)], c.s)
	c.s = c.s[n:]
	return n, nil
}

func BenchmarkScanner(b *testing.B) {
	in := strings.Repeat("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n", 1000)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		s := NewScanner(strings.NewReader(in), 0)
		for {
			if _, err := s.Next(); err != nil {
				break
			}
		}
	}
}
