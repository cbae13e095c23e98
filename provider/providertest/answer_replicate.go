package providertest

import (
	"net"
	"net/http"
	"strings"
)

// predictionStream stands in the path of a prediction's stream.
const predictionStream = "/v1/files/stream-"

// replicate answers the exchanges that a chat takes: the prediction is created,
// done at once where the client waits for it, and otherwise streams.
func (a *Answer) replicate(q *Request) *Reply {
	if q.Method == http.MethodGet {
		r := &Reply{Header: http.Header{"Content-Type": {"text/event-stream"}}}
		for i, w := range a.words(a.Text) {
			r.Chunks = append(r.Chunks, []byte("event: output\nid: "+itoa(i)+":0\ndata: "+strings.ReplaceAll(w, "\n", "\ndata: ")+"\n\n"))
		}
		r.Chunks = append(r.Chunks, []byte("event: done\nid: end\ndata: {}\n\n"))
		return r
	}
	// Replicate's own addresses, unless the client has come to another one.
	api, stream := "https://api.replicate.com", "https://stream.replicate.com"
	if host, _, err := net.SplitHostPort(q.Host); err == nil && net.ParseIP(host) != nil {
		api, stream = "http://"+q.Host, "http://"+q.Host
	}
	p := object{
		"id": a.ID, "model": a.Model, "status": "starting", "output": nil, "error": nil,
		"urls": object{"get": api + "/v1/predictions/" + a.ID, "cancel": api + "/v1/predictions/" + a.ID + "/cancel", "stream": stream + predictionStream + a.ID},
	}
	if q.Header.Get("Prefer") != "" {
		p["status"], p["output"] = "succeeded", a.words(a.Text)
		p["metrics"] = object{"input_token_count": a.Input, "output_token_count": a.Output}
	}
	r := jsonReply(p)
	r.Status = http.StatusCreated
	return r
}
