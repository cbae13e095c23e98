package llmproxy_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
)

// serve returns a connection to h.
func serve(t *testing.T, h http.Handler) net.Conn {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}
