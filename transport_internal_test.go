package llmproxy

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"testing"
)

// What net/http hands over of a long body arrives whole, from where it had come
// to, and never more than the length that the request's header names.
func TestConnWritesBodies(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789abcdef"), 64<<10)
	for _, c := range []struct {
		name       string
		read, left int // before, and of what is named
		want       error
	}{
		{"whole", 0, len(text), nil},
		{"behind the header", 4000, len(text) - 4000, nil},
		{"longer than named", 0, len(text) - 1, io.ErrShortWrite},
		{"shorter than named", 0, len(text) + 1, nil},
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
			r, _ := http.NewRequest("POST", "http://a", bytes.NewReader(text))
			if err := s.watch(r, false); err != nil {
				t.Fatal(err)
			}
			io.ReadFull(r.Body, make([]byte, c.read))
			from := &io.LimitedReader{R: r.Body, N: int64(c.left)}
			n, err := (&conn{tcp.(*net.TCPConn)}).ReadFrom(from)
			sent := min(c.left, len(text)-c.read)
			if err != c.want || n != int64(sent) || from.N != int64(c.left-sent) {
				t.Errorf("%d bytes, %v, %d to go; want %d, %v", n, err, from.N, sent, c.want)
			}
			tcp.Close()
			if b := <-got; !bytes.Equal(b, text[c.read:c.read+sent]) {
				t.Errorf("%d bytes arrived", len(b))
			}
		})
	}
}
