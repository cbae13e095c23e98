package bedrock

import (
	"path"
	"strconv"
	"strings"

	"github.com/go-llmproxy/llmproxy/translate"
)

// formats are Bedrock's words for MIME types, by block.
var formats = map[translate.MediaKind]map[string]string{
	translate.Image: {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"},
	translate.File: {
		"application/pdf": "pdf", "text/csv": "csv", "application/msword": "doc", "text/html": "html", "text/plain": "txt", "text/markdown": "md", "text/x-markdown": "md",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
		"application/vnd.ms-excel": "xls",
		"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
		"application/json": "txt", "application/xml": "txt",
	},
	translate.Video: {"video/mp4": "mp4", "video/quicktime": "mov", "video/x-matroska": "mkv", "video/webm": "webm", "video/x-flv": "flv", "video/mpeg": "mpeg", "video/mpg": "mpg", "video/x-ms-wmv": "wmv", "video/wmv": "wmv", "video/3gpp": "three_gp"},
	translate.Audio: {"audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/ogg": "ogg", "audio/opus": "opus", "audio/flac": "flac", "audio/x-flac": "flac", "audio/aac": "aac", "audio/mp4": "m4a", "audio/m4a": "m4a", "audio/x-m4a": "m4a", "audio/webm": "webm"},
}

var blocks = map[translate.MediaKind]string{translate.Image: "image", translate.File: "document", translate.Video: "video", translate.Audio: "audio"}

// magics tell the format of data by its first bytes, in base64.
var magics = []struct{ prefix, format string }{
	{"iVBORw0KGgo", "png"}, {"/9j/", "jpeg"}, {"R0lGOD", "gif"}, {"UklGR", "webp"}, {"JVBERi", "pdf"},
}

func formatOf(m *translate.Media) string {
	mime, _, _ := strings.Cut(strings.ToLower(m.MIMEType), ";")
	mime = strings.TrimSpace(mime)
	if f := formats[m.Kind][mime]; f != "" {
		return f
	}
	if m.Kind == translate.File && (m.Text != "" || strings.HasPrefix(mime, "text/")) {
		return "txt"
	}
	if mime != "" && mime != "application/octet-stream" {
		return ""
	}
	for _, x := range magics {
		if (x.format == "pdf") == (m.Kind == translate.File) && (m.Kind == translate.File || m.Kind == translate.Image) && strings.HasPrefix(m.Data, x.prefix) {
			return x.format
		}
	}
	ext := strings.TrimPrefix(strings.ToLower(path.Ext(m.Name+m.URL)), ".")
	if ext == "jpg" {
		ext = "jpeg"
	}
	for _, f := range formats[m.Kind] {
		if f == ext {
			return f
		}
	}
	return ""
}

func (w *writer) media(m *translate.Media) {
	format := formatOf(m)
	s3 := strings.HasPrefix(m.URL, "s3://")
	switch {
	case m.FileID != "":
		w.fail(w.places.Of(m).String(), "a file kept by "+string(m.Format)+" cannot be read by Bedrock")
	case m.URL != "" && !s3:
		w.fail(w.places.Of(m).String(), "Bedrock fetches no URLs; send the bytes")
	case format == "":
		w.fail(w.places.Of(m).String(), "Bedrock takes no "+string(m.Kind)+" of type "+strconv.Quote(m.MIMEType))
	}
	if m.Detail != "" && m.Detail != "auto" {
		w.losses.Add(w.places.Of(m).String()+".detail", "Bedrock has no levels of detail")
	}
	w.Object().Key(blocks[m.Kind]).Object().Key("format").String(format)
	if m.Kind == translate.File {
		w.Key("name").String(w.documentName(m.Name))
	}
	w.Key("source").Object()
	switch {
	case s3:
		w.Key("s3Location").Object().Key("uri").String(m.URL).EndObject()
	case m.Data == "" && m.Text != "":
		w.Key("text").String(m.Text)
	default:
		w.Key("bytes").String(m.Data)
	}
	w.EndObject()
	if m.Kind == translate.File {
		if m.Context != "" {
			w.Key("context").String(m.Context)
		}
		if m.Cite {
			w.Key("citations").Object().Key("enabled").Bool(true).EndObject()
		}
	}
	w.EndObject().EndObject()
}

// documentName returns a name as Bedrock wants it: letters, digits, single
// spaces, hyphens, parentheses and brackets, and not twice in a request.
func (w *writer) documentName(name string) string {
	const most = 200 - len(" (9999)")
	clean := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" -()[]", r):
			return r
		case r == '\t' || r == '\n' || r == '\r':
			return ' '
		}
		return '-'
	}, name)
	clean = strings.Join(strings.Fields(clean), " ")
	clean = strings.TrimSpace(clean[:min(len(clean), most)])
	if clean == "" {
		clean = "document"
	}
	if w.names == nil {
		w.names = map[string]int{}
	}
	for try := clean; ; {
		w.names[clean]++
		if n := w.names[clean]; n > 1 {
			try = clean + " (" + strconv.Itoa(n) + ")"
		}
		if try == clean || w.names[try] == 0 {
			if try != clean {
				w.names[try] = 1
			}
			return try
		}
	}
}
