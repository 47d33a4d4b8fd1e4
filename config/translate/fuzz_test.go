package translate

import (
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// words are what random strings are made of: nonsense, edge cases, and enough
// sense to get past the first check.
var words = []string{
	"", "a", "b", " ", "-", "/", ":", ",", "192.0.2.1", "192.0.2.0/24", "192.0.2.5-192.0.2.9", "0.0.0.0/0", "::/0", "::-::ffff",
	"2001:db8::1", "2001:db8::/64", "2001:db8::1-2001:db8::ffff:ffff:ffff:ffff", "fe80::1%eth0", "::ffff:1.2.3.4", "10.0.0.0/99", "1:2", "large:1:2:3", "large:", "0:0",
	"255.255.255.255-255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128", home, "In", "Exists", "internal", "external",
	"IPv4", "IPv6", "TCP", "UDP", "LoadBalancer", "ClientIP", "Prefix", "kubernetes.io/basic-auth", "kubernetes.io/tls", "\x00\xff",
}

// filler fills any value at random.
type filler struct{ *rand.Rand }

func (f filler) fill(v reflect.Value, depth int) {
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 0 && f.IntN(4) > 0 && v.CanSet() {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem(), depth-1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				f.fill(v.Field(i), depth-1)
			}
		}
	case reflect.Slice:
		if depth > 0 {
			v.Set(reflect.MakeSlice(v.Type(), f.IntN(4), 4))
			for i := range v.Len() {
				f.fill(v.Index(i), depth-1)
			}
		}
	case reflect.Map:
		if depth > 0 {
			v.Set(reflect.MakeMap(v.Type()))
			for range f.IntN(4) {
				key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
				f.fill(key, depth-1)
				f.fill(value, depth-1)
				v.SetMapIndex(key, value)
			}
		}
	case reflect.String:
		v.SetString(words[f.IntN(len(words))])
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt([]int64{0, 1, -1, 32, 128, 443, 1 << 40, -1 << 62}[f.IntN(8)])
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(f.Uint64N(4))
	}
}

func filled[T any](f filler) *T {
	o := new(T)
	f.fill(reflect.ValueOf(o).Elem(), 9)
	return o
}

func several[T any](f filler, fix func(*T)) []*T {
	var out []*T
	for range f.IntN(5) {
		o := filled[T](f)
		fix(o)
		out = append(out, o)
	}
	return out
}

// place puts most objects where they are looked at.
func (f filler) place(o metav1.Object) {
	if f.IntN(5) > 0 {
		o.SetNamespace(home)
	}
}

// tryAll translates random objects of every kind and checks what must hold for
// any input.
func tryAll(t *testing.T, f filler) {
	classes := *filled[Classes](f)
	classes.Default = true
	svc, _ := Service(filled[corev1.Service](f))
	if svc.Want.Problem != nil && len(svc.Want.Addrs) > 0 {
		t.Errorf("a request with a problem still asks for %v", svc.Want.Addrs)
	}
	Endpoints(config.Key{}, several(f, func(*discoveryv1.EndpointSlice) {}))
	Ingress(filled[networkingv1.Ingress](f), classes)
	IngressClasses(several(f, func(*networkingv1.IngressClass) {}), IngressController)
	Certificate(filled[corev1.Secret](f))
	Namespace(filled[corev1.Namespace](f))
	Claim(filled[v1beta1.L2Claim](f))
	Speaker(filled[v1beta1.SpeakerStatus](f))
	if r, problems := Reservation(filled[v1beta1.IPReservation](f)); (r == nil) != (len(problems) > 0) {
		t.Errorf("reservation %+v, problems %v", r, problems)
	}
	in := Objects{
		Namespace: home, Secrets: map[config.Key]*corev1.Secret{},
		Pools: several(f, func(o *v1beta1.IPAddressPool) { f.place(o) }),
		L2:    several(f, func(o *v1beta1.L2Advertisement) { f.place(o) }),
		BGP:   several(f, func(o *v1beta1.BGPAdvertisement) { f.place(o) }),
		Peers: several(f, func(o *v1beta1.BGPPeer) { f.place(o) }),
		BFD:   several(f, func(o *v1beta1.BFDProfile) { f.place(o) }),

		Communities: several(f, func(o *v1beta1.Community) { f.place(o) }),
	}
	for _, o := range several(f, func(o *corev1.Secret) { f.place(o) }) {
		in.Secrets[keyOf(o)] = o
	}
	for _, o := range several(f, func(*corev1.Node) {}) {
		in.Nodes = append(in.Nodes, Node(o))
	}
	checkSettings(t, Config(in))
}

func checkSettings(t *testing.T, out Settings) {
	t.Helper()
	var all []config.Range
	for _, p := range out.Pools {
		all = append(all, p.Ranges...)
	}
	for i, r := range all {
		if !r.From.IsValid() || r.To.Less(r.From) {
			t.Errorf("a pool holds %v", r)
		}
		for _, o := range all[:i] {
			if o.Overlaps(r) {
				t.Errorf("pools hold %v and %v", o, r)
			}
		}
	}
	for _, p := range out.Peers {
		if p.MyASN == 0 || !p.Addr.IsValid() || p.Port == 0 || p.KeepaliveTime > p.HoldTime {
			t.Errorf("peer %+v is used", p)
		}
	}
	for _, p := range out.Problems {
		if p.Message == "" || p.Reason == "" || p.Remedy == "" {
			t.Errorf("a problem that does not help: %+v", p)
		}
	}
}

func TestRandomObjects(t *testing.T) {
	for seed := range uint64(1000) {
		tryAll(t, filler{rand.New(rand.NewPCG(seed, 1))})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func FuzzObjects(f *testing.F) {
	f.Add(uint64(1), uint64(2))
	f.Fuzz(func(t *testing.T, a, b uint64) { tryAll(t, filler{rand.New(rand.NewPCG(a, b))}) })
}

func FuzzParseRange(f *testing.F) {
	for _, w := range words {
		f.Add(w)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := parseRange(s)
		if err != nil {
			return
		}
		if r.To.Less(r.From) || r.From.BitLen() != r.To.BitLen() || r.From.Zone() != "" || r.From.Is4In6() {
			t.Errorf("%q is %v", s, r)
		}
		if again, err := parseRange(r.String()); err != nil || again != r {
			t.Errorf("%q is %v, read again %v, %v", s, r, again, err)
		}
	})
}
