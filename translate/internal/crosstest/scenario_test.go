package crosstest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-llmproxy/llmproxy/translate"
)

// A scenario is one conversation in every format: testdata/NAME.txtar holds
// the requests of the clients and the answers of the providers, and
// testdata/NAME.golden.txtar what each becomes on the other side.
func scenarios(t *testing.T, f func(t *testing.T, name string, in archive)) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, path := range paths {
		name, golden := strings.CutSuffix(strings.TrimSuffix(filepath.Base(path), ".txtar"), ".golden")
		if golden {
			continue
		}
		n++
		t.Run(name, func(t *testing.T) { f(t, name, readArchive(t, path)) })
	}
	if n < 20 {
		t.Errorf("%d scenarios only", n)
	}
}

// archive is a file in the txtar format: files one after another, each after a
// line "-- name --".
type archive []file

type file struct{ name, data string }

func readArchive(t testing.TB, path string) (a archive) {
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "-- "); ok && strings.HasSuffix(line, " --\n") {
			a = append(a, file{name: strings.TrimSuffix(name, " --\n")})
		} else if len(a) > 0 {
			a[len(a)-1].data += line
		}
	}
	return a
}

func (a archive) get(name string) (string, bool) {
	i := slices.IndexFunc(a, func(f file) bool { return f.name == name })
	if i < 0 {
		return "", false
	}
	return a[i].data, true
}

