package translate

import (
	"encoding/base64"
	"strings"
)

func encodeBase64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// containsAny is strings.ContainsAny for long strings and few characters.
func containsAny(s, chars string) bool {
	for i := range len(chars) {
		if strings.IndexByte(s, chars[i]) >= 0 {
			return true
		}
	}
	return false
}

// StandardBase64 returns s with the standard alphabet and padding, from the
// URL-safe alphabet, without padding or with percent-encoding; providers
// decode nothing else. What is standard already is returned as it is.
func StandardBase64(s string) string {
	if containsAny(s, "-_%\r\n ") {
		s = strings.NewReplacer("-", "+", "_", "/", "%2B", "+", "%2b", "+", "%2F", "/", "%2f", "/", "%3D", "=", "%3d", "=", "\r", "", "\n", "", " ", "").Replace(s)
	}
	if n := len(s) % 4; n > 1 {
		s += strings.Repeat("=", 4-n)
	}
	return s
}
