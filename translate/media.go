package translate

import (
	"net/url"
	"strings"
)

// ParseDataURL takes apart a data: URL (RFC 2397). Its data comes back as
// standard base64; ok is false for anything else.
func ParseDataURL(s string) (mimeType, data string, ok bool) {
	rest, ok := strings.CutPrefix(s, "data:")
	if !ok {
		return "", "", false
	}
	head, body, ok := strings.Cut(rest, ",")
	if !ok {
		return "", "", false
	}
	params := strings.Split(head, ";")
	mimeType = params[0]
	if mimeType == "" {
		mimeType = "text/plain"
	}
	for _, p := range params[1:] {
		if strings.EqualFold(p, "base64") {
			return mimeType, StandardBase64(body), true
		}
	}
	text, err := url.PathUnescape(body)
	if err != nil {
		return "", "", false
	}
	return mimeType, encodeBase64(text), true
}

// DataURL returns the part's data as a data: URL.
func (m *Media) DataURL() string {
	mime := m.MIMEType
	if mime == "" {
		mime = "application/octet-stream"
	}
	if m.Data == "" && m.Text != "" {
		return "data:" + mime + ";base64," + encodeBase64(m.Text)
	}
	return "data:" + mime + ";base64," + m.Data
}

// KindOfMIME returns the kind of media that a MIME type is.
func KindOfMIME(mimeType string) MediaKind {
	switch top, _, _ := strings.Cut(mimeType, "/"); top {
	case "image":
		return Image
	case "audio":
		return Audio
	case "video":
		return Video
	}
	return File
}

// AudioFormat returns OpenAI's word for an audio MIME type ("wav", "mp3"), and
// AudioMIME reverses it.
func AudioFormat(mimeType string) string {
	f := strings.TrimPrefix(strings.TrimPrefix(mimeType, "audio/"), "x-")
	if f == "mpeg" {
		return "mp3"
	}
	return f
}

// AudioMIME returns the MIME type of OpenAI's word for an audio format.
func AudioMIME(format string) string {
	if format == "mp3" {
		return "audio/mpeg"
	}
	return "audio/" + format
}
