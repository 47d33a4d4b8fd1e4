package translate

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

// Each case is name, labels and spec of an IPReservation, and its Problem as
// "field reason ~ part of the message", or none.
func TestReservationProblems(t *testing.T) {
	const managed = "app.kubernetes.io/managed-by: steelyard"
	for _, c := range []struct{ name, labels, spec, want string }{
		{"web", "", "serviceName: web, addresses: [192.0.2.10]", ""},
		{"any", "a: b", "serviceName: web-2, addresses: ['2001:db8::10', 192.0.2.10]", ""},
		{"web-192.0.2.10", managed, "serviceName: web, addresses: [192.0.2.10]", ""},
		{"web-2001-0db8-0000-0000-0000-0000-0000-0010", managed, "serviceName: web, addresses: ['2001:db8::10']", ""},
		{"r", "", "serviceName: '', addresses: [192.0.2.10]", "spec.serviceName Invalid ~ cannot be the name"},
		{"r", "", "serviceName: Web, addresses: [192.0.2.10]", "spec.serviceName Invalid ~ \"Web\""},
		{"r", "", "serviceName: a.b, addresses: [192.0.2.10]", "spec.serviceName Invalid ~ \"a.b\""},
		{"r", "", "serviceName: web, addresses: []", "spec.addresses Invalid ~ no addresses"},
		{"r", "", "serviceName: web, addresses: [192.0.2.0/24]", "spec.addresses[0] Invalid ~ 192.0.2.0/24"},
		{"r", "", "serviceName: web, addresses: [192.0.2.1-192.0.2.2]", "spec.addresses[0] Invalid ~ cannot read"},
		{"r", "", "serviceName: web, addresses: ['fe80::1%eth0']", "spec.addresses[0] Invalid ~ zone"},
		{"r", "", "serviceName: web, addresses: [192.0.2.1, 127.0.0.1]", "spec.addresses[1] Invalid ~ loopback"},
		{"r", "", "serviceName: web, addresses: [192.0.2.1, 192.0.2.1]", "spec.addresses[1] Invalid ~ both IPv4"},
		{"r", "", "serviceName: web, addresses: ['2001:db8::1', '2001:db8::2']", "spec.addresses[1] Invalid ~ both IPv6"},
		{"r", managed, "serviceName: web, addresses: [192.0.2.10]", "metadata.name Invalid ~ must be named \"web-192.0.2.10\""},
		{"web-192.0.2.10", managed, "serviceName: web, addresses: [192.0.2.10, '2001:db8::1']", "spec.addresses Invalid ~ of one address, not 2"},
	} {
		o := manifest[v1beta1.IPReservation](t, fmt.Sprintf("metadata: {namespace: shop, name: %s, labels: {%s}}\nspec: {%s}", c.name, c.labels, c.spec))
		r, problems := Reservation(o)
		got := ""
		if len(problems) > 0 {
			p := problems[0]
			got = p.Field + " " + p.Reason + " ~ " + p.Message
			if want := (config.Ref{Kind: config.KindIPReservation, Key: config.Key{Namespace: "shop", Name: c.name}}); p.Object != want || p.Remedy == "" {
				t.Errorf("%s: about %v, remedy %q", c.spec, p.Object, p.Remedy)
			}
		}
		where, what, _ := strings.Cut(c.want, " ~ ")
		if !strings.HasPrefix(got, where) || !strings.Contains(got, what) || c.want == "" && got != "" || (r == nil) != (got != "") {
			t.Errorf("%s %s: %q, want %q", c.name, c.spec, got, c.want)
		}
		if r != nil && r.Managed != (c.labels == managed) {
			t.Errorf("%s: managed %v", c.name, r.Managed)
		}
	}
}

// What the controller writes is what a snapshot has afterwards, to the
// microsecond.
func TestReservationStatusThereAndBack(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
	want := config.ReservationStatus{
		State: config.ReservationReleased, Addrs: []netip.Addr{netip.MustParseAddr("2001:db8::10")}, Pool: "lan",
		PoolLabels: map[string]string{"zone": "dmz"}, Bound: at, Released: at.Add(time.Hour),
		RetainedTo: at.Add(2 * time.Hour), FreeAt: at.Add(3 * time.Hour),
	}
	addr := want.Addrs[0]
	o := ReservationObject(config.Key{Namespace: "shop", Name: config.ReservationName("web", addr)}, "web", addr)
	o.Status = ReservationStatus(want)
	r, problems := Reservation(o)
	if len(problems) > 0 || !r.Status.Equal(want) || !reflect.DeepEqual(r.Status, want) {
		t.Fatalf("%+v %v, want %+v", r, problems, want)
	}
	if !r.Managed || r.For() != (config.Key{Namespace: "shop", Name: "web"}) || r.Addrs[0] != addr {
		t.Errorf("%+v", r)
	}
	fine := want
	fine.Released = at.Add(999 * time.Nanosecond).In(time.FixedZone("", 3600))
	if got := moment(ReservationStatus(fine).ReleasedAt); !got.Equal(at) {
		t.Errorf("%v became %v", fine.Released, got)
	}
	if none := reservationStatus(&v1beta1.IPReservationStatus{Addresses: []string{"x"}}); !none.Equal(config.ReservationStatus{}) {
		t.Errorf("nothing readable: %+v", none)
	}
}

func TestReservationNamesDiffer(t *testing.T) {
	seen := map[string]string{}
	for _, svc := range []string{"a", "a-1", "a-2001-0db8-0000-0000-0000-0000-0000-0001", "a-0000"} {
		for _, addr := range []string{"192.0.2.1", "1.192.0.2", "2001:db8::1", "::1.2.3.4", "0:2001:db8::1"} {
			name, pair := config.ReservationName(svc, netip.MustParseAddr(addr)), svc+" "+addr
			if other := seen[name]; other != "" {
				t.Errorf("%q is the name of %s and %s", name, other, pair)
			}
			seen[name] = pair
		}
	}
}