func (a archive) bytes() []byte {
	var b bytes.Buffer
	for _, f := range a {
		fmt.Fprintf(&b, "-- %s --\n%s", f.name, f.data)
		if !strings.HasSuffix(f.data, "\n") {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}

// compare holds what came out against the golden file, or writes it.
func compare(t *testing.T, name string, got archive) {
	path := "testdata/" + name + ".golden.txtar"
	if *update {
		if err := os.WriteFile(path, got.bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := readArchive(t, path)
	for _, f := range got {
		if w, ok := want.get(f.name); !ok || strings.TrimSpace(w) != strings.TrimSpace(f.data) {
			t.Errorf("%s:\n got %s\nwant %s", f.name, f.data, w)
		}
	}
	if len(want) != len(got) {
		t.Errorf("%d translations, the golden file has %d", len(got), len(want))
	}
}

// TestScenarioRequests translates the request of every client format into
// every provider format. What the clients' formats can all say must reach a
// provider in the same words, whichever client said it.
func TestScenarioRequests(t *testing.T) {
	scenarios(t, func(t *testing.T, name string, in archive) {
		var out archive
		for _, to := range sides() {
			var same []string // results, each with the clients that have it
			by := map[string][]string{}
			for _, c := range clients() {
				body, ok := in.get("request." + string(c.format) + ".json")
				if !ok {
					continue
				}
				got := request(t, c, to, []byte(body))
				if by[got] == nil {
					same = append(same, got)
				}
				by[got] = append(by[got], string(c.format))
			}
			for _, got := range same {
				out = append(out, file{"to " + string(to.format) + " from " + strings.Join(by[got], ", "), got})
			}
		}
		if len(out) > 0 {
			compare(t, name+".requests", out)
		}
	})
}

// request translates one request; losses stand after it.
func request(t *testing.T, from, to side, body []byte) string {
	t.Helper()
	r, err := from.in.ParseRequest(compact(t, body))
	if err != nil {
		t.Errorf("%s: %v", from.format, err)
		return ""
	}
	r.Format = from.format
	r.Model = models[to.format]
	before, _ := json.Marshal(r)
	got, losses, err := to.out.AppendRequest(nil, r)
	if err != nil {
		if e := translate.AsError(err); e.Kind != translate.InvalidRequest && e.Kind != translate.Unsupported {
			t.Errorf("%s to %s: %v", from.format, to.format, err)
		}
		return "refused: " + err.Error() + "\n"
	}
	if again, _, _ := to.out.AppendRequest(nil, r); !bytes.Equal(got, again) {
		t.Errorf("%s to %s: twice, and different", from.format, to.format)
	}
	if after, _ := json.Marshal(r); !bytes.Equal(before, after) {
		t.Errorf("%s to %s: the request was changed", from.format, to.format)
	}
	return pretty(t, got) + lossLines(losses)
}

// compact writes JSON as clients and providers send it.
func compact(t *testing.T, body []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, body); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func lossLines(losses []translate.Loss) string {
	var b strings.Builder
	for _, l := range losses {
		fmt.Fprintf(&b, "lost %s\n", l)
	}
	return b.String()
}

func pretty(t *testing.T, body []byte) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", " "); err != nil {
		t.Errorf("not JSON: %v: %s", err, body)
	}
	return fixed(b.String()) + "\n"
}

// made matches what a codec makes up where the provider said nothing.
var made = regexp.MustCompile(`("created(?:_at)?": ?)1[789]\d{8}|((?:msg|chatcmpl|resp|rs|rs_llmp|fc|ctc)[_-])[A-Z2-7]{26}|("completed_at": ?)1[789]\d{8}`)

func fixed(s string) string { return made.ReplaceAllString(s, "${1}${2}${3}0") }

// TestScenarioAnswers translates the answer of every provider format, whole
// and streamed, into every client format. Both ways must say the same.
func TestScenarioAnswers(t *testing.T) {
	scenarios(t, func(t *testing.T, name string, in archive) {
		var out archive
		for _, from := range sides() {
			body, ok := in.get("answer." + string(from.format) + ".json")
			if !ok {
				continue
			}
			whole, err := from.out.ParseResponse(compact(t, []byte(body)))
			if err != nil {
				t.Errorf("%s: %v", from.format, err)
				continue
			}
			stream, live := in.get("answer." + string(from.format) + ".sse")
			if live {
				r, err := translate.Collect(translate.Check(from.out.Events(strings.NewReader(stream))))
				if err != nil {
					t.Errorf("%s, stream: %v", from.format, err)
				} else if a, b := summary(whole), summary(r); a != b {
					t.Errorf("%s: whole and streamed differ:\n%s\n%s", from.format, a, b)
				}
				cut(t, from, stream)
			}
			for _, to := range clients() {
				replayed(t, from, to, []byte(body))
				body, losses := to.in.AppendResponse(nil, &translate.Request{}, whole)
				out = append(out, file{string(from.format) + " as " + string(to.format), pretty(t, body) + lossLines(append(slices.Clone(whole.Losses), losses...))})
				back, err := to.out.ParseResponse(body)
				if err != nil || summary(back) != summary(whole) {
					t.Errorf("%s as %s reads back as %v, %v", from.format, to.format, back, err)
				}
				if live {
					out = append(out, file{string(from.format) + " as " + string(to.format) + ", streamed", streamed(t, from, to, strings.NewReader(stream))})
				}
			}
		}
		if len(out) > 0 {
			compare(t, name+".answers", out)
		}
	})
}

func streamed(t *testing.T, from, to side, stream io.Reader) string {
	t.Helper()
	w := to.in.NewEventWriter(&translate.Request{Stream: true, IncludeUsage: true})
	var b []byte
	for e, err := range from.out.Events(stream) {
		if err != nil {
			b = w.AppendError(b, translate.AsError(err))
			break
		}
		b = w.AppendEvent(b, e)
	}
	return fixed(string(b)) + lossLines(w.Losses())
}

// replayed streams an answer that came whole, and with white space in its JSON:
// the frames' lines stay whole.
func replayed(t *testing.T, from, to side, body []byte) {
	t.Helper()
	whole, err := from.out.ParseResponse(body)
	if err != nil {
		t.Fatal(err)
	}
	w := to.in.NewEventWriter(&translate.Request{Stream: true, IncludeUsage: true})
	var b []byte
	for e := range translate.Replay(whole) {
		b = w.AppendEvent(b, e)
	}
	for line := range strings.Lines(string(b)) {
		if data, ok := strings.CutPrefix(strings.TrimSpace(line), "data: "); ok && data != "[DONE]" && !json.Valid([]byte(data)) {
			t.Errorf("%s as %s: a broken frame: %s", from.format, to.format, line)
		}
	}
	if r, err := translate.Collect(to.out.Events(bytes.NewReader(b))); err != nil || summary(r) != summary(whole) {
		t.Errorf("%s replayed as %s: %v, %v", from.format, to.format, r, err)
	}
}

// cut cuts a stream in the middle: no client may take what comes for whole.
func cut(t *testing.T, from side, stream string) {
	t.Helper()
	for i := range 7 {
		part := stream[:len(stream)*(i+1)/9]
		if _, err := translate.Collect(from.out.Events(strings.NewReader(part))); err == nil {
			t.Errorf("%s, cut after %d of %d bytes: no error", from.format, len(part), len(stream))
		}
		for _, to := range clients() {
			got := streamed(t, from, to, strings.NewReader(part))
			for _, end := range []string{"[DONE]", "message_stop", "response.completed", `"finishReason":"STOP"`} {
				if strings.Contains(got, end) {
					t.Errorf("%s as %s, cut: the client is told %s", from.format, to.format, end)
				}
			}
		}
	}
}

// TestScenarioErrors shows every provider's error as each client reads it.
func TestScenarioErrors(t *testing.T) {
	scenarios(t, func(t *testing.T, name string, in archive) {
		var out archive
		for _, f := range in {
			format, rest, ok := strings.Cut(strings.TrimPrefix(f.name, "error."), ".")
			if !ok || !strings.HasPrefix(f.name, "error.") {
				continue
			}
			status, err := strconv.Atoi(strings.Split(rest, ".")[0])
			if err != nil {
				t.Fatal(err)
			}
			for _, from := range sides() {
				if string(from.format) != format {
					continue
				}
				e := from.out.ParseError(status, http.Header{"Retry-After": {"7"}}, []byte(f.data))
				for _, to := range clients() {
					body := to.in.AppendError(nil, e)
					out = append(out, file{f.name + " as " + string(to.format), fmt.Sprintf("%d, %s, %v\n%s", e.StatusCode(), e.Kind, e.RetryAfter, pretty(t, body))})
				}
			}
		}
		if len(out) > 0 {
			compare(t, name+".errors", out)
		}
	})
}
