package llmproxy

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/go-llmproxy/llmproxy/provider"
	"github.com/go-llmproxy/llmproxy/rotate"
	"github.com/go-llmproxy/llmproxy/translate"
)

// route is what a request's path asks for.
type route struct {
	name   string           // for observers and logs, of few: "/v1/chat/completions", "/openai/…"
	format translate.Format // the client's; errors are written in it
	serve  func(*exchange) error
	public bool // answered without authentication
	local  bool // answered without a provider, so that it works under load

	keys    rotate.Selection // /key/…
	gateway string           // /g/…

	model     string // Gemini's routes and /v1/models/{id}: in the path
	stream    bool   // Gemini's routes: in the path
	jsonArray bool   // Gemini's streams without alt=sse

	provider provider.Provider // pass-through
	path     string            // pass-through and forwards: the escaped path below the provider's address
}

// staticRoute is a route whose path is fixed.
type staticRoute struct {
	method string
	format translate.Format
	serve  func(*exchange) error
	public bool
}

// staticRoutes returns the fixed routes, by path.
func staticRoutes() map[string]staticRoute {
	chat := staticRoute{http.MethodPost, translate.OpenAI, (*exchange).serveChat, false}
	responses := staticRoute{http.MethodPost, translate.Responses, (*exchange).serveChat, false}
	messages := staticRoute{http.MethodPost, translate.Anthropic, (*exchange).serveChat, false}
	count := staticRoute{http.MethodPost, translate.Anthropic, (*exchange).serveCount, false}
	embed := staticRoute{http.MethodPost, translate.OpenAI, (*exchange).serveEmbeddings, false}
	forward := staticRoute{http.MethodPost, translate.OpenAI, (*exchange).serveForward, false}
	models := staticRoute{http.MethodGet, translate.OpenAI, (*exchange).serveModels, false}
	routes := map[string]staticRoute{
		"/v1/messages": messages, "/messages": messages,
		"/v1/messages/count_tokens": count, "/messages/count_tokens": count,
		"/v1beta/models": {http.MethodGet, translate.Gemini, (*exchange).serveModels, false},
		"/ping":          {http.MethodGet, translate.OpenAI, (*exchange).servePing, true},
		"/status":        {http.MethodGet, translate.OpenAI, (*exchange).serveStatus, false},
	}
	for path, r := range map[string]staticRoute{
		"/chat/completions": chat, "/responses": responses, "/embeddings": embed, "/models": models,
		"/completions": forward, "/moderations": forward, "/rerank": forward,
	} {
		routes[path], routes["/v1"+path] = r, r
	}
	return routes
}

var routes = staticRoutes()

// forwardPrefixes are routes with more below them.
var forwardPrefixes = []string{"/v1/images/", "/images/", "/v1/audio/", "/audio/"}

// forwardNames are what OpenAI has below them.
var forwardNames = []string{"generations", "edits", "variations", "speech", "transcriptions", "translations"}

// mounted returns the request's escaped path below where the proxy is mounted.
func (p *Proxy) mounted(r *http.Request) (string, bool) {
	path := r.URL.EscapedPath()
	if p.prefix != "" {
		rest, ok := strings.CutPrefix(path, p.prefix)
		if !ok || rest != "" && rest[0] != '/' {
			return "", false
		}
		path = rest
	}
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	return path, true
}

// route finds the route of an escaped path; one that serves nothing is none. The
// route it returns with an error tells at least the format of that error.
func (p *Proxy) route(r *http.Request, path string) (route, error) {
	if s, ok := routes[path]; ok && s.method == http.MethodPost && r.Method == s.method { // nearly all are
		return route{name: path, format: s.format, serve: s.serve, path: strings.TrimPrefix(path, "/v1")}, nil
	}
	rt := route{name: "unknown", format: formatOf(r, path)}
	rest, err := rt.selectors(path)
	if err != nil {
		return rt, err
	}
	if v, ok := strings.CutPrefix(rest, "/v1/v1/"); ok { // a client that adds /v1 to a base that has it
		rest = "/v1/" + v
	}
	if rest == "/" && p.gateway == nil && r.Method != http.MethodPost { // somebody looks what is here
		return rt, nil
	}
	if rest == "/" {
		return rt.static(rest, staticRoute{http.MethodPost, translate.OpenAI, (*exchange).serveUniversal, false}, r)
	}
	if v, ok := strings.CutPrefix(rest, "/compat/"); ok {
		rt.name, rt.path, rt.serve = "/compat/…", "/compat/"+v, (*exchange).serveCompat
		return rt, nil
	}
	if len(rest) > 1 {
		if s, ok := routes[strings.TrimSuffix(rest, "/")]; ok {
			return rt.static(strings.TrimSuffix(rest, "/"), s, r)
		}
	}
	for _, prefix := range forwardPrefixes {
		if strings.HasPrefix(rest, prefix) && len(rest) > len(prefix) {
			rt, err := rt.static(rest, staticRoute{http.MethodPost, translate.OpenAI, (*exchange).serveForward, false}, r)
			if !slices.Contains(forwardNames, rest[len(prefix):]) {
				rt.name = prefix + "…" // a client may invent any number of paths
			}
			return rt, err
		}
	}
	if id, ok := modelPath(rest); ok {
		return rt.modelRoute(id, r)
	}
	return p.passRoute(rt, rest)
}

