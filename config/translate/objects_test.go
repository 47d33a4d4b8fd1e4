package translate

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func manifest[T any](t *testing.T, text string) *T {
	t.Helper()
	o := new(T)
	if err := yaml.UnmarshalStrict([]byte(text), o); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return o
}

const lb = "metadata: {name: web, namespace: default%s}\nspec: {type: LoadBalancer%s}"

// Each case is annotations and spec of a Service, and what it asks for.
func TestWant(t *testing.T) {
	for _, c := range []struct{ annotations, spec, want string }{
		{"", "", " pool= share= problem="},
		{"steelyard.io/load-balancer-ips: 192.0.2.1", "", "192.0.2.1 pool= share= problem="},
		{"steelyard.io/load-balancer-ips: '192.0.2.1, 2001:db8::1'", "", "192.0.2.1,2001:db8::1 pool= share= problem="},
		{"metallb.io/loadBalancerIPs: 192.0.2.2", "", "192.0.2.2 pool= share= problem="},
		{"metallb.universe.tf/loadBalancerIPs: 192.0.2.3", "", "192.0.2.3 pool= share= problem="},
		{"steelyard.io/load-balancer-ips: 192.0.2.1, metallb.io/loadBalancerIPs: 192.0.2.2", "", "192.0.2.1 pool= share= problem="},
		{"", ", loadBalancerIP: 192.0.2.4", "192.0.2.4 pool= share= problem="},
		{"steelyard.io/address-pool: a, steelyard.io/allow-shared-ip: k", "", " pool=a share=k problem="},
		{"metallb.io/address-pool: b, metallb.io/allow-shared-ip: l", "", " pool=b share=l problem="},
		{"metallb.universe.tf/address-pool: c, metallb.universe.tf/allow-shared-ip: m", "", " pool=c share=m problem="},
		{"steelyard.io/load-balancer-ips: 192.0.2.1", ", loadBalancerIP: 192.0.2.1", " pool= share= problem=metadata.annotations[steelyard.io/load-balancer-ips]: spec.loadBalancerIP is set too"},
		{"steelyard.io/load-balancer-ips: '192.0.2.1,192.0.2.2'", "", " pool= share= problem=metadata.annotations[steelyard.io/load-balancer-ips]: 192.0.2.1 and 192.0.2.2 are both IPv4"},
		{"metallb.io/loadBalancerIPs: web", "", " pool= share= problem=metadata.annotations[metallb.io/loadBalancerIPs]: cannot read \"web\""},
		{"steelyard.io/load-balancer-ips: '192.0.2.1,'", "", " pool= share= problem=metadata.annotations[steelyard.io/load-balancer-ips]: cannot read \"\""},
		{"", ", loadBalancerIP: 'fe80::1%eth0'", " pool= share= problem=spec.loadBalancerIP: cannot read \"fe80::1%eth0\""},
	} {
		if c.annotations != "" {
			c.annotations = ", annotations: {" + c.annotations + "}"
		}
		svc, _ := Service(manifest[corev1.Service](t, fmt.Sprintf(lb, c.annotations, c.spec)))
		var addrs []string
		for _, a := range svc.Want.Addrs {
			addrs = append(addrs, a.String())
		}
		got := fmt.Sprintf("%s pool=%s share=%s problem=", strings.Join(addrs, ","), svc.Want.Pool, svc.Want.ShareKey)
		if svc.Want.Problem != nil {
			got += svc.Want.Problem.String()
		}
		if !strings.HasPrefix(got, c.want) || svc.Want.Problem == nil && got != c.want {
			t.Errorf("%s%s:\n got %s\nwant %s", c.annotations, c.spec, got, c.want)
		}
	}
}

