package translate

// URLAcceptor is an optional interface of an Outbound whose provider fetches
// few URLs or none. Where AcceptsURL is false for a Media with a URL, a caller
// that may fetch does so first and puts the bytes in its place; else
// AppendRequest refuses the request with an *Error that names the part.
type URLAcceptor interface {
	AcceptsURL(m *Media) bool
}
