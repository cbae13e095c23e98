// Package serve has an example serve until it is interrupted. A host has an
// http.Server of its own; what matters for streams is the way in which it ends.
package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Until serves h at addr, which greet is told once clients can connect, until
// the process is sent an interrupt or SIGTERM. Requests under way may then end,
// for a minute; a second signal ends the process at once.
func Until(addr string, h http.Handler, greet func(addr string)) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	greet(listener.Addr().String())
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		stop() // from here on, a signal does what it does by itself
		grace, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ended <- server.Shutdown(grace)
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
