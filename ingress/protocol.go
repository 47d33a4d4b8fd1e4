package ingress

import (
	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/engine"
)

// spoken is how endpoints are spoken to by a protocol. Their certificates are not
// looked at: nothing says yet who is to have signed them.
func spoken(by config.BackendProtocol) (engine.Protocol, *engine.BackendTLS) {
	switch by {
	case config.BackendHTTPS:
		return engine.HTTP1, &engine.BackendTLS{Insecure: true}
	case config.BackendGRPC:
		return engine.HTTP2, nil
	case config.BackendGRPCS:
		return engine.HTTP2, &engine.BackendTLS{Insecure: true}
	}
	return engine.HTTP1, nil
}
