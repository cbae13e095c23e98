package provider

import (
	"bytes"
	"io"
	"testing"
	"testing/iotest"
)

// Pieces are read and written as one, whatever was read of them before.
func TestPieces(t *testing.T) {
	p := pieces{[]byte("ab"), nil, []byte("cde"), []byte("f")}
	for read := range 8 {
		r := p.body()
		head := make([]byte, read)
		n, err := io.ReadFull(r, head)
		if read > 6 != (err != nil) {
			t.Errorf("%d bytes: %v", read, err)
		}
		var rest bytes.Buffer
		if m, err := io.Copy(&rest, r); m != int64(6-n) || err != nil || string(head[:n])+rest.String() != "abcdef" {
			t.Errorf("%q and %q, %v", head[:n], rest.String(), err)
		}
	}
	if err := iotest.TestReader(p.body(), []byte("abcdef")); err != nil {
		t.Error(err)
	}
}