// selectors takes /key/… and /g/… off the front, in either order.
func (rt *route) selectors(path string) (rest string, err error) {
	for rest = path; ; {
		head, value, tail := "", "", ""
		for _, h := range [2]string{"/key/", "/g/"} {
			if v, ok := strings.CutPrefix(rest, h); ok {
				head = h
				value, tail, _ = strings.Cut(v, "/")
			}
		}
		switch {
		case head == "/key/" && rt.keys.IsZero():
			if rt.keys, err = rotate.ParseSelection(value); err != nil {
				return rest, translate.Errorf(translate.InvalidRequest, "%q selects no key: use /key/2/, /key/1-3/, /key/2-/ or /key/-4/", value)
			}
		case head == "/g/" && rt.gateway == "":
			if rt.gateway, err = url.PathUnescape(value); err != nil || !isSlug(rt.gateway) {
				return rest, translate.Errorf(translate.InvalidRequest, "%q is no gateway's name", value)
			}
		default:
			return rest, nil
		}
		rest = "/" + tail
	}
}

func isSlug(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '_' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return s != ""
}

func (rt route) static(path string, s staticRoute, r *http.Request) (route, error) {
	rt.name, rt.serve, rt.public = path, s.serve, s.public
	rt.local = s.method == http.MethodGet
	if s.serve != nil && !strings.HasSuffix(path, "/models") {
		rt.format = s.format
	}
	if path == "/v1beta/models" {
		rt.format = translate.Gemini
	}
	rt.path = strings.TrimPrefix(path, "/v1")
	if r.Method != s.method && !(s.method == http.MethodGet && r.Method == http.MethodHead) {
		return rt, methodError(s.method)
	}
	return rt, nil
}

// noRoute names the path, as it is mostly the base URL of a client that is wrong.
func noRoute(r *http.Request) error {
	return translate.Errorf(translate.NotFound, "no such route: %s", quote(r.URL.Path))
}

func methodError(allow string) error {
	e := translate.Errorf(translate.InvalidRequest, "this route takes %s only", allow)
	e.Status = http.StatusMethodNotAllowed
	return &allowError{e, allow}
}

// allowError is a 405 that knows its Allow header.
type allowError struct {
	cause *translate.Error
	allow string
}

func (e *allowError) Error() string { return e.cause.Error() }
func (e *allowError) Unwrap() error { return e.cause }

// modelPath returns what follows …/models/.
func modelPath(path string) (string, bool) {
	for _, prefix := range [...]string{"/v1/models/", "/models/", "/v1beta/models/", "/v1alpha/models/"} {
		if id, ok := strings.CutPrefix(path, prefix); ok && id != "" {
			return id, true
		}
	}
	return "", false
}

// modelRoute serves one model: GET describes it, POST with a Gemini method
// after a colon calls it.
func (rt route) modelRoute(id string, r *http.Request) (route, error) {
	rt.name = "/v1/models/{id}"
	id, err := url.PathUnescape(id)
	if err != nil {
		return rt, translate.Errorf(translate.InvalidRequest, "the model's name is not escaped properly")
	}
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		rt.model, rt.serve = id, (*exchange).serveModel
		return rt, nil
	}
	i := strings.LastIndexByte(id, ':')
	if i < 0 {
		return rt, methodError(http.MethodGet)
	}
	rt.format = translate.Gemini
	method := id[i+1:]
	rt.model, rt.name = id[:i], "/v1beta/models/{model}:"+method
	switch method {
	case "generateContent":
		rt.serve = (*exchange).serveChat
	case "streamGenerateContent":
		rt.serve, rt.stream = (*exchange).serveChat, true
		rt.jsonArray = r.URL.Query().Get("alt") != "sse"
	case "countTokens":
		rt.serve = (*exchange).serveCount
	case "embedContent", "batchEmbedContents":
		rt.serve, rt.path = (*exchange).serveGeminiPass, method
	default:
		rt.name = "unknown"
		return rt, translate.Errorf(translate.NotFound, "no such method of a model")
	}
	if r.Method != http.MethodPost {
		return rt, methodError(http.MethodPost)
	}
	return rt, nil
}

// passRoute serves /{provider}/….
func (p *Proxy) passRoute(rt route, path string) (route, error) {
	name, _, below := strings.Cut(path[1:], "/")
	rest := path[1+len(name):]
	if alias, ok := p.names[name]; ok {
		name = alias
	}
	pr, ok := p.byName[name]
	if !ok {
		return rt, nil
	}
	rt.name, rt.provider, rt.serve = "/"+name+"/…", pr, (*exchange).servePass
	if below {
		rt.path = rest
	}
	return rt, nil
}

// formatOf guesses the format of a client from what it sent.
func formatOf(r *http.Request, path string) translate.Format {
	switch {
	case r.Header["Anthropic-Version"] != nil || strings.Contains(path, "/messages"):
		return translate.Anthropic
	case strings.Contains(path, "/v1beta/") || r.Header["X-Goog-Api-Key"] != nil:
		return translate.Gemini
	case strings.HasSuffix(path, "/responses"):
		return translate.Responses
	}
	return translate.OpenAI
}