func TestService(t *testing.T) {
	o := manifest[corev1.Service](t, `
metadata: {name: web, namespace: default, uid: u1, creationTimestamp: "2026-01-02T03:04:05Z", labels: {a: b}, annotations: {steelyard.io/ip-allocated-from-pool: public}}
spec:
  type: LoadBalancer
  loadBalancerClass: steelyard.io/lb
  ipFamilies: [IPv6, IPv4]
  ipFamilyPolicy: PreferDualStack
  clusterIPs: ["fd00::1", 10.96.0.1]
  externalIPs: [203.0.113.1, "2001:db8::7"]
  externalTrafficPolicy: Local
  healthCheckNodePort: 30333
  sessionAffinity: ClientIP
  loadBalancerSourceRanges: [" 10.0.0.1/8 "]
  ports: [{name: http, port: 80, nodePort: 30080}, {name: dns, protocol: UDP, port: 53}]
status:
  loadBalancer: {ingress: [{ip: "2001:db8::1", ipMode: Proxy}, {hostname: x}, {ip: 192.0.2.1, ipMode: Proxy}]}
  conditions: [{type: steelyard.io/Allocated, status: "True", reason: R, message: M}]`)
	got, problems := Service(o)
	want := &config.Service{
		Key: config.Key{Namespace: "default", Name: "web"}, UID: "u1", Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Labels: map[string]string{"a": "b"}, Type: config.LoadBalancer, Class: "steelyard.io/lb",
		Families: []config.Family{config.IPv6, config.IPv4}, FamilyPolicy: config.PreferDualStack,
		ClusterIPs:  []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("10.96.0.1")},
		ExternalIPs: []netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::7")},
		Ports:       []config.ServicePort{{Name: "http", Proto: config.TCP, Port: 80, NodePort: 30080}, {Name: "dns", Proto: config.UDP, Port: 53}},
		Local:       true, HealthCheckNodePort: 30333, Affinity: 3 * time.Hour,
		SourceRanges: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Addrs:        []netip.Addr{netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")}, IPMode: config.IPModeProxy,
		AllocatedFrom: "public", Conditions: []config.Condition{{Type: "steelyard.io/Allocated", Status: true, Reason: "R", Message: "M"}},
	}
	if !reflect.DeepEqual(got, want) || len(problems) != 0 {
		t.Errorf("got  %+v %v\nwant %+v", got, problems, want)
	}
}

func TestServiceDefaults(t *testing.T) {
	s, _ := Service(&corev1.Service{})
	if s.Type != config.ClusterIP || !slices.Equal(s.Families, []config.Family{config.IPv4}) || s.Affinity != 0 || s.Local {
		t.Errorf("empty Service: %+v", s)
	}
	s, _ = Service(manifest[corev1.Service](t, "spec: {clusterIP: None, clusterIPs: [None], externalTrafficPolicy: Local}"))
	if len(s.ClusterIPs) != 0 || s.Local {
		t.Errorf("headless Service: %+v", s)
	}
	s, _ = Service(manifest[corev1.Service](t, "metadata: {labels: {service.kubernetes.io/service-proxy-name: ''}}"))
	if !s.OtherProxy {
		t.Errorf("Service of another proxy: %+v", s)
	}
	// the policy is about external IPs, too
	s, _ = Service(manifest[corev1.Service](t, "spec: {clusterIP: 10.96.0.1, externalIPs: [192.0.2.1], externalTrafficPolicy: Local}"))
	if len(s.ExternalIPs) != 1 || !s.Local {
		t.Errorf("Service with an external IP: %+v", s)
	}
	// ranges that cannot be read never open a Service
	s, problems := Service(manifest[corev1.Service](t, "spec: {type: LoadBalancer, loadBalancerSourceRanges: [x]}"))
	if len(s.SourceRanges) != 1 || s.SourceRanges[0] != nobody || len(problems) != 1 {
		t.Errorf("source ranges %v, problems %v", s.SourceRanges, problems)
	}
	// addresses of different modes have none in common
	s, _ = Service(manifest[corev1.Service](t, "status: {loadBalancer: {ingress: [{ip: 192.0.2.1, ipMode: Proxy}, {ip: 192.0.2.2}]}}"))
	if s.IPMode != "" || len(s.Addrs) != 2 {
		t.Errorf("mode %q, addresses %v", s.IPMode, s.Addrs)
	}
}

