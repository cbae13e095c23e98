package responses

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/go-llmproxy/llmproxy/internal/jsonx"
	"github.com/go-llmproxy/llmproxy/internal/sse"
)

// checkStream checks what SDKs rely on in a stream: names equal types, numbers
// go up by one, items and parts are opened and closed in order, what is done
// equals what the deltas said, and the last event holds all items.
// pitfall 33
func checkStream(t *testing.T, stream []byte) {
	t.Helper()
	type event struct {
		Type           string
		SequenceNumber int `json:"sequence_number"`
		Item           json.RawMessage
		ItemID         string `json:"item_id"`
		OutputIndex    int    `json:"output_index"`
		ContentIndex   int    `json:"content_index"`
		Delta          string
		Text           *string
		Arguments      *string
		Input          *string
		Refusal        *string
		Response       *struct {
			ID, Status string
			Output     []json.RawMessage
		}
	}
	if bytes.Contains(stream, []byte("[DONE]")) {
		t.Errorf("[DONE] or a null error in\n%s", stream)
	}
	s := sse.NewScanner(bytes.NewReader(stream), 0)
	var items []json.RawMessage
	var openID, deltas, id string
	var last string
	content := 0
	for n := 0; ; n++ {
		ev, err := s.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		var e event
		if err := json.Unmarshal(ev.Data, &e); err != nil {
			t.Fatalf("%v: %s", err, ev.Data)
		}
		if string(ev.Name) != e.Type || e.SequenceNumber != n {
			t.Fatalf("event %d is %q numbered %d: %s", n, ev.Name, e.SequenceNumber, ev.Data)
		}
		switch n {
		case 0, 1:
			if want := []string{"response.created", "response.in_progress"}[n]; e.Type != want {
				t.Fatalf("event %d is %s", n, e.Type)
			}
			id = e.Response.ID
		}
		if e.ItemID != "" && (e.ItemID != openID || e.OutputIndex != len(items)) {
			t.Fatalf("item %q is not open: %s", e.ItemID, ev.Data)
		}
		item := parseItem(jsonx.NewDecoder(e.Item))
		deltas += e.Delta
		for _, whole := range []*string{e.Text, e.Arguments, e.Input, e.Refusal} {
			if whole == nil {
				continue
			}
			if *whole != deltas {
				t.Fatalf("deltas %q, done %q", deltas, *whole)
			}
			deltas = ""
		}
		switch e.Type {
		case "response.output_item.added":
			if openID != "" {
				t.Fatalf("%q is open yet", openID)
			}
			openID, content = item.id, 0
		case "response.content_part.added":
			if e.ContentIndex != content {
				t.Fatalf("part %d where %d is next", e.ContentIndex, content)
			}
		case "response.content_part.done":
			content++
		case "response.output_item.done":
			if openID != item.id {
				t.Fatalf("%q is open, %s", openID, ev.Data)
			}
			if item.typ == "message" && len(item.parts) != content {
				t.Fatalf("%d parts: %s", content, ev.Data)
			}
			openID = ""
			items = append(items, e.Item)
		case "response.completed", "response.incomplete", "response.failed":
			if e.Response.ID != id {
				t.Errorf("ID %q, then %q", id, e.Response.ID)
			}
			if "response."+e.Response.Status != e.Type || len(e.Response.Output) != len(items) {
				t.Fatalf("%s", ev.Data)
			}
			for i := range items {
				if !bytes.Equal(items[i], e.Response.Output[i]) {
					t.Errorf("item %d: %s, then %s", i, items[i], e.Response.Output[i])
				}
			}
		}
		last = e.Type
	}
	switch last {
	case "response.completed", "response.incomplete", "response.failed":
	default:
		t.Errorf("the stream ends with %s", last)
	}
}
