package failover

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

var (
	zero  = time.Unix(1_800_000_000, 0)
	four  = netip.MustParseAddr("172.30.40.1")
	other = netip.MustParseAddr("172.30.40.2")
	six   = netip.MustParseAddr("fd00:30::40:1")
	fault = errors.New("fault")
)

// at is a moment so many milliseconds after zero.
func at(ms int) time.Time { return zero.Add(time.Duration(ms) * time.Millisecond) }

// asked are requests that were made at these times and ended 2 ms later; a
// negative one failed 200 ms later.
func asked(times ...int) (out samples) {
	for _, ms := range times {
		if ms < 0 {
			out = append(out, sample{at(-ms), at(-ms + 200), fault})
			continue
		}
		out = append(out, sample{at(ms), at(ms + 2), nil})
	}
	return out
}

// timing is a time that samples tell of an event.
type timing struct {
	name  string
	s     samples
	event int
	want  time.Duration
}

func checkTimings(t *testing.T, of func(samples, time.Time) time.Duration, cases ...timing) {
	t.Helper()
	for _, c := range cases {
		if got := of(c.s, at(c.event)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestGap(t *testing.T) {
	checkTimings(t, samples.gap,
		timing{"no fault", asked(10, 20, 30, 40), 25, 10 * time.Millisecond},
		timing{"a fault", asked(10, 20, -30, -40, 350, 360), 25, 330 * time.Millisecond},
		timing{"one before the event does not count", asked(10, 500, 510, 520), 505, 10 * time.Millisecond},
		timing{"one across the event does", asked(10, 500, 510), 300, 490 * time.Millisecond},
		timing{"in any order", asked(350, 10, -30, 20), 25, 330 * time.Millisecond},
		timing{"never again", asked(10, 20, -30), 25, 0},
	)
}

func TestOutage(t *testing.T) {
	checkTimings(t, samples.outage,
		timing{"no fault", asked(10, 20, 30), 15, 0},
		timing{"some of the requests", asked(10, 20, -30, 40, -50, 60, 70), 25, 37 * time.Millisecond},
		timing{"in any order", asked(70, 60, -50, 10, -30, 40), 25, 37 * time.Millisecond},
		timing{"one across the event", asked(10, -20, 30, 40), 25, 7 * time.Millisecond},
		timing{"one before the event", asked(10, -20, 300), 250, 0},
		timing{"never again", asked(10, -30, -40), 25, 0},
	)
}

func TestMisled(t *testing.T) {
	checkTimings(t, samples.misled,
		timing{"no fault", asked(10, 20, 30), 15, 0},
		timing{"the last of them", asked(10, -30, 40, -90, 60, 100), 25, 65 * time.Millisecond},
		timing{"one that was on its way", asked(10, -20, 30), 25, 0},
	)
}

func TestQuiet(t *testing.T) {
	for _, c := range []struct {
		name  string
		s     samples
		now   int
		quiet bool
	}{
		{"too soon", asked(10, 110), 500, false},
		{"long enough", asked(10, 110), 1200, true},
		{"a failure since", asked(10, -500, 510, 800), 1200, false},
		{"long after the failure", asked(10, -500, 800), 1800, true},
		{"no answer since", asked(10, -500), 5000, false},
		{"never an answer", asked(-10, -500), 5000, false},
		{"a failure across the event", asked(-10, 300), 1250, true},
	} {
		if err := c.s.quiet(at(100), at(c.now), time.Second); (err == nil) != c.quiet {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	err := asked(10, -500).quiet(at(100), at(5000), time.Second)
	if !errors.Is(err, fault) || !strings.Contains(err.Error(), "1 of 2 requests failed, the last one 0.6 s") {
		t.Errorf("does not say what was seen: %v", err)
	}
}

func TestMetricsAreOfTheWorseFamily(t *testing.T) {
	tr := &trial{at: at(25), probers: []*prober{
		{Addr: four, asked: asked(10, 20, -30, 350)}, {Addr: six, asked: asked(10, 20, -30, -40, 450)},
	}}
	m := tr.metrics()
	if m[MetricGap] != 430 || m[MetricFailed] != 3 || m[MetricSent] != 9 || m[MetricLast] != 215 {
		t.Errorf("%v", m)
	}
	if _, ok := m[MetricARP]; ok {
		t.Error("ARP was not asked")
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name   string
		owners map[netip.Addr]string
		node   string
		addrs  int
	}{
		{"both families", map[netip.Addr]string{four: "n1", other: "n2", six: "n2"}, "n2", 2},
		{"one address of a family", map[netip.Addr]string{four: "n3", other: "n3"}, "n3", 1},
		{"IPv4 first", map[netip.Addr]string{six: "n1", four: "n2"}, "n2", 1},
		{"the first of equals", map[netip.Addr]string{other: "n3", four: "n2"}, "n2", 1},
	} {
		got, err := choose(c.owners)
		if err != nil || got.node != c.node || len(got.addrs) != c.addrs || !got.addrs[0].Is4() {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	if _, err := choose(nil); err == nil {
		t.Error("chose of nothing")
	}
}

func TestSlicesHoldPodsOfTheNodes(t *testing.T) {
	pod := func(node string, ips ...string) (p corev1.Pod) {
		p.Spec.NodeName = node
		for _, ip := range ips {
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
		}
		return p
	}
	pods := []corev1.Pod{pod("n1", "10.0.1.1", "fd00::1"), pod("n2", "10.0.2.1", "fd00::2"), pod("n3")}
	slice := sliceOf("web-0", discoveryv1.AddressTypeIPv6, pods, []string{"n2", "n3"})
	if len(slice.Endpoints) != 1 || slice.Endpoints[0].Addresses[0] != "fd00::2" || *slice.Endpoints[0].NodeName != "n2" {
		t.Errorf("endpoints are %v", slice.Endpoints)
	}
	if slice.Labels[discoveryv1.LabelServiceName] != "web-0" || slice.Name != "web-0-ipv6" {
		t.Errorf("the slice is %v", slice.ObjectMeta)
	}
}

func TestManifestsAreYAML(t *testing.T) {
	all := strings.Join([]string{pods + onLAN + strings.ReplaceAll(one, "%s", "{}"), behindRouters, crowdManifest, fibManifest}, "---\n")
	for _, doc := range strings.Split(all, "---\n") {
		var object metav1.PartialObjectMetadata
		if err := yaml.Unmarshal([]byte(strings.ReplaceAll(doc, "{}-%d", "web")), &object); err != nil {
			t.Errorf("%v: %s", err, doc)
		} else if object.Kind == "" || object.Name == "" {
			t.Errorf("no kind or name: %s", doc)
		}
	}
}

func TestARPFrames(t *testing.T) {
	mac := net.HardwareAddr{2, 0, 172, 30, 0, 2}
	f := arpFrame{op: arpRequest, sender: mac, senderIP: netip.MustParseAddr("172.30.0.2"), target: four}
	b := f.encode()
	got, ok := parseARP(b)
	if len(b) != arpSize || !ok || got.op != f.op || got.sender.String() != mac.String() || got.senderIP != f.senderIP || got.target != four {
		t.Errorf("%x reads %+v, %v", b, got, ok)
	}
	if got.gratuitous() || !(arpFrame{op: arpRequest, senderIP: four, target: four}).gratuitous() || !(arpFrame{op: arpReply, senderIP: four, target: other}).gratuitous() {
		t.Error("takes a question for an announcement, or an announcement for a question")
	}
	if _, ok := parseARP(b[:41]); ok {
		t.Error("read a frame that is cut off")
	}
	b[13] = 0
	if _, ok := parseARP(b); ok {
		t.Error("read a frame of another protocol")
	}
}

func TestTalks(t *testing.T) {
	question := func(addr netip.Addr, ms int) word { return word{addr: addr, at: at(ms)} }
	answer := func(addr netip.Addr, from string, ms int) word { return word{addr, from, at(ms)} }
	all := talks(
		[]word{question(four, 10), question(other, 15), question(four, 20), question(four, 30)},
		[]word{
			answer(four, "a", 5),                                                 // to nothing
			answer(four, "a", 12), answer(other, "b", 16), answer(four, "b", 18), // two for four at 10
			answer(four, "b", 31),
		})
	if n := []int{len(all[0].answers), len(all[1].answers), len(all[2].answers), len(all[3].answers)}; n[0] != 2 || n[1] != 1 || n[2] != 0 || n[3] != 1 {
		t.Fatalf("answers %v", n)
	}
	if got := doubled(all); got != at(10) {
		t.Errorf("two answered last at %v", got.Sub(zero))
	}
	if got := doubled(all[1:]); !got.IsZero() {
		t.Errorf("nobody answered beside another, but at %v", got)
	}
	if got := waited(all); got[0] != 2 || got[1] != 1 || got[2] != 1000 || got[3] != 1 {
		t.Errorf("waited %v", got)
	}
}

func TestKeepalivedConf(t *testing.T) {
	text := keepalivedConf("n2", 120)
	if strings.Count(text, "priority 120") != len(vips) || strings.Count(text, "{") != strings.Count(text, "}") {
		t.Errorf("%s", text)
	}
	for _, part := range []string{"router_id n2", "advert_int 0.1\n  virtual_ipaddress { fd00:30::41:1/64 dev eth0 }", "advert_int 1\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
}

// pipe is a connection of which the other end answers what it is told to.
type pipe struct {
	*strings.Reader
	wrote strings.Builder
}

func (p *pipe) Write(b []byte) (int, error) { return p.wrote.Write(b) }

func TestExchange(t *testing.T) {
	for answer, good := range map[string]bool{
		"HTTP/1.0 200 OK\r\n\r\nhello": true, "HTTP/1.0 503 Service Unavailable\r\n\r\n": false, "": false, "HTTP/1.0 2": false,
	} {
		p := &pipe{Reader: strings.NewReader(answer)}
		if _, err := exchange(p); (err == nil) != good || !strings.HasPrefix(p.wrote.String(), "GET / HTTP/1.0\r\n") {
			t.Errorf("%q: %v after %q", answer, err, p.wrote.String())
		}
	}
}

func TestOnce(t *testing.T) {
	answer := func(text string) netip.AddrPort {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		if text != "" {
			go func() {
				for conn, err := listener.Accept(); err == nil; conn, err = listener.Accept() {
					_, _ = bufio.NewReader(conn).ReadString('\n')
					_, _ = io.WriteString(conn, text)
					conn.Close()
				}
			}()
		}
		return listener.Addr().(*net.TCPAddr).AddrPort()
	}
	silent := answer("")
	for addr, want := range map[netip.AddrPort]string{
		answer("HTTP/1.0 200 OK\r\n\r\nhello"):             "",
		answer("HTTP/1.0 503 Service Unavailable\r\n\r\n"): "503",
		silent:                                 "read: i/o timeout",
		netip.MustParseAddrPort("127.0.0.1:1"): "connect: connection refused",
		netip.AddrPortFrom(netip.IPv6Loopback(), 1): "connect: connection refused",
	} {
		s := once(addr, probeLimit)
		if got := fmt.Sprint(s.err); want == "" && s.err != nil || !strings.Contains(got, want) {
			t.Errorf("%v: %v, want %q", addr, s.err, want)
		}
		if took := s.done.Sub(s.sent); addr == silent && took < probeLimit {
			t.Errorf("given up after %v", took)
		}
	}
}