func TestEndpoints(t *testing.T) {
	slcs := []*discoveryv1.EndpointSlice{
		manifest[discoveryv1.EndpointSlice](t, `
addressType: IPv4
ports: [{name: http, port: 8080}, {name: dns, protocol: UDP, port: 53}, {name: all}]
endpoints:
- {addresses: [10.1.0.2, 10.9.9.9], nodeName: n1, zone: z1, hints: {forZones: [{name: z1}, {name: z2}], forNodes: [{name: n1}]}}
- {addresses: [10.1.0.1], conditions: {ready: false, serving: true, terminating: true}}
- {addresses: [10.1.0.3], conditions: {ready: false}, hints: {}}
- {addresses: []}
- {addresses: ["fd00::1"]}`),
		manifest[discoveryv1.EndpointSlice](t, `
addressType: IPv4
ports: [{name: http, port: 8080, protocol: TCP}]
endpoints: [{addresses: [10.1.0.1]}, {addresses: [10.1.0.2], conditions: {ready: false}}]`),
		manifest[discoveryv1.EndpointSlice](t, `
addressType: IPv6
ports: [{name: http, port: 9090}]
endpoints: [{addresses: ["fd00::1"]}]`),
		manifest[discoveryv1.EndpointSlice](t, "addressType: FQDN\nports: [{port: 1}]\nendpoints: [{addresses: [example.com]}]"),
		manifest[discoveryv1.EndpointSlice](t, "addressType: IPv4\nendpoints: [{addresses: [10.1.0.9]}]"), // ports nil
	}
	key := config.Key{Namespace: "default", Name: "web"}
	at := netip.MustParseAddrPort
	hints := &config.Hints{Nodes: []string{"n1"}, Zones: []string{"z1", "z2"}}
	want := &config.Endpoints{Service: key, Ports: []config.EndpointPort{
		{Name: "dns", Proto: config.UDP, Backends: []config.Backend{
			{Addr: at("10.1.0.1:53"), Serving: true, Terminating: true},
			{Addr: at("10.1.0.2:53"), Node: "n1", Zone: "z1", Ready: true, Serving: true, Hints: hints},
			{Addr: at("10.1.0.3:53")}}},
		{Name: "http", Proto: config.TCP, Backends: []config.Backend{
			{Addr: at("10.1.0.1:8080"), Ready: true, Serving: true},
			{Addr: at("10.1.0.2:8080"), Node: "n1", Zone: "z1", Ready: true, Serving: true, Hints: hints},
			{Addr: at("10.1.0.3:8080")},
			{Addr: at("[fd00::1]:9090"), Ready: true, Serving: true}}},
	}}
	got := Endpoints(key, slcs)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	slices.Reverse(slcs)
	if again := Endpoints(key, slcs); !reflect.DeepEqual(again, want) {
		t.Errorf("another order of slices, another result: %+v", again)
	}
	if Endpoints(key, nil) != nil {
		t.Error("endpoints without slices")
	}
	if _, ok := ServiceOf(slcs[0]); ok {
		t.Error("a slice without a label belongs to a Service")
	}
}

func TestNode(t *testing.T) {
	got := Node(manifest[corev1.Node](t, `
metadata: {name: n1, uid: u, labels: {node.kubernetes.io/exclude-from-external-load-balancers: ""}}
spec: {podCIDRs: [10.1.0.0/24, bad, "fd00::/64"], taints: [{key: node.kubernetes.io/out-of-service, effect: NoExecute}]}
status:
  addresses: [{type: InternalIP, address: 192.0.2.1}, {type: ExternalIP, address: "2001:db8::1"}, {type: Hostname, address: n1}, {type: InternalIP, address: bad}]
  conditions: [{type: Ready, status: "True"}, {type: NetworkUnavailable, status: "True"}, {type: DiskPressure, status: "True"}]`))
	if !got.Ready || !got.NetworkUnavailable || !got.OutOfService || !got.Excluded() || got.UID != "u" ||
		len(got.Addrs) != 2 || len(got.PodCIDRs) != 2 {
		t.Errorf("node = %+v", got)
	}
	if n := Node(manifest[corev1.Node](t, "status: {conditions: [{type: Ready, status: Unknown}]}")); n.Ready {
		t.Error("a node of unknown state is ready")
	}
	ns := manifest[corev1.Namespace](t, "metadata: {name: a, labels: {x: z}}")
	if Namespace(ns)["x"] != "z" {
		t.Error("labels of a namespace are lost")
	}
}

func TestCertificate(t *testing.T) {
	data := map[string][]byte{"tls.crt": []byte("c"), "tls.key": []byte("k")}
	o := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "s"}, Type: corev1.SecretTypeTLS, Data: data}
	if c, problems := Certificate(o); len(problems) != 0 || string(c.Chain) != "c" || string(c.PrivateKey) != "k" {
		t.Errorf("certificate %+v, %v", c, problems)
	}
	delete(data, "tls.key")
	if c, problems := Certificate(o); c != nil || len(problems) != 1 || problems[0].Field != "data[tls.key]" {
		t.Errorf("certificate %+v, %v", c, problems)
	}
	o.Type = corev1.SecretTypeOpaque
	if _, problems := Certificate(o); len(problems) != 2 {
		t.Errorf("problems %v", problems)
	}
}

