package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
)

// inProcess is an http.RoundTripper whose requests a handler serves, without a
// connection between them. Answers are streamed as the handler writes them. The
// handler's context ends with the request's, and when the answer's body is
// closed. There are no upgrades and no trailers.
type inProcess struct{ http.Handler }

// RoundTrip returns once the handler has written a header, or has ended.
func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	in := r.Clone(ctx)
	in.URL = &url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	in.RequestURI = r.URL.RequestURI()
	if in.Host == "" {
		in.Host = r.URL.Host
	}
	if in.Body == nil {
		in.Body = http.NoBody
	}
	pr, pw := io.Pipe()
	w := &answer{request: r, header: http.Header{}, pipe: pw, begun: make(chan struct{})}
	ended := make(chan struct{})
	go func() { // the body's Close waits for it, as does an error
		defer close(ended)
		defer cancel()
		defer in.Body.Close()
		w.end(h.serve(w, in))
	}()
	<-w.begun
	if w.response == nil {
		<-ended
		return nil, w.err
	}
	w.response.Body = &body{pr, cancel, ended}
	return w.response, nil
}

// serve returns an error where a server would break the connection off.
func (h inProcess) serve(w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler:
			err = io.ErrUnexpectedEOF
		default:
			err = fmt.Errorf("the handler panicked: %v", v)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// answer is the handler's http.ResponseWriter.
type answer struct {
	request *http.Request
	header  http.Header
	pipe    *io.PipeWriter

	once     sync.Once
	begun    chan struct{} // closed when response or err is set
	response *http.Response
	err      error
}

func (w *answer) Header() http.Header { return w.header }

// Flush implements http.Flusher. What is written is read at once; only the
// header may wait.
func (w *answer) Flush() { w.WriteHeader(http.StatusOK) }

func (w *answer) WriteHeader(status int) {
	if status < 200 { // nobody asks for informational answers
		return
	}
	w.once.Do(func() {
		w.response = &http.Response{
			Status: strconv.Itoa(status) + " " + http.StatusText(status), StatusCode: status,
			Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
			Header: w.header.Clone(), ContentLength: -1, Request: w.request,
		}
		if n, err := strconv.ParseInt(w.header.Get("Content-Length"), 10, 64); err == nil {
			w.response.ContentLength = n
		}
		close(w.begun)
	})
}

// Write returns once the bytes have been read, or will not be.
func (w *answer) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	if w.request.Method == http.MethodHead {
		return len(p), nil
	}
	return w.pipe.Write(p)
}

// end ends the answer, well or with an error.
func (w *answer) end(err error) {
	if err == nil {
		err = context.Cause(w.request.Context()) // the handler has given up
	}
	if err != nil {
		w.once.Do(func() { w.err = err; close(w.begun) })
	}
	w.WriteHeader(http.StatusOK)
	w.pipe.CloseWithError(err)
}

// body is an answer's body.
type body struct {
	*io.PipeReader
	cancel context.CancelFunc
	ended  <-chan struct{}
}

var errClosed = errors.New("the body is closed")

// Close has the handler end, and waits for it.
func (b *body) Close() error {
	b.cancel()
	err := b.CloseWithError(errClosed)
	<-b.ended
	return err
}
