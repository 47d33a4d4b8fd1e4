package translate

import (
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// backendSettings are about how backends are spoken to.
var backendSettings = []setting{
	{name: "backend-protocol", read: func(a *asked, text string) error {
		switch p := strings.ToUpper(text); p {
		case "HTTP":
		case "HTTPS", "GRPC", "GRPCS":
			a.protocol = config.BackendProtocol(p)
		case "FCGI":
			return &refusal{reason: ReasonUnsupported, message: "FastCGI is not supported; backends are asked by HTTP", remedy: "put a server of HTTP before the application"}
		case "AUTO_HTTP":
			return &refusal{reason: ReasonUnsupported, message: "the protocol is not guessed; backends are asked by HTTP", remedy: "write HTTP or HTTPS"}
		default:
			return bad("write HTTP, HTTPS, GRPC or GRPCS", "%q is no protocol", text)
		}
		return nil
	}},
	{name: "proxy-body-size", read: func(a *asked, text string) error {
		n, err := size(text)
		if err != nil {
			return err
		}
		if a.policy.MaxBody = n; n == 0 {
			a.policy.MaxBody = config.Unbounded
		}
		return nil
	}},
	{name: "proxy-connect-timeout", read: timeout(func(t *config.IngressTimeouts) *time.Duration { return &t.Connect })},
	{name: "proxy-read-timeout", read: timeout(func(t *config.IngressTimeouts) *time.Duration { return &t.Read })},
	{name: "proxy-send-timeout", read: timeout(func(t *config.IngressTimeouts) *time.Duration { return &t.Send })},
}

func timeout(of func(*config.IngressTimeouts) *time.Duration) func(*asked, string) error {
	return func(a *asked, text string) error {
		d, err := seconds(text)
		if err == nil {
			*of(&a.policy.Timeouts) = d
		}
		return err
	}
}