func TestIngressClasses(t *testing.T) {
	class := func(name, controller, def string, age int64) *networkingv1.IngressClass {
		return &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: name, CreationTimestamp: metav1.NewTime(time.Unix(age, 0)),
			Annotations: map[string]string{"ingressclass.kubernetes.io/is-default-class": def}}, Spec: networkingv1.IngressClassSpec{Controller: controller}}
	}
	ours, theirs := class("ours", IngressController, "true", 1), class("theirs", "x/y", "true", 2)
	second := class("another", IngressController, "", 3)
	if c := IngressClasses([]*networkingv1.IngressClass{ours, second}, IngressController); !c.Equal(Classes{Names: []string{"another", "ours"}, Default: true}) {
		t.Errorf("classes = %+v", c)
	}
	c := IngressClasses([]*networkingv1.IngressClass{ours, theirs}, IngressController)
	if c.Default {
		t.Error("the newer default class is theirs")
	}
	for text, want := range map[string]bool{
		"spec: {ingressClassName: ours}":                                                                 true,
		"spec: {ingressClassName: theirs}":                                                               false,
		"metadata: {annotations: {kubernetes.io/ingress.class: ours}}":                                   true,
		"metadata: {annotations: {kubernetes.io/ingress.class: nginx}}":                                  false,
		"metadata: {annotations: {kubernetes.io/ingress.class: ours}}\nspec: {ingressClassName: theirs}": false,
		"spec: {}": false,
	} {
		if got := c.Ours(manifest[networkingv1.Ingress](t, text)); got != want {
			t.Errorf("%q is ours: %v", text, got)
		}
	}
	c.Default = true
	if !c.Ours(&networkingv1.Ingress{}) {
		t.Error("our class is the default, an Ingress without class is not ours")
	}
}

func TestIngress(t *testing.T) {
	o := manifest[networkingv1.Ingress](t, `
metadata: {name: shop, namespace: default, uid: u}
spec:
  defaultBackend: {service: {name: fallback, port: {number: 80}}}
  tls: [{hosts: [Shop.Example], secretName: s}, {hosts: [x]}]
  rules:
  - host: Shop.Example
    http:
      paths:
      - {path: /a, pathType: Exact, backend: {service: {name: web, port: {name: http}}}}
      - {pathType: Prefix, backend: {service: {name: web, port: {number: 8080}}}}
      - {path: b, pathType: Prefix, backend: {service: {name: web, port: {number: 1}}}}
      - {path: /c, pathType: Magic, backend: {service: {name: web, port: {number: 1}}}}
      - {path: /d, pathType: Prefix, backend: {resource: {kind: Bucket, name: x}}}
      - {path: /e, pathType: Prefix, backend: {service: {name: web, port: {}}}}
  - host: bare.example
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: h}]}}`)
	got, problems := Ingress(o, Classes{Default: true})
	web := func(port uint16, name string) config.IngressBackend {
		return config.IngressBackend{Service: config.Key{Namespace: "default", Name: "web"}, Port: port, PortName: name}
	}
	fallback := config.IngressBackend{Service: config.Key{Namespace: "default", Name: "fallback"}, Port: 80}
	want := &config.Ingress{
		Key: config.Key{Namespace: "default", Name: "shop"}, UID: "u", Created: got.Created, Default: &fallback,
		Rules: []config.IngressRule{
			{Host: "shop.example", Path: "/a", Type: config.PathExact, Backend: web(0, "http"), Field: "spec.rules[0].http.paths[0]"},
			{Host: "shop.example", Path: "/", Type: config.PathPrefix, Backend: web(8080, ""), Field: "spec.rules[0].http.paths[1]"},
			{Host: "shop.example", Path: "/d", Type: config.PathPrefix, Field: "spec.rules[0].http.paths[4]"},
			{Host: "shop.example", Path: "/e", Type: config.PathPrefix, Field: "spec.rules[0].http.paths[5]"},
			{Host: "bare.example", Field: "spec.rules[1]"}},
		TLS:    []config.IngressTLS{{Hosts: []string{"shop.example"}, Secret: config.Key{Namespace: "default", Name: "s"}}, {Hosts: []string{"x"}}},
		Status: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	var fields []string
	for _, p := range problems {
		fields = append(fields, p.Field)
	}
	const path = "spec.rules[0].http.paths"
	if w := []string{path + "[2].path", path + "[3].pathType", path + "[4].backend.resource", path + "[5].backend.service.port"}; !slices.Equal(fields, w) {
		t.Errorf("problems at %v, want %v", fields, w)
	}
	o.Annotations = map[string]string{AnnotationACME: "true"} // there is nowhere to put a certificate
	if _, problems := Ingress(o, Classes{Default: true}); problems[len(problems)-1].Field != "spec.tls[1].secretName" {
		t.Errorf("with ACME: %v", problems)
	}
	if in, problems := Ingress(o, Classes{}); in != nil || problems != nil {
		t.Error("an Ingress of another class is commented on")
	}
}
