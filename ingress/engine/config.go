package engine

import "net/netip"

// Router says who serves a request: the index of a pool of the same [Config].
// host is as the client wrote it, perhaps with a port; path is in the normal form
// of [github.com/steelyard-lb/steelyard/ingress/http.CleanPath], which is what
// the backend will be asked for. Both are good for the time of the call alone. Any
// number of goroutines may ask at once.
type Router interface {
	Route(host, path string) (pool int, ok bool)
}

// Config is all that requests depend on. Nothing of it is changed once it was
// applied.
type Config struct {
	Router Router
	Pools  []Pool

	// Trusted are the peers, proxies before us, whose X-Forwarded-For, -Host,
	// -Port, -Proto and Forwarded are believed; of all others they are dropped.
	Trusted []netip.Prefix

	// MaxBody bounds the bytes of a request's body: 413. 0: no bound.
	MaxBody int64
}

// Pool is who can serve what routes lead to it.
type Pool struct {
	Endpoints []netip.AddrPort
	// Fault says to a client why there is no endpoint; "": none is ready.
	Fault string
}
