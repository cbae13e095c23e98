package providertest

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
)

// Pipe is a net.Listener whose connections are in memory, made by DialContext.
// Its methods may be called concurrently.
type Pipe struct {
	conns  chan net.Conn
	closed chan struct{}
	close  sync.Once
	number int64
}

var pipes atomic.Int64 // made so far

// NewPipe returns a Pipe that is open.
func NewPipe() *Pipe {
	return &Pipe{conns: make(chan net.Conn), closed: make(chan struct{}), number: pipes.Add(1)}
}

// DialContext connects to the listener, whatever the network and the address.
// It waits for Accept, and returns net.ErrClosed when the listener is closed.
func (p *Pipe) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept implements net.Listener.
func (p *Pipe) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener. Connections stay open.
func (p *Pipe) Close() error {
	p.close.Do(func() { close(p.closed) })
	return nil
}

// Addr returns an address that stands for the listener in URLs, and that no
// other Pipe has.
func (p *Pipe) Addr() net.Addr { return pipeAddr(p.number) }

type pipeAddr int64

func (pipeAddr) Network() string  { return "pipe" }
func (a pipeAddr) String() string { return "pipe-" + strconv.FormatInt(int64(a), 10) + ".test" }
