package llmproxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"time"
)

// defaultTransport sends requests where the host has no transport of its own.
func defaultTransport(t Timeouts, header int64) http.RoundTripper {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	connect := max(t.Connect, 0)
	dialer := &net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, addr)
		if tcp, ok := c.(*net.TCPConn); ok {
			return &conn{tcp}, nil
		}
		return c, err
	}
	tr.TLSHandshakeTimeout = connect
	tr.MaxIdleConns = 1024
	tr.MaxIdleConnsPerHost = 256
	tr.MaxResponseHeaderBytes = header
	tr.DisableCompression = true // bytes pass as they are
	// A stream's chunks that came together are read, and passed on, together.
	tr.ReadBufferSize = 8 << 10
	return tr
}

// conn is a connection to a provider that writes a long body from where it
// stands. net/http's copy of it, 32 KiB at a time, takes as long as the writing.
type conn struct{ *net.TCPConn }

// ReadFrom writes what net/http has as the body of a request. Without TLS it
// comes to here.
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if body, ok := l.R.(*sentBody); ok && body.fits(l.N) {
			n, err := body.WriteTo(c.TCPConn)
			l.N -= n
			return n, err
		}
	}
	return c.TCPConn.ReadFrom(r)
}
