package convert

import (
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/steelyard-lb/steelyard/config"
)

const ingressHead = "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: i, namespace: shop"

func TestConverts(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		want  []string // the objects, as flow YAML
		notes []string // how each begins
	}{
		"default backend": {
			in:   ingressHead + "}\nspec: {backend: {serviceName: web, servicePort: 80}}",
			want: []string{`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, namespace: shop}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}`},
		},
		"class, paths, ports and TLS": {
			in: ingressHead + `, labels: {a: b}, annotations: {kubernetes.io/ingress.class: steelyard, keep: me}}
spec:
  tls: [{hosts: [h.test], secretName: s}, {secretName: all}]
  rules:
  - {host: h.test, http: {paths: [{backend: {serviceName: web, servicePort: http}}, {path: /b/, pathType: Prefix, backend: {serviceName: b, servicePort: "8080"}}, {path: /x(.*), backend: {serviceName: b, servicePort: 1}}]}}
  - {host: bare.test}`,
			want: []string{`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, namespace: shop, labels: {a: b}, annotations: {keep: me}}, spec: {
  ingressClassName: steelyard, tls: [{hosts: [h.test], secretName: s}, {secretName: all}], rules: [
  {host: h.test, http: {paths: [{path: /, pathType: ImplementationSpecific, backend: {service: {name: web, port: {name: http}}}},
    {path: /b/, pathType: Prefix, backend: {service: {name: b, port: {number: 8080}}}}, {path: "/x(.*)", pathType: ImplementationSpecific, backend: {service: {name: b, port: {number: 1}}}}]}},
  {host: bare.test}]}}`},
			notes: []string{
				`Ingress shop/i: metadata.annotations[kubernetes.io/ingress.class]: now spec.ingressClassName "steelyard"`,
				`Ingress shop/i: spec.rules[0].http.paths[1].backend.servicePort: "8080", a text`,
				`Ingress shop/i: spec.rules[0].http.paths[2].path: it looks like a regular expression`},
		},
		"field before annotation, resource backend": {
			in: "apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: i, annotations: {kubernetes.io/ingress.class: old}}\n" +
				"spec: {ingressClassName: new, backend: {resource: {apiGroup: k8s.example.com, kind: Bucket, name: b}}}",
			want: []string{`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {
  ingressClassName: new, defaultBackend: {resource: {apiGroup: k8s.example.com, kind: Bucket, name: b}}}}`},
			notes: []string{`Ingress i: metadata.annotations[kubernetes.io/ingress.class]: left out`},
		},
		"annotation that is no name": {
			in:    ingressHead + `, annotations: {kubernetes.io/ingress.class: "My Class"}}` + "\nspec: {backend: {serviceName: web, servicePort: 80}}",
			want:  []string{`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, namespace: shop, annotations: {kubernetes.io/ingress.class: My Class}}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}`},
			notes: []string{`Ingress shop/i: metadata.annotations[kubernetes.io/ingress.class]: left as it is`},
		},
		"what the server wrote": {
			in: ingressHead + `, uid: u, resourceVersion: "7", generation: 3, creationTimestamp: "2020-01-01T00:00:00Z", selfLink: /x, annotations: {kubectl.kubernetes.io/last-applied-configuration: "{}"}}` +
				"\nspec: {backend: {serviceName: web, servicePort: 80}}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}",
			want: []string{`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i, namespace: shop}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}`},
		},
		"class object": {
			in: "apiVersion: networking.k8s.io/v1beta1\nkind: IngressClass\nmetadata: {name: c}\nspec: {controller: steelyard.io/ingress, parameters: {kind: P, name: p}}",
			want: []string{`{apiVersion: networking.k8s.io/v1, kind: IngressClass, metadata: {name: c}, spec: {controller: steelyard.io/ingress,
  parameters: {kind: P, name: p, scope: Cluster}}}`},
		},
		"endpoints of two families and two lists of ports": {
			in: `{"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "db", "namespace": "shop"}, "subsets": [
  {"addresses": [{"ip": "192.0.2.1", "hostname": "a"}, {"ip": "2001:db8::1"}], "notReadyAddresses": [{"ip": "192.0.2.2", "nodeName": "n1"}], "ports": [{"name": "sql", "port": 5432}]},
  {"addresses": [{"ip": "192.0.2.3"}], "ports": [{"port": 53, "protocol": "UDP", "appProtocol": "dns"}]}]}`,
			want: []string{
				`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: db-1, namespace: shop, labels: {kubernetes.io/service-name: db, endpointslice.kubernetes.io/managed-by: cluster-admins}},
  endpoints: [{addresses: [192.0.2.1], hostname: a, conditions: {ready: true}}, {addresses: [192.0.2.2], nodeName: n1, conditions: {ready: false}}], ports: [{name: sql, port: 5432, protocol: TCP}]}`,
				`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv6, metadata: {name: db-2, namespace: shop, labels: {kubernetes.io/service-name: db, endpointslice.kubernetes.io/managed-by: cluster-admins}},
  endpoints: [{addresses: ["2001:db8::1"], conditions: {ready: true}}], ports: [{name: sql, port: 5432, protocol: TCP}]}`,
				`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: db-3, namespace: shop, labels: {kubernetes.io/service-name: db, endpointslice.kubernetes.io/managed-by: cluster-admins}},
  endpoints: [{addresses: [192.0.2.3], conditions: {ready: true}}], ports: [{name: "", port: 53, protocol: UDP, appProtocol: dns}]}`},
			notes: []string{"Endpoints shop/db: Kubernetes mirrors"},
		},
		"a list": {
			in: "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: s, uid: u}}\n" +
				"- {apiVersion: extensions/v1beta1, kind: Ingress, metadata: {name: i}, spec: {backend: {serviceName: web, servicePort: 80}}}",
			want: []string{`{apiVersion: v1, kind: Service, metadata: {name: s}}`,
				`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: i}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}`},
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := Manifests([]byte(c.in))
			if len(r.Faults) > 0 || r.Converted == 0 {
				t.Fatalf("%d converted, faults %v", r.Converted, r.Faults)
			}
			var got []string
			for _, doc := range documents(r.Text) {
				if len(doc) > 0 {
					got = append(got, canonical(t, string(doc)))
				}
			}
			for i, w := range c.want {
				c.want[i] = canonical(t, w)
			}
			if g, w := strings.Join(got, "---\n"), strings.Join(c.want, "---\n"); g != w {
				t.Errorf("got\n%s\nwant\n%s", g, w)
			}
			if len(r.Notes) != len(c.notes) {
				t.Errorf("notes %v", r.Notes)
			}
			for i := range min(len(r.Notes), len(c.notes)) {
				if text := r.Notes[i].Error(); !strings.HasPrefix(text, c.notes[i]) {
					t.Errorf("note %q, want %q", text, c.notes[i])
				}
			}
		})
	}
}

