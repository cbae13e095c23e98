package serve

import (
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"
)

// A signal has the server take no more requests, and lets a stream end.
func TestUntil(t *testing.T) {
	begun, goOn := make(chan struct{}), make(chan struct{})
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			return
		}
		io.WriteString(w, "one ")
		w.(http.Flusher).Flush()
		close(begun)
		<-goOn
		io.WriteString(w, "two")
	})
	addr, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- Until("127.0.0.1:0", h, func(a string) { addr <- a }) }() // received below
	url := "http://" + <-addr
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for { // until the listener is closed
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get(url + "/closed")
		if err != nil {
			break
		}
		resp.Body.Close()
	}
	close(goOn)
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "one two" {
		t.Errorf("%q %v", b, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if err := Until("256.0.0.1:0", h, func(string) { t.Error("greeted") }); err == nil {
		t.Error("it serves at no address")
	}
}
