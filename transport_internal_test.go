package llmproxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
)

// known is a body that tells its length.
type known struct{ *bytes.Reader }

func (known) Close() error { return nil }

// What net/http hands over of a long body arrives whole, from where it had come
// to, and never more than the length that the request's header names.
func TestConnWritesBodies(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for _, c := range []struct {
		name       string
		read, left int // before, and of what is named
	}{
		{"whole", 0, len(text)},
		{"behind the header", 4000, len(text) - 4000},
		{"longer than named", 0, len(text) - 1},
		{"shorter than named", 0, len(text) + 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			got := make(chan []byte)
			go func() { // the last line waits for it
				peer, err := ln.Accept()
				if err != nil {
					close(got)
					return
				}
				b, _ := io.ReadAll(peer)
				got <- b
			}()
			tcp, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			var s bodies
			r, _ := http.NewRequest("POST", "http://a", known{bytes.NewReader(text)})
			r.ContentLength = int64(len(text))
			if err := s.watch(r, false); err != nil {
				t.Fatal(err)
			}
			io.ReadFull(r.Body, make([]byte, c.read))
			from := &io.LimitedReader{R: r.Body, N: int64(c.left)}
			n, err := (&conn{tcp.(*net.TCPConn)}).ReadFrom(from)
			sent := min(c.left, len(text)-c.read)
			if err != nil || n != int64(sent) || from.N != int64(c.left-sent) {
				t.Errorf("%d bytes, %v, %d to go; want %d", n, err, from.N, sent)
			}
			tcp.Close()
			if b := <-got; !bytes.Equal(b, text[c.read:c.read+sent]) {
				t.Errorf("%d bytes arrived", len(b))
			}
		})
	}
}