// canonical is one object, with its keys in order.
func canonical(t *testing.T, text string) string {
	t.Helper()
	var o any
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	out, err := yaml.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestLeavesTheRestAlone(t *testing.T) {
	text := `---
# a comment
apiVersion: v1
kind: Service   # another
metadata: {name: s}
---
apiVersion: v1
kind: List
items: [{apiVersion: v1, kind: Namespace, metadata: {name: ns}}]
---
apiVersion: v1
kind: Endpoints
metadata: {name: e, labels: {endpoints.kubernetes.io/managed-by: endpoint-controller}}
subsets: [{addresses: [{ip: 192.0.2.1}]}]
---
apiVersion: extensions/v1beta1
kind: Deployment
metadata: {name: d}
`
	r := Manifests([]byte(text))
	if got := string(r.Text); got != text {
		t.Errorf("got\n%s", got)
	}
	if len(r.Faults) > 0 || r.Converted != 0 || len(r.Notes) != 2 || !strings.Contains(r.Notes[1].Error(), "no longer served") {
		t.Errorf("%+v", r)
	}
}

func TestRefuses(t *testing.T) {
	good := "apiVersion: extensions/v1beta1\nkind: Ingress\nmetadata: {name: good}\nspec: {backend: {serviceName: web, servicePort: 80}}\n"
	for name, c := range map[string]struct{ in, fault string }{
		"no port":          {ingressHead + "}\nspec: {backend: {serviceName: web}}", "Ingress shop/i: spec.backend.servicePort: 0 is no port; give the number"},
		"port name":        {ingressHead + "}\nspec: {backend: {serviceName: web, servicePort: a_b}}", `Ingress shop/i: spec.backend.servicePort: "a_b" is no name`},
		"no Service":       {ingressHead + "}\nspec: {rules: [{http: {paths: [{path: /, backend: {servicePort: 80}}]}}]}", "Ingress shop/i: spec.rules[0].http.paths[0].backend.serviceName: it is empty; name"},
		"path":             {ingressHead + "}\nspec: {rules: [{http: {paths: [{path: a, backend: {serviceName: web, servicePort: 80}}]}}]}", `spec.rules[0].http.paths[0].path: "a" does not begin with /`},
		"exact empty path": {ingressHead + "}\nspec: {rules: [{http: {paths: [{pathType: Exact, backend: {serviceName: web, servicePort: 80}}]}}]}", `"" does not begin with /`},
		"both backends":    {ingressHead + "}\nspec: {backend: {serviceName: web, servicePort: 80, resource: {kind: B, name: b}}}", "names a resource and a Service"},
		"nothing":          {ingressHead + "}", "Ingress shop/i: spec: it has neither"},
		"misspelt field":   {ingressHead + "}\nspec: {backend: {serviceName: web, servicePorts: 80}}", "servicePorts"},
		"address":          {"apiVersion: v1\nkind: Endpoints\nmetadata: {name: e}\nsubsets: [{addresses: [{ip: 192.0.2.010}]}]", `Endpoints e: subsets[0].addresses[0].ip: "192.0.2.010" is no address; give`},
		"no addresses":     {"apiVersion: v1\nkind: Endpoints\nmetadata: {name: e}", "Endpoints e: subsets: it has no addresses"},
		"no YAML":          {"a: [", "document 2"},
		"no object":        {"[1, 2]", "document 2: it is no Kubernetes object"},
		"item of a list":   {"kind: List\napiVersion: v1\nitems: [7, {kind: Ingress, apiVersion: extensions/v1beta1, metadata: {name: x}}]", "document 2: it is no"},
		"no kind":          {"a: b", "document 2: kind: it has none"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Manifests([]byte(good + "---\n" + c.in + "\n---\n" + good))
			if len(r.Faults) == 0 || !strings.Contains(r.Faults[0].Error(), c.fault) {
				t.Fatalf("faults %v", r.Faults)
			}
			if n := strings.Count(string(r.Text), "name: good"); n != 2 || r.Converted != 2 {
				t.Errorf("%d good ones in\n%s", n, r.Text)
			}
			if !strings.Contains(string(r.Text), "# not converted: "+strings.SplitN(r.Faults[0].Error(), "\n", 2)[0]) {
				t.Errorf("no comment in\n%s", r.Text)
			}
		})
	}
}

