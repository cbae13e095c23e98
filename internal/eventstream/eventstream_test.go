package eventstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"
)

var all = []Header{
	{"t", True, nil}, {"f", False, nil}, {"b", Byte, []byte{1}}, {"s", Int16, []byte{1, 2}}, {"i", Int32, []byte{1, 2, 3, 4}},
	{"l", Int64, []byte("12345678")}, {"y", Bytes, []byte{0, 255}}, StringHeader(":event-type", "ünï"), {"ts", Timestamp, []byte("abcdefgh")}, {"u", UUID, []byte("0123456789abcdef")},
}

func TestRoundTrip(t *testing.T) {
	for _, payload := range [][]byte{nil, []byte(`{"a":1}`), bytes.Repeat([]byte("x"), 3*step)} {
		stream := AppendEvent(AppendFrame(nil, payload, all...), "metadata", payload)
		r := NewReader(iotest.OneByteReader(bytes.NewReader(stream)), 0)
		f, err := r.Next()
		if err != nil || !bytes.Equal(f.Payload, payload) {
			t.Fatal(err, len(f.Payload))
		}
		got := slices.Collect(f.Headers())
		if !slices.EqualFunc(got, all, func(a, b Header) bool { return a.Name == b.Name && a.Type == b.Type && bytes.Equal(a.Value, b.Value) }) {
			t.Errorf("headers %v", got)
		}
		if s := f.Text(":event-type"); string(s) != "ünï" || f.Text("y") != nil || f.Text("none") != nil {
			t.Errorf("Text = %q", s)
		}
		if f, err = r.Next(); err != nil || string(f.Text(":event-type")) != "metadata" || string(f.Text(":message-type")) != "event" {
			t.Fatal(err)
		}
		if _, err = r.Next(); err != io.EOF {
			t.Errorf("at the end: %v", err)
		}
	}
}

// Every cut and every flipped bit is an error, and none is a clean end.
func TestBroken(t *testing.T) {
	whole := AppendException(nil, "throttlingException", []byte(`{"message":"slow down"}`))
	for i := 1; i < len(whole); i++ {
		r := NewReader(bytes.NewReader(whole[:i]), 0)
		if _, err := r.Next(); err != io.ErrUnexpectedEOF {
			t.Fatalf("cut at %d: %v", i, err)
		}
		if _, err := r.Next(); err != io.ErrUnexpectedEOF {
			t.Fatalf("the error does not stick: %v", err)
		}
	}
	for i := range whole {
		b := bytes.Clone(whole)
		b[i] ^= 0x10
		if _, err := NewReader(bytes.NewReader(b), 0).Next(); !errors.Is(err, ErrChecksum) {
			t.Fatalf("bit flipped in byte %d: %v", i, err)
		}
	}
	if _, err := NewReader(iotest.ErrReader(io.ErrClosedPipe), 0).Next(); err != io.ErrClosedPipe {
		t.Error(err)
	}
}

// seal gives a frame right checksums, so that what is inside is looked at.
func seal(b []byte) []byte {
	if len(b) < overhead {
		b = append(b, make([]byte, overhead-len(b))...)
	}
	b = bytes.Clone(b)
	binary.BigEndian.PutUint32(b[crcAt:], crc32.ChecksumIEEE(b[:crcAt]))
	binary.BigEndian.PutUint32(b[len(b)-4:], crc32.ChecksumIEEE(b[:len(b)-4]))
	return b
}

func TestLies(t *testing.T) {
	huge := binary.BigEndian.AppendUint32(nil, DefaultMaxFrame)
	huge = seal(append(huge, 0, 0, 0, 0))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := NewReader(bytes.NewReader(huge), 0).Next()
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; err != io.ErrUnexpectedEOF || got > 1<<20 {
		t.Errorf("a claimed length took %d bytes: %v", got, err)
	}
	if _, err := NewReader(bytes.NewReader(AppendFrame(nil, make([]byte, 100))), 50).Next(); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	for name, headers := range map[string]string{"name": "\x00", "cut name": "\x05a", "type": "\x01a\x0a", "length": "\x01a\x07\x00", "value": "\x01a\x07\x00\x05x", "number": "\x01a\x05\x00"} {
		b := append(make([]byte, prelude), headers...)
		binary.BigEndian.PutUint32(b, uint32(len(b)+4))
		binary.BigEndian.PutUint32(b[4:], uint32(len(headers)))
		if _, err := NewReader(bytes.NewReader(seal(append(b, 0, 0, 0, 0))), 0).Next(); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, n := range []uint32{0, overhead - 1} {
		b := seal(binary.BigEndian.AppendUint32(nil, n))
		if _, err := NewReader(bytes.NewReader(b), 0).Next(); !errors.Is(err, ErrFormat) {
			t.Errorf("length %d: %v", n, err)
		}
	}
}

func TestAppendFramePanics(t *testing.T) {
	for _, h := range []Header{{"", String, nil}, {"x", UUID, []byte("short")}, {"x", Type(10), nil}, {"x", String, make([]byte, 1<<16)}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v is written", h.Type)
				}
			}()
			AppendFrame(nil, nil, h)
		}()
	}
}

func TestRecordings(t *testing.T) {
	files, _ := filepath.Glob("../../../shared/recordings/bedrock-converse/*/response.eventstream")
	if len(files) == 0 {
		t.Skip("the recordings are not here")
	}
	for _, file := range files {
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		r := NewReader(bytes.NewReader(want), 0)
		var got []byte
		for {
			f, err := r.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(file, err)
			}
			got = AppendFrame(got, f.Payload, slices.Collect(f.Headers())...)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: read and written again it differs", file)
		}
	}
}

func FuzzReader(f *testing.F) {
	f.Add(AppendFrame(nil, []byte("{}"), all...), false)
	f.Add(AppendEvent(AppendException(nil, "e", nil), "x", []byte("{}")), false)
	f.Add([]byte("\x00\x00\x00\x20\x00\x00\x00\x04........\x01a\x07\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, sealed bool) {
		if sealed {
			b = seal(b)
		}
		one, split := NewReader(bytes.NewReader(b), 1<<16), NewReader(iotest.HalfReader(bytes.NewReader(b)), 1<<16)
		for {
			x, err := one.Next()
			y, err2 := split.Next()
			if (err == nil) != (err2 == nil) || !bytes.Equal(x.Payload, y.Payload) {
				t.Fatal("the cuts between reads matter:", err, err2)
			}
			if err != nil {
				return
			}
			again := AppendFrame(nil, x.Payload, slices.Collect(x.Headers())...)
			if z, err := NewReader(bytes.NewReader(again), 0).Next(); err != nil || !bytes.Equal(z.Payload, x.Payload) {
				t.Fatal(err)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	stream := bytes.Repeat(AppendEvent(nil, "contentBlockDelta", []byte(`{"contentBlockIndex":0,"delta":{"text":" algorithms"},"p":"abcdefghijklmnopqrstuvw"}`)), 1000)
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		r := NewReader(bytes.NewReader(stream), 0)
		for {
			if _, err := r.Next(); err != nil {
				break
			}
		}
	}
}
