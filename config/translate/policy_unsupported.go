package translate

import "slices"

// understood is an annotation of ingress-nginx that is understood, and not obeyed.
type understood struct {
	reason, message, remedy string
	gate                    bool     // it keeps clients out
	means                   []string // the values that ask for nothing
}

// harmless tells whether a value asks for nothing, so that it is obeyed.
func (u understood) harmless(value string) bool { return slices.Contains(u.means, value) }

// unsupported are all of those, by name.
var unsupported = makeUnsupported()

func makeUnsupported() map[string]understood {
	out := map[string]understood{}
	add := func(u understood, names ...string) {
		for _, name := range names {
			out[name] = u
		}
	}
	yet := func(what string) understood {
		return understood{reason: ReasonUnsupported, message: what + " not supported yet, and the annotation has no effect", remedy: "remove it, or do without it"}
	}
	gate := func(what string, means ...string) understood {
		return understood{reason: ReasonUnsupported, message: what + " not supported yet", remedy: "remove the annotation if the paths may be open", gate: true, means: means}
	}
	add(understood{reason: ReasonRefused, message: "text for the configuration of nginx is never executed", remedy: "use the annotations for what it does"},
		"configuration-snippet", "server-snippet", "auth-snippet", "stream-snippet", "modsecurity-snippet")
	add(gate("basic and digest authentication are"), "auth-type")
	add(yet("basic and digest authentication are"), "auth-secret", "auth-secret-type", "auth-realm")
	add(gate("external authentication is"), "auth-url")
	add(yet("external authentication is"), "auth-signin", "auth-method", "auth-cache-key", "auth-cache-duration",
		"auth-response-headers", "auth-proxy-set-headers", "auth-request-redirect", "auth-always-set-cookie", "auth-signin-redirect-param",
		"auth-keepalive", "auth-keepalive-share-vars", "auth-keepalive-requests", "auth-keepalive-timeout", "enable-global-auth")
	add(gate("certificates of clients are"), "auth-tls-secret")
	add(yet("certificates of clients are"), "auth-tls-verify-client", "auth-tls-verify-depth", "auth-tls-match-cn",
		"auth-tls-error-page", "auth-tls-pass-certificate-to-upstream")
	add(yet("a choice between access rules is"), "satisfy")
	add(gate("verifying certificates of backends is", "off"), "proxy-ssl-verify")
	add(yet("a certificate for backends is"), "proxy-ssl-secret")
	add(yet("a filter against attacks is"), "enable-modsecurity", "enable-owasp-core-rules")
	add(yet("details of TLS to backends are"), "proxy-ssl-verify-depth", "proxy-ssl-name", "proxy-ssl-server-name", "proxy-ssl-protocols", "proxy-ssl-ciphers")
	add(yet("limits of connections and bytes are"), "limit-connections", "limit-rate", "limit-rate-after")
	add(yet("details of sessions are"), "session-cookie-change-on-failure", "session-cookie-conditional-samesite-none")
	add(yet("choosing endpoints by hash is"), "upstream-hash-by", "upstream-hash-by-subset", "upstream-hash-by-subset-size")
	add(yet("pages for errors are"), "default-backend", "custom-http-errors", "disable-proxy-intercept-errors")
	add(yet("mirrors are"), "mirror-target", "mirror-host", "mirror-request-body")
	add(yet("passing TLS through is"), "ssl-passthrough")
	add(yet("fields from a ConfigMap are"), "custom-headers")
	add(yet("changing cookies and redirects of backends is"), "proxy-cookie-domain", "proxy-cookie-path", "proxy-redirect-from", "proxy-redirect-to")
	add(yet("choosing what is tried again is"), "proxy-next-upstream", "proxy-next-upstream-tries", "proxy-next-upstream-timeout")
	add(yet("buffers by size are"), "proxy-buffer-size", "proxy-buffers-number", "proxy-busy-buffers-size", "client-body-buffer-size", "proxy-max-temp-file-size")
	add(yet("buffering whole messages is"), "proxy-buffering", "proxy-request-buffering")
	add(yet("tracing is"), "enable-opentelemetry", "opentelemetry-trust-incoming-span", "opentelemetry-operation-name", "enable-opentracing")
	add(yet("details of redirects are"), "preserve-trailing-slash", "relative-redirects", "use-port-in-redirects")
	add(yet("sending to the address of the Service is"), "service-upstream")
	add(yet("logging by path is"), "enable-access-log", "enable-rewrite-log")
	add(yet("ciphers by host are"), "ssl-ciphers", "ssl-prefer-server-ciphers")
	add(yet("this is"), "load-balance", "proxy-http-version", "connection-proxy-header", "http2-push-preload",
		"fastcgi-index", "fastcgi-params-configmap", "modsecurity-transaction-id")
	for name, means := range map[string][]string{
		"proxy-buffering": {"off"}, "proxy-request-buffering": {"off"}, "proxy-http-version": {"1.1"}, "enable-access-log": {"true"},
		"ssl-passthrough": {"false"}, "service-upstream": {"false"}, "enable-opentelemetry": {"false"}, "enable-opentracing": {"false"},
		"load-balance": {"round_robin"}, "use-port-in-redirects": {"false"}, "enable-rewrite-log": {"false"}, "http2-push-preload": {"false"},
		"satisfy": {"all"}, "session-cookie-change-on-failure": {"false"}, "session-cookie-conditional-samesite-none": {"false"},
		"enable-global-auth": {"true", "false"}, "enable-modsecurity": {"false"}, "enable-owasp-core-rules": {"false"},
	} {
		u := out[name]
		u.means = means
		out[name] = u
	}
	return out
}
