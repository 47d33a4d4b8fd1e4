package translate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	networkingv1 "k8s.io/api/networking/v1"
)

// asked reads an Ingress with annotations, whose names have no prefix or "our/", and
// says what they ask for and what was wrong.
func askedOf(t *testing.T, class, annotations string) (*config.Ingress, []config.Problem) {
	t.Helper()
	o := manifest[networkingv1.Ingress](t, fmt.Sprintf(`
metadata: {name: web, namespace: default}
spec:
  ingressClassName: %s
  rules: [{host: web.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 80}}}}]}}]`, class))
	o.Annotations = map[string]string{}
	for line := range strings.Lines(annotations) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue
		}
		if ours, is := strings.CutPrefix(name, "our/"); is {
			o.Annotations["steelyard.io/"+ours] = value
		} else {
			o.Annotations["nginx.ingress.kubernetes.io/"+name] = value
		}
	}
	return Ingress(o, Classes{Names: []string{"nginx", "ours"}})
}

// Each case is annotations, and a part of what they ask for.
func TestPolicy(t *testing.T) {
	for annotations, want := range map[string]string{
		"ssl-redirect: true":                                                          "HTTPS:IfTLS",
		"force-ssl-redirect: true":                                                    "HTTPS:Always",
		"ssl-redirect: false":                                                         "<nil>",
		"ssl-redirect: true\nour/ssl-redirect: no":                                    "problem=metadata.annotations[steelyard.io/ssl-redirect]: \"no\" is neither",
		"permanent-redirect: https://x.test/":                                         "Redirect:{[{https://x.test/ }] 301}",
		"permanent-redirect: https://x.test/\npermanent-redirect-code: 308":           "Redirect:{[{https://x.test/ }] 308}",
		"permanent-redirect: https://x.test/\npermanent-redirect-code: 200":           "Redirect:{[{https://x.test/ }] 301}",
		"permanent-redirect: /a\npermanent-redirect-code: 308\ntemporal-redirect: /b": "Redirect:{[{/b }] 302}",
		"temporal-redirect: https://x.test$request_uri":                               "Redirect:{[{https://x.test request_uri}] 302}",
		"temporal-redirect: $scheme://x.test/":                                        "Redirect:{[{ scheme} {://x.test/ }] 302}",
		"temporal-redirect: javascript:alert(1)":                                      "problem=metadata.annotations[nginx.ingress.kubernetes.io/temporal-redirect]: \"javascript:alert(1)\" is no URL",
		"temporal-redirect: https://x.test/$nosuch":                                   "there is no variable $nosuch",
		"app-root: /app":                                "AppRoot:/app",
		"app-root: //evil.test":                         "no path that / could be sent to",
		"from-to-www-redirect: true":                    "WWW:true",
		"server-alias: A.test, b.test":                  "Aliases:[a.test b.test]",
		"server-alias: ~^x$":                            "patterns are not supported",
		"use-regex: true":                               "Regexp:true",
		"rewrite-target: /$2":                           "Regexp:true Rewrite:/$2",
		"rewrite-target: /$request_uri":                 "a variable that is no group",
		"rewrite-target: x":                             "\"x\" is no path",
		"upstream-vhost: in.test":                       "Host:[{in.test }]",
		"upstream-vhost: a b":                           "no host that a backend",
		"x-forwarded-prefix: /a":                        "ForwardPrefix:/a",
		"whitelist-source-range: 10.0.0.0/8, 192.0.2.1": "Allow:[10.0.0.0/8 192.0.2.1/32]",
		"whitelist-source-range: 0.0.0.0/0,::/0":        "<nil>",
		"whitelist-source-range: 10.0.0.0/80":           "Closed:nginx.ingress.kubernetes.io/whitelist-source-range",
		"allowlist-source-range: ,":                     "Closed:nginx.ingress.kubernetes.io/allowlist-source-range",
		"our/denylist-source-range: everybody":          "Closed:steelyard.io/denylist-source-range",
		"denylist-source-range: 10.1.2.3/8":             "Deny:[10.0.0.0/8]",
		"auth-url: http://x":                            "Closed:nginx.ingress.kubernetes.io/auth-url",
		"auth-type: basic":                              "Closed:nginx.ingress.kubernetes.io/auth-type",
		"auth-realm: x":                                 "<nil> problem=metadata.annotations[nginx.ingress.kubernetes.io/auth-realm]: basic and digest",
		"auth-tls-secret: a/b":                          "Closed:",
		"proxy-ssl-verify: off":                         "<nil>",
		"proxy-ssl-verify: on":                          "Closed:",
		"proxy-body-size: 8m":                           "MaxBody:8388608",
		"proxy-body-size: 0":                            "MaxBody:-1",
		"proxy-body-size: 9999999999g":                  "is no size",
		"proxy-body-size: -1":                           "is no size",
		"proxy-read-timeout: 3600\nproxy-send-timeout: 30s\nproxy-connect-timeout: 2": "Timeouts:{Connect:2s Read:1h0m0s Send:30s}",
		"proxy-read-timeout: 0":  "no time that can be waited",
		"backend-protocol: grpc": "protocol=GRPC",
		"backend-protocol: FCGI": "FastCGI is not supported",
		"backend-protocol: AJP":  "\"AJP\" is no protocol",
		"our/hsts: true":         "HSTS:max-age=31536000; includeSubDomains",
		"hsts: true\nhsts-max-age: 5\nhsts-include-subdomains: false\nhsts-preload: 1": "HSTS:max-age=5; preload",
		"our/response-headers: X-A: b":            "Fields:[{X-A b}]",
		"our/response-headers: Content-Length: 7": "cannot be set",
		"our/response-headers: no field":          "is no field",
		"enable-cors: true":                       "CORS:{[*] GET, PUT, POST, DELETE, PATCH, OPTIONS",
		"cors-allow-origin: https://x.test":       "<nil>",
		"enable-cors: true\ncors-allow-origin: https://x.test,http://*.y.test:80\ncors-allow-credentials: false\ncors-max-age: 7\ncors-expose-headers: X-A,X-B": "CORS:{[https://x.test http://*.y.test:80]",
		"enable-cors: true\ncors-allow-origin: x.test": "is no origin",
		"enable-cors: true\ncors-allow-methods: G@T":   "is no name",
		"configuration-snippet: x":                     "never executed",
		"canary: true\ncanary-weight: 20\ncanary-by-header: X-C\ncanary-by-header-value: yes\ncanary-by-cookie: c": "Canary:{X-C yes  c 20 100}",
		"canary: true\ncanary-weight: 20\ncanary-weight-total: 10":                                                 "from 0 to 10",
		"canary: true\ncanary-by-header-pattern: (":                                                                "no regular expression",
		"canary: true\nauth-url: http://x":                                                                         "external authentication is not supported yet; remove",
		"affinity: cookie":                                                                                         "Affinity:{INGRESSCOOKIE    false} protocol= sticky",
		"affinity: cookie\nsession-cookie-name: c\nsession-cookie-path: /p\nsession-cookie-domain: a.test\nsession-cookie-expires: 5\nsession-cookie-max-age: 7\nsession-cookie-samesite: lax\nsession-cookie-secure: true": "Affinity:{c /p a.test ; Max-Age=7; SameSite=Lax true}",
		"affinity: ip": "no kind of affinity",
		"affinity: cookie\naffinity-mode: persistent": "Affinity:{INGRESSCOOKIE",
		"affinity-mode: balanced":                     "clients stay with their endpoint",
		"session-cookie-path: /;x":                    "cannot stand in a cookie",
		"session-cookie-samesite: x":                  "none of them",
		"session-cookie-name: a;b":                    "is no name",
		"limit-rps: 10":                               "Rates:[{Every:100ms Burst:50 Exempt:[]}]",
		"limit-rpm: 60\nlimit-rps: 2\nlimit-burst-multiplier: 3\nlimit-whitelist: 10.0.0.0/8": "Rates:[{Every:500ms Burst:6 Exempt:[10.0.0.0/8]} {Every:1s Burst:180 Exempt:[10.0.0.0/8]}]",
		"limit-rps: 0":                   "<nil>",
		"limit-rps: many":                "none that it could be",
		"limit-connections: 5":           "not supported yet",
		"mirror-target: x":               "not supported yet",
		"canary: false":                  "<nil>",
		"proxy-buffering: off":           "<nil>",
		"enable-websockets: true":        "not known here",
		"app-root: /a\nour/app-root: /b": "AppRoot:/b",
		"our/acme: true":                 "<nil>",
	} {
		in, problems := askedOf(t, "ours", annotations)
		got := text(in.Policy) + " protocol=" + string(in.Rules[0].Backend.Protocol)
		if in.Rules[0].Backend.Sticky {
			got += " sticky"
		}
		for _, p := range problems {
			if p.Remedy == "" || p.Verdict == config.Applied {
				t.Errorf("%q: problem %+v", annotations, p)
			}
			got += " problem=" + p.String()
		}
		if want == "<nil>" {
			want += " protocol="
			if len(problems) > 0 {
				t.Errorf("%q: said %s", annotations, got)
			}
		}
		if !strings.Contains(strings.ReplaceAll(got, "<nil> protocol= problem", "<nil> problem"), want) {
			t.Errorf("%q:\n got %s\nwant %s", annotations, got, want)
		}
	}
}

