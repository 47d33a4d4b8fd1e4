package engine

import "crypto/tls"

// Challenges are the questions of certificate authorities that a handshake
// alone answers (RFC 8737). Any number of goroutines may ask at once.
type Challenges interface {
	// Handshake is how to meet such a client; nil if it is any other.
	Handshake(*tls.ClientHelloInfo) *tls.Config
}

// challengeProto is what such a client speaks: nothing, once the handshake is done.
const challengeProto = "acme-tls/1"

// challenged is how to meet a client that asks such a question; nil if it does not.
func (s *state) challenged(hello *tls.ClientHelloInfo) *tls.Config {
	if s.TLS.Challenges == nil {
		return nil
	}
	return s.TLS.Challenges.Handshake(hello)
}