func TestManyEndpoints(t *testing.T) {
	var text strings.Builder
	text.WriteString("apiVersion: v1\nkind: Endpoints\nmetadata: {name: e}\nsubsets:\n- addresses:\n")
	for i := range maxEndpoints + 1 {
		text.WriteString("  - {ip: 10.0." + strconv.Itoa(i/256) + "." + strconv.Itoa(i%256) + "}\n")
	}
	r := Manifests([]byte(text.String()))
	if n := strings.Count(string(r.Text), "kind: EndpointSlice"); n != 2 || strings.Count(string(r.Text), "ready: true") != maxEndpoints+1 {
		t.Errorf("%d slices, %v", n, r.Faults)
	}
}

// FuzzManifests: whatever comes in, what goes out is YAML, and its second
// conversion changes nothing.
func FuzzManifests(f *testing.F) {
	f.Add(ingressHead + "}\nspec: {backend: {serviceName: web, servicePort: 80}}")
	f.Add("--- # x\na: b\n---\nkind: List\nitems: [{kind: A}]\n")
	f.Add("kind: Endpoints\napiVersion: v1\nmetadata: {name: e}\nsubsets: [{addresses: [{ip: '::1'}], ports: [{port: 1}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		first := Manifests([]byte(text))
		again := Manifests(first.Text)
		if again.Converted > 0 || len(again.Faults) > 0 {
			t.Fatalf("converted again: %+v\nfrom %q\nof %q", again.Faults, first.Text, text)
		}
		for _, p := range append(first.Notes, first.Faults...) {
			if p.Object == (config.Ref{}) || p.Message == "" {
				t.Fatalf("a problem of nothing: %+v", p)
			}
		}
	})
}