func text(p *config.IngressPolicy) string {
	if p == nil {
		return "<nil>"
	}
	s := strings.ReplaceAll(fmt.Sprintf("%+v", *p), "Text:", "")
	s = strings.ReplaceAll(s, "Then:", "")
	if p.Redirect != nil {
		s += fmt.Sprintf(" Redirect:%v", *p.Redirect)
	}
	if p.Affinity != nil {
		s += fmt.Sprintf(" Affinity:%v", *p.Affinity)
	}
	if p.Canary != nil {
		s += fmt.Sprintf(" Canary:%v", *p.Canary)
	}
	if p.CORS != nil {
		s += fmt.Sprintf(" CORS:%v", *p.CORS)
	}
	return strings.ReplaceAll(strings.ReplaceAll(s, "Name:", ""), "Value:", "")
}

// What ingress-nginx did unasked is done for the class of that name alone.
func TestPolicyOfNginx(t *testing.T) {
	in, problems := askedOf(t, "nginx", "")
	const want = "Nginx:true HTTPS:IfTLS"
	if got := text(in.Policy); !strings.Contains(got, want) || in.Policy.MaxBody != 1<<20 || in.Policy.HSTS != "max-age=31536000; includeSubDomains" || len(problems) > 0 {
		t.Errorf("unasked: %s, %v", got, problems)
	}
	in, _ = askedOf(t, "nginx", "ssl-redirect: false\nproxy-body-size: 0\nhsts: false")
	if p := in.Policy; p.HTTPS != config.HTTPSNever || p.MaxBody != config.Unbounded || p.HSTS != "" {
		t.Errorf("switched off: %s", text(p))
	}
	o := manifest[networkingv1.Ingress](t, "spec: {}")
	if !(Classes{Default: true, DefaultNginx: true}).nginx(o) || (Classes{Default: true}).nginx(o) {
		t.Error("an Ingress without a class is of the default one")
	}
}

