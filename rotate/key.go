package rotate

import (
	"context"
	"path"
	"slices"
)

// Key is one API key of a provider. It is small and passed by value; Models is
// shared between copies and must not be changed once a Store has returned it.
type Key struct {
	// ID is stable and not secret. When it is empty, the pool derives one from
	// the secret ("k_" and eight hex digits).
	ID     string
	Secret Secret
	// Models lists the models the key may serve, as path.Match patterns
	// ("gpt-4o*", "meta-llama/*"); nil means every model.
	Models []string
	// QuotaGroup names a quota that several keys share, as the keys of one
	// Google project or one OpenAI organization do. A limit met by one of them
	// then cools all of them. Empty means that the key shares with nobody.
	QuotaGroup string
	// Weight is the key's share under the Weighted policy; 0 means 1.
	Weight int
	// Index is the key's position in its provider's list, from zero. The pool sets it.
	Index int
}

// Serves reports whether the key's allow-list lets it serve the model. An empty
// model, as a request for a model list has, is served by every key.
func (k Key) Serves(model string) bool {
	if k.Models == nil || model == "" {
		return true
	}
	for _, pattern := range k.Models {
		if pattern == model || pattern == "*" {
			return true
		}
		// A malformed pattern matches nothing.
		if ok, err := path.Match(pattern, model); ok && err == nil {
			return true
		}
	}
	return false
}

func (k Key) weight() int { return max(k.Weight, 1) }

// Store says which keys a provider has. It is the interface for a key store of
// one's own: a database, a vault, a file.
//
// Keys may be called concurrently. It returns the keys in a stable order; no
// keys and no error means that the provider has none. A Pool asks it through a
// cache with a short life (WithCacheTTL), one call at a time per provider, and
// keeps the last good answer while the store fails. The caller does not change
// the returned slice.
type Store interface {
	Keys(ctx context.Context, provider string) ([]Key, error)
}

// StoreFunc makes a function a Store.
type StoreFunc func(ctx context.Context, provider string) ([]Key, error)

// Keys calls f.
func (f StoreFunc) Keys(ctx context.Context, provider string) ([]Key, error) {
	return f(ctx, provider)
}

// StaticStore is a Store whose keys never change; see Static. Its zero value has no keys.
type StaticStore struct{ keys map[string][]Key }

// Static returns a Store with the given keys by provider. It copies them.
func Static(keys map[string][]Key) *StaticStore {
	s := &StaticStore{keys: make(map[string][]Key, len(keys))}
	for provider, list := range keys {
		s.keys[provider] = slices.Clone(list)
	}
	return s
}

// Secrets returns keys with nothing but a secret each, the short way to fill Static.
func Secrets(secrets ...string) []Key {
	keys := make([]Key, len(secrets))
	for i, s := range secrets {
		keys[i].Secret = NewSecret(s)
	}
	return keys
}

// Keys returns the provider's keys.
func (s *StaticStore) Keys(_ context.Context, provider string) ([]Key, error) {
	return s.keys[provider], nil
}

// normalize gives every key its ID and index. A key that is listed twice counts
// once: its second place would double its share and halve its cooldown.
func normalize(in []Key) []Key {
	out := make([]Key, 0, len(in))
	seen := make(map[string]bool, len(in))
	for _, k := range in {
		if k.ID == "" {
			k.ID = "k_" + k.Secret.fingerprint()
		}
		if seen[k.ID] {
			continue
		}
		seen[k.ID] = true
		k.Index = len(out)
		out = append(out, k)
	}
	return out
}