// Of two annotations with one name ours wins, and the other is told so.
func TestPolicyPrefixes(t *testing.T) {
	_, problems := askedOf(t, "ours", "app-root: /a\nour/app-root: /b")
	if len(problems) != 1 || problems[0].Field != "metadata.annotations[nginx.ingress.kubernetes.io/app-root]" || problems[0].Reason != ReasonNoEffect {
		t.Errorf("problems %v", problems)
	}
	if _, problems = askedOf(t, "ours", "app-root: /a\nour/app-root: /a"); len(problems) > 0 {
		t.Errorf("the same twice: %v", problems)
	}
}

// A hostless entry of spec.tls is for all hosts of the rules.
func TestPolicyTLSForAll(t *testing.T) {
	o := manifest[networkingv1.Ingress](t, `
metadata: {name: web, annotations: {steelyard.io/ssl-redirect: "true"}}
spec: {tls: [{secretName: s}]}`)
	if in, _ := Ingress(o, Classes{Default: true}); in.Policy.HTTPS != config.HTTPSAlways {
		t.Errorf("redirect %q", in.Policy.HTTPS)
	}
	o.Spec.TLS[0].SecretName = ""
	if in, _ := Ingress(o, Classes{Default: true}); in.Policy.HTTPS != config.HTTPSIfTLS {
		t.Errorf("without a Secret: redirect %q", in.Policy.HTTPS)
	}
}

// Every annotation is either obeyed or not, and none is both.
func TestSettingsOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range settings {
		if _, not := unsupported[s.name]; not || seen[s.name] {
			t.Errorf("%s is there twice", s.name)
		}
		seen[s.name] = true
	}
}

// Whatever is written, nothing panics, and what is said is short and has a remedy.
func TestPolicyOdd(t *testing.T) {
	odd := []string{"", " ", "-", "-1", "1e9", "\x00", "$", "${", "$x", "a\r\nb: c", ",", ",,", "/", "//", ":", "://", "*", "(", "[", "\\", "\xff\xfe", "\u212a", "\u0130",
		"true", "0", "999999999999999999999", "10.0.0.0/8", "::/0", "https://x.test", "always", strings.Repeat("x", 1<<20), strings.Repeat("10.0.0.0/8,", 10_000) + "x"}
	var names []string
	for _, s := range settings {
		names = append(names, s.name)
	}
	for name := range unsupported {
		names = append(names, name)
	}
	for _, name := range names {
		for _, value := range odd {
			o := manifest[networkingv1.Ingress](t, "metadata: {name: web}")
			o.Annotations = map[string]string{"steelyard.io/" + name: value, "steelyard.io/enable-cors": "true", "steelyard.io/affinity": "cookie"}
			in, problems := Ingress(o, Classes{Default: true, DefaultNginx: true})
			for _, p := range problems {
				if p.Remedy == "" || len(p.Message) > 700 || !strings.HasPrefix(p.Field, "metadata.annotations[") {
					t.Errorf("%s: %.20q: %+v", name, value, p)
				}
			}
			if p := in.Policy; p != nil && p.Redirect != nil && len(p.Redirect.To) == 0 {
				t.Errorf("%s: %.20q leads nowhere", name, value)
			}
		}
	}
}
