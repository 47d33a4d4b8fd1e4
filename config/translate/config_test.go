package translate

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

const home = "steelyard-system"

// world reads manifests, as a user would write them, into Objects. The order
// of creation is that of the text.
func world(t *testing.T, text string) Objects {
	t.Helper()
	in := Objects{Namespace: home, Secrets: map[config.Key]*corev1.Secret{}}
	for i, doc := range strings.Split(text, "\n---\n") {
		var head metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatal(err)
		}
		read := func(into metav1.Object) {
			if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
				t.Fatalf("%v\n%s", err, doc)
			}
			if into.GetNamespace() == "" {
				into.SetNamespace(home)
			}
			into.SetCreationTimestamp(metav1.NewTime(time.Unix(int64(1000+i), 0)))
		}
		switch head.Kind {
		case "IPAddressPool":
			o := &v1beta1.IPAddressPool{}
			read(o)
			in.Pools = append(in.Pools, o)
		case "L2Advertisement":
			o := &v1beta1.L2Advertisement{}
			read(o)
			in.L2 = append(in.L2, o)
		case "BGPAdvertisement":
			o := &v1beta1.BGPAdvertisement{}
			read(o)
			in.BGP = append(in.BGP, o)
		case "BGPPeer":
			o := &v1beta1.BGPPeer{}
			read(o)
			in.Peers = append(in.Peers, o)
		case "BFDProfile":
			o := &v1beta1.BFDProfile{}
			read(o)
			in.BFD = append(in.BFD, o)
		case "Community":
			o := &v1beta1.Community{}
			read(o)
			in.Communities = append(in.Communities, o)
		case "Secret":
			o := &corev1.Secret{}
			read(o)
			for k, v := range o.StringData {
				if o.Data == nil {
					o.Data = map[string][]byte{}
				}
				o.Data[k] = []byte(v)
			}
			in.Secrets[keyOf(o)] = o
		case "Node":
			o := &corev1.Node{}
			read(o)
			in.Nodes = append(in.Nodes, Node(o))
		default:
			t.Fatalf("kind %q", head.Kind)
		}
	}
	return in
}

// The parts of manifests that the cases below are made of.
func pool(name, spec string) string { return doc("IPAddressPool", name, spec) }
func peer(name, spec string) string { return doc("BGPPeer", name, spec) }
func bfdp(name, spec string) string { return doc("BFDProfile", name, spec) }
func comm(name, spec string) string { return doc("Community", name, "communities: ["+spec+"]") }
func badv(name, spec string) string { return doc("BGPAdvertisement", name, spec) }
func l2av(name, spec string) string { return doc("L2Advertisement", name, spec) }
func doc(kind, name, spec string) string {
	return fmt.Sprintf("kind: %s\nmetadata: {name: %s}\nspec: {%s}", kind, name, spec)
}

const (
	node1  = "kind: Node\nmetadata: {name: n1, labels: {rack: a}}\nspec: {podCIDRs: [10.1.0.0/24, 'fd00:1::/64']}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.11}]}"
	node2  = "kind: Node\nmetadata: {name: n2, labels: {rack: b}}\nspec: {podCIDR: 10.1.1.0/24}\nstatus: {addresses: [{type: InternalIP, address: 192.0.2.12}, {type: Hostname, address: n2}]}"
	p4     = "addresses: [198.51.100.0/24]"
	tor    = "myASN: 64512, peerASN: 64513, peerAddress: 192.0.2.1"
	byLink = "myASN: 64512, peerASN: 64513, interface: eth1"
)

// Each case is a world and the Problems it must have, as "object field reason
// ~ part of the message"; used are the names of what still works.
var configCases = []struct {
	name, objects string
	want          []string
	used          string
}{
	{"good pool", pool("a", "addresses: [198.51.100.0/24, 203.0.113.5-203.0.113.9, '2001:db8::/64']"), nil, "a"},
	{"spaces around", pool("a", "addresses: ['203.0.113.5 - 203.0.113.9']"), nil, "a"},
	{"host bits", pool("a", "addresses: [198.51.100.7/24]"), nil, "a"},
	{"no addresses", pool("a", "addresses: []"), []string{"IPAddressPool a spec.addresses Invalid ~ no addresses"}, ""},
	{"not an address", pool("a", "addresses: [198.51.100.0/33]"), []string{"IPAddressPool a spec.addresses[0] Invalid ~ 198.51.100.0/33"}, ""},
	{"single address", pool("a", "addresses: [198.51.100.1]"), []string{"IPAddressPool a spec.addresses[0] Invalid ~ neither a CIDR nor a range"}, ""},
	{"range turned round", pool("a", "addresses: [203.0.113.9-203.0.113.5]"), []string{"IPAddressPool a spec.addresses[0] Invalid ~ before its start"}, ""},
	{"families mixed in a range", pool("a", "addresses: ['203.0.113.9-2001:db8::1']"), []string{"IPAddressPool a spec.addresses[0] Invalid ~ different families"}, ""},
	{"zone", pool("a", "addresses: ['fe80::1%eth0-fe80::2%eth0']"), []string{"IPAddressPool a spec.addresses[0] Invalid ~ zone"}, ""},
	{"mapped", pool("a", "addresses: ['::ffff:192.0.2.1/128']"), []string{"IPAddressPool a spec.addresses[0] Invalid ~ IPv4 address in IPv6 clothes"}, ""},
	{"multicast", pool("a", "addresses: [239.0.0.0/24]"), []string{"IPAddressPool a spec.addresses[0] Invalid ~ multicast"}, ""},
	{"everything", pool("a", "addresses: ['::/0']"), []string{"IPAddressPool a spec.addresses[0] Invalid ~ loopback", "IPAddressPool a spec.addresses[0] Invalid ~ mapped", "IPAddressPool a spec.addresses[0] Invalid ~ link-local", "IPAddressPool a spec.addresses[0] Invalid ~ multicast"}, ""},
	{"overlap inside", pool("a", "addresses: [198.51.100.0/24, 198.51.100.200-198.51.100.201]"), []string{"IPAddressPool a spec.addresses[1] Overlap ~ 198.51.100.0-198.51.100.255 of the same pool"}, ""},
	{"overlap across", pool("z", p4) + "\n---\n" + pool("a", "addresses: [198.51.100.255-198.51.101.3]"), []string{"IPAddressPool a spec.addresses Overlap ~ IPAddressPool z, which is older"}, "z"},
	{"neighbours", pool("a", "addresses: [198.51.100.0/25]") + "\n---\n" + pool("b", "addresses: [198.51.100.128/25]"), nil, "a b"},
	{"a loser takes nothing", pool("a", "addresses: [198.51.100.0/24, bad]") + "\n---\n" + pool("b", p4), []string{"IPAddressPool a spec.addresses[1] Invalid ~ bad"}, "b"},
	{"node address", node1 + "\n---\n" + pool("a", "addresses: [192.0.2.0/24]"), []string{"IPAddressPool a spec.addresses Overlap ~ address 192.0.2.11 of Node n1"}, ""},
	{"Pod range", node1 + "\n---\n" + pool("a", "addresses: ['fd00:1::5-fd00:1::6']"), []string{"IPAddressPool a spec.addresses Overlap ~ Pod range fd00:1::/64 of Node n1"}, ""},
	{"Pod range, old field", node2 + "\n---\n" + pool("a", "addresses: [10.0.0.0/8]"), []string{"IPAddressPool a spec.addresses Overlap ~ Pod range 10.1.1.0/24 of Node n2"}, ""},
	{"Service range", pool("a", "addresses: [10.96.1.0/24]"), []string{"IPAddressPool a spec.addresses Overlap ~ Service range 10.96.0.0/16"}, ""},
	{"allocation twice", pool("a", p4+", serviceAllocation: {priority: -1, namespaces: [x, x], serviceSelectors: [{matchLabels: {a: b}}, {matchExpressions: [{key: a, operator: In, values: [b]}]}]}"),
		[]string{"IPAddressPool a spec.serviceAllocation.namespaces[1] Duplicate ~ x", "IPAddressPool a spec.serviceAllocation.priority Invalid ~ negative", "IPAddressPool a spec.serviceAllocation.serviceSelectors[1] Duplicate ~ same selector"}, ""},
	{"bad selector", pool("a", p4+", serviceAllocation: {namespaceSelectors: [{matchExpressions: [{key: a, operator: Near}]}]}"), []string{"IPAddressPool a spec.serviceAllocation.namespaceSelectors[0] Invalid ~ Near"}, ""},
	{"values twice", pool("a", p4+", serviceAllocation: {namespaceSelectors: [{matchExpressions: [{key: a, operator: In, values: [b, b]}]}]}"), []string{"IPAddressPool a spec.serviceAllocation.namespaceSelectors[0].matchExpressions[0].values[1] Duplicate ~ b"}, ""},
	{"good manners", pool("a", p4+", loadBalancerClasses: ['', example.com/lan], state: Draining, strategy: Random, reuseAfter: 10m, retain: 1h, onRemoval: Reallocate, sharedBetweenNamespaces: [x, y]"), nil, "a"},
	{"classes", pool("a", p4+", loadBalancerClasses: [lan, 'a b', lan]"), []string{"IPAddressPool a spec.loadBalancerClasses[1] Invalid ~ a b", "IPAddressPool a spec.loadBalancerClasses[2] Duplicate ~ lan"}, ""},
	{"unknown state", pool("a", p4+", state: active"), []string{"IPAddressPool a spec.state Invalid ~ active"}, ""},
	{"unknown strategy", pool("a", p4+", strategy: Highest"), []string{"IPAddressPool a spec.strategy Invalid ~ Highest"}, ""},
	{"unknown end", pool("a", p4+", onRemoval: Forget"), []string{"IPAddressPool a spec.onRemoval Invalid ~ Forget"}, ""},
	{"negative rests", pool("a", p4+", reuseAfter: -1s, retain: -1ms"), []string{"IPAddressPool a spec.retain Invalid ~ -1ms is negative", "IPAddressPool a spec.reuseAfter Invalid ~ -1s is negative"}, ""},
	{"sharers", pool("a", p4+", sharedBetweenNamespaces: [x, y, x, A]"), []string{"IPAddressPool a spec.sharedBetweenNamespaces[2] Duplicate ~ x", "IPAddressPool a spec.sharedBetweenNamespaces[3] Invalid ~ A"}, ""},

	{"good advertisements", pool("a", p4) + "\n---\n" + l2av("l", "ipAddressPools: [a], interfaces: [eth0]") + "\n---\n" + badv("b", "communities: ['64512:1', 'large:1:2:3'], aggregationLength: 24"), nil, "a l b"},
	{"pool not there", pool("a", p4) + "\n---\n" + l2av("l", "ipAddressPools: [a, nix]"), []string{"L2Advertisement l spec.ipAddressPools[1] NotFound ~ nix"}, "a l"},
	{"pool with a problem", pool("a", "addresses: [x]") + "\n---\n" + badv("b", "ipAddressPools: [a]"), []string{"BGPAdvertisement b spec.ipAddressPools[0] NotUsed ~ a", "IPAddressPool a spec.addresses[0] Invalid ~ x"}, "b"},
	{"names twice", l2av("l", "ipAddressPools: [a, a], interfaces: [e, e]"), []string{"L2Advertisement l spec.interfaces[1] Duplicate ~ e", "L2Advertisement l spec.ipAddressPools[1] Duplicate ~ a"}, ""},
	{"interface name", l2av("l", "interfaces: ['eth/0', a-name-that-is-too-long]"), []string{"L2Advertisement l spec.interfaces[0] Invalid ~ eth/0", "L2Advertisement l spec.interfaces[1] Invalid ~ too-long"}, ""},
	{"length out of range", badv("b", "aggregationLength: 33, aggregationLengthV6: 0"), []string{"BGPAdvertisement b spec.aggregationLength Invalid ~ 33", "BGPAdvertisement b spec.aggregationLengthV6 Invalid ~ 0"}, ""},
	{"wider than the pool", pool("a", p4) + "\n---\n" + badv("b", "aggregationLength: 23"), []string{"BGPAdvertisement b spec.aggregationLength Invalid ~ at most a /24"}, "a"},
	{"wider than a range", pool("a", "addresses: [203.0.113.4-203.0.113.12]") + "\n---\n" + badv("b", "aggregationLength: 28"), []string{"BGPAdvertisement b spec.aggregationLength Invalid ~ /30"}, "a"},
	{"wider than the pool, IPv6", pool("a", "addresses: ['2001:db8::/112']") + "\n---\n" + badv("b", "aggregationLengthV6: 64"), []string{"BGPAdvertisement b spec.aggregationLengthV6 Invalid ~ /112"}, "a"},
	{"a wide length of another family", pool("a", p4) + "\n---\n" + badv("b", "aggregationLengthV6: 64"), nil, "a b"},
	{"communities", badv("b", "communities: ['1:2', '01:2', '1:65536', 'large:1:2', 'no-export', 'large:4294967296:1:1']"), []string{"BGPAdvertisement b spec.communities[1] Duplicate ~ 01:2", "BGPAdvertisement b spec.communities[2] Invalid ~ 1:65536", "BGPAdvertisement b spec.communities[3] Invalid ~ large:1:2", "BGPAdvertisement b spec.communities[4] NotFound ~ no-export", "BGPAdvertisement b spec.communities[5] Invalid ~ large"}, ""},
	{"equal advertisements", badv("a", "") + "\n---\n" + badv("b", ""), []string{"BGPAdvertisement b spec Duplicate ~ a, which is older"}, "a"},
	{"localPref differs", node1 + "\n---\n" + pool("p", p4) + "\n---\n" + peer("t", "myASN: 64512, peerASN: 64512, peerAddress: 192.0.2.1") + "\n---\n" + badv("a", "localPref: 100") + "\n---\n" + badv("b", "localPref: 200"), []string{"BGPAdvertisement b spec.localPref Conflict ~ a, which is older"}, "p t a"},
	{"localPref differs elsewhere", node1 + "\n---\n" + node2 + "\n---\n" + pool("p", p4) + "\n---\n" + peer("t", "myASN: 64512, peerASN: 64512, peerAddress: 192.0.2.1") + "\n---\n" + badv("a", "localPref: 100, nodeSelectors: [{matchLabels: {rack: a}}]") + "\n---\n" + badv("b", "localPref: 200, nodeSelectors: [{matchLabels: {rack: b}}]"), nil, "p t a b"},
	{"MED differs", node1 + "\n---\n" + pool("p", p4) + "\n---\n" + peer("t", tor) + "\n---\n" + badv("a", "med: 5") + "\n---\n" + badv("b", "med: 6"), []string{"BGPAdvertisement b spec.med Conflict ~ a, which is older"}, "p t a"},
	{"AS path differs", node1 + "\n---\n" + pool("p", p4) + "\n---\n" + peer("t", tor) + "\n---\n" + badv("a", "asPathPrepend: 1") + "\n---\n" + badv("b", "communities: ['1:2']"), []string{"BGPAdvertisement b spec.asPathPrepend Conflict ~ a, which is older"}, "p t a"},
	{"weight differs", node1 + "\n---\n" + pool("p", p4) + "\n---\n" + peer("t", tor) + "\n---\n" + badv("a", "") + "\n---\n" + badv("b", "weightByLocalEndpoints: true"), []string{"BGPAdvertisement b spec.weightByLocalEndpoints Conflict ~ a, which is older"}, "p t a"},
	{"AS path inside", peer("t", "myASN: 1, peerASN: 1, peerAddress: 192.0.2.1") + "\n---\n" + badv("b", "asPathPrepend: 2"), []string{"BGPAdvertisement b spec.asPathPrepend NoEffect ~ in ours"}, "t b"},
	{"AS path too long", badv("b", "asPathPrepend: 17"), []string{"BGPAdvertisement b spec.asPathPrepend Invalid ~ 17 times"}, ""},
	{"localPref by eBGP", peer("t", tor) + "\n---\n" + badv("b", "localPref: 100"), []string{"BGPAdvertisement b spec.localPref NoEffect ~ another AS"}, "t b"},
	{"services of an aggregate", badv("b", "aggregationLength: 24, serviceSelectors: [{matchLabels: {a: b}}]"), []string{"BGPAdvertisement b spec.serviceSelectors Invalid ~ aggregate"}, ""},
	{"peer not there", peer("t", tor) + "\n---\n" + badv("b", "peers: [t, nix]"), []string{"BGPAdvertisement b spec.peers[1] NotFound ~ nix"}, "t b"},
	{"peer with a problem", peer("t", "myASN: 1, peerAddress: 192.0.2.1") + "\n---\n" + badv("b", "peers: [t]"), []string{"BGPAdvertisement b spec.peers[0] NotUsed ~ t", "BGPPeer t spec.peerASN Invalid ~ neither"}, "b"},

	{"good peer", peer("t", tor+", holdTime: 3s, sourceAddress: 192.0.2.2, routerID: 1.2.3.4, ebgpMultiHop: true, connectTime: 5s"), nil, "t"},
	{"both ASNs", peer("t", tor+", dynamicASN: external"), []string{"BGPPeer t spec.dynamicASN Invalid ~ both"}, ""},
	{"unknown dynamicASN", peer("t", "myASN: 1, dynamicASN: what, peerAddress: 192.0.2.1"), []string{"BGPPeer t spec.dynamicASN Invalid ~ what"}, ""},
	{"AS 0", peer("t", "myASN: 0, peerASN: 1, peerAddress: 192.0.2.1"), []string{"BGPPeer t spec.myASN Invalid ~ AS 0"}, ""},
	{"iBGP over hops", peer("t", "myASN: 1, peerASN: 1, peerAddress: 192.0.2.1, ebgpMultiHop: true"), []string{"BGPPeer t spec.ebgpMultiHop Invalid ~ AS 1"}, ""},
	{"no address", peer("t", "myASN: 1, peerASN: 2, peerAddress: router"), []string{"BGPPeer t spec.peerAddress Invalid ~ router"}, ""},
	{"nobody's address", peer("t", "myASN: 1, peerASN: 2, peerAddress: 0.0.0.0"), []string{"BGPPeer t spec.peerAddress Invalid ~ nobody"}, ""},
	{"source of another family", peer("t", tor+", sourceAddress: '2001:db8::1'"), []string{"BGPPeer t spec.sourceAddress Invalid ~ families"}, ""},
	{"router ID", peer("t", tor+", routerID: '2001:db8::1'"), []string{"BGPPeer t spec.routerID Invalid ~ 2001:db8::1"}, ""},
	{"hold time too short", peer("t", tor+", holdTime: 2s"), []string{"BGPPeer t spec.holdTime Invalid ~ 2s"}, ""},
	{"hold time off", peer("t", tor+", holdTime: 0s"), []string{"BGPPeer t spec.holdTime Invalid ~ 0s"}, ""},
	{"keepalive too long", peer("t", tor+", holdTime: 9s, keepaliveTime: 10s"), []string{"BGPPeer t spec.keepaliveTime Invalid ~ longer"}, ""},
	{"keepalive gives too short a hold", peer("t", tor+", keepaliveTime: 500ms"), []string{"BGPPeer t spec.holdTime Invalid ~ 1.5s"}, ""},
	{"connect time", peer("t", tor+", connectTime: 1500ms"), []string{"BGPPeer t spec.connectTime Invalid ~ 1.5s"}, ""},
	{"two at one door", node1 + "\n---\n" + peer("z", tor+", passive: true") + "\n---\n" + peer("a", "myASN: 1, peerASN: 2, peerAddress: 192.0.2.77, passive: true, sourceAddress: 192.0.2.9"), []string{"BGPPeer a spec.passive Conflict ~ 0.0.0.0:179 on Node n1"}, "z"},
	{"two doors", node1 + "\n---\n" + peer("z", tor+", passive: true") + "\n---\n" + peer("a", "myASN: 1, peerASN: 2, peerAddress: '2001:db8::77', passive: true") + "\n---\n" + peer("b", "myASN: 1, peerASN: 2, peerAddress: 192.0.2.78, passive: true, peerPort: 1790") + "\n---\n" + peer("c", "myASN: 1, peerASN: 2, peerAddress: 192.0.2.79"), nil, "a b c z"},
	{"hops", peer("t", tor+", ttlSecurity: 255"), []string{"BGPPeer t spec.ttlSecurity Invalid ~ 255 hops"}, ""},
	{"hops twice", peer("t", tor+", ttlSecurity: 1, ebgpMultiHop: true"), []string{"BGPPeer t spec.ttlSecurity Invalid ~ both"}, ""},
	{"local AS inside", peer("t", "myASN: 1, peerASN: 1, peerAddress: 192.0.2.1, localASN: 2"), []string{"BGPPeer t spec.localASN Invalid ~ eBGP"}, ""},
	{"local AS of the router", peer("t", "myASN: 1, peerASN: 2, peerAddress: 192.0.2.1, localASN: 2"), []string{"BGPPeer t spec.localASN Invalid ~ eBGP"}, ""},
	{"no prefixes", peer("t", tor+", maxPrefixes: 0"), []string{"BGPPeer t spec.maxPrefixes Invalid ~ 0"}, ""},
	{"families", peer("t", tor+", disableMP: true, dualStackAddressFamily: true"), []string{"BGPPeer t spec.disableMP Invalid ~ contradict"}, ""},
	{"too long lived", peer("t", tor+", enableGracefulRestart: true, longLivedGracefulRestart: 5000h"), []string{"BGPPeer t spec.longLivedGracefulRestart Invalid ~ 5000h"}, ""},
	{"long lived alone", peer("t", tor+", longLivedGracefulRestart: 1h"), []string{"BGPPeer t spec.longLivedGracefulRestart Invalid ~ off"}, ""},
	{"two passwords", peer("t", tor+", password: x, passwordSecret: {name: s}"), []string{"BGPPeer t spec.passwordSecret Invalid ~ both"}, ""},
	{"no Secret", peer("t", tor+", passwordSecret: {name: s}"), []string{"BGPPeer t spec.passwordSecret NotFound ~ Secret steelyard-system/s"}, ""},
	{"Secret elsewhere", peer("t", tor+", passwordSecret: {name: s, namespace: other}"), []string{"BGPPeer t spec.passwordSecret.namespace WrongNamespace ~ steelyard-system"}, ""},
	{"Secret of another type", "kind: Secret\nmetadata: {name: s}\ntype: Opaque\nstringData: {password: x}\n---\n" + peer("t", tor+", passwordSecret: {name: s}"), []string{"BGPPeer t spec.passwordSecret Invalid ~ Opaque"}, ""},
	{"Secret without a password", "kind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/basic-auth\nstringData: {username: x}\n---\n" + peer("t", tor+", passwordSecret: {name: s}"), []string{"BGPPeer t spec.passwordSecret Invalid ~ no password"}, ""},
	{"good Secret", "kind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/basic-auth\nstringData: {password: x}\n---\n" + peer("t", tor+", passwordSecret: {name: s}"), nil, "t"},
	{"password too long", peer("t", tor+", password: "+strings.Repeat("x", 81)), []string{"BGPPeer t spec.password Invalid ~ 81 bytes"}, ""},
	{"same router twice", node1 + "\n---\n" + peer("z", tor) + "\n---\n" + peer("a", tor), []string{"BGPPeer a spec.peerAddress Conflict ~ BGPPeer z, which is older, on Node n1"}, "z"},
	{"same router, other nodes", node1 + "\n---\n" + node2 + "\n---\n" + peer("a", tor+", nodeSelectors: [{matchLabels: {rack: a}}]") + "\n---\n" + peer("b", tor+", nodeSelectors: [{matchLabels: {rack: b}}]"), nil, "a b"},
	{"router by interface", node1 + "\n---\n" + peer("a", byLink) + "\n---\n" + peer("b", "myASN: 1, peerASN: 2, interface: eth2"), nil, "a b"},
	{"same interface twice", node1 + "\n---\n" + peer("z", byLink) + "\n---\n" + peer("a", byLink), []string{"BGPPeer a spec.interface Conflict ~ interface eth1 port 179 is also the router of BGPPeer z"}, "z"},
	{"interface and address", peer("t", tor+", interface: eth1"), []string{"BGPPeer t spec.interface Invalid ~ both"}, ""},
	{"no interface's name", peer("t", "myASN: 1, peerASN: 2, interface: 'eth 1'"), []string{"BGPPeer t spec.interface Invalid ~ eth 1"}, ""},
	{"password by interface", peer("t", byLink+", password: x"), []string{"BGPPeer t spec.password Invalid ~ cannot have a password"}, ""},
	{"Secret by interface", "kind: Secret\nmetadata: {name: s}\ntype: kubernetes.io/basic-auth\nstringData: {password: x}\n---\n" + peer("t", byLink+", passwordSecret: {name: s}"), []string{"BGPPeer t spec.passwordSecret Invalid ~ cannot have a password"}, ""},
	{"source by interface", peer("t", byLink+", sourceAddress: 192.0.2.1"), []string{"BGPPeer t spec.sourceAddress Invalid ~ link-local"}, ""},
	{"waiting by interface", peer("t", byLink+", passive: true"), []string{"BGPPeer t spec.passive Invalid ~ cannot be waited for"}, ""},
	{"hops by interface", peer("t", byLink+", ebgpMultiHop: true"), []string{"BGPPeer t spec.ebgpMultiHop Invalid ~ on the link"}, ""},
	{"same router, other VRF", node1 + "\n---\n" + peer("a", tor) + "\n---\n" + peer("b", tor+", vrf: red") + "\n---\n" + peer("c", tor+", vrf: blue"), nil, "a b c"},
	{"same router, same VRF", node1 + "\n---\n" + peer("z", tor+", vrf: red") + "\n---\n" + peer("a", tor+", vrf: red"), []string{"BGPPeer a spec.peerAddress Conflict ~ BGPPeer z"}, "z"},
	{"waiting in two VRFs", node1 + "\n---\n" + peer("a", tor+", passive: true") + "\n---\n" + peer("b", "myASN: 1, peerASN: 2, peerAddress: 192.0.2.2, passive: true, vrf: red"), nil, "a b"},
	{"no VRF's name", peer("t", tor+", vrf: 'red vrf'"), []string{"BGPPeer t spec.vrf Invalid ~ red vrf"}, ""},
	{"VRF by interface", peer("t", byLink+", vrf: red"), []string{"BGPPeer t spec.vrf Invalid ~ cannot be in a VRF"}, ""},
	{"same router, other port", node1 + "\n---\n" + peer("a", tor) + "\n---\n" + peer("b", tor+", peerPort: 1179"), nil, "a b"},

	{"watched", bfdp("fast", "receiveInterval: 50, transmitInterval: 50") + "\n---\n" + peer("t", tor+", bfdProfile: fast"), nil, "t fast"},
	{"no such profile", bfdp("fast", "") + "\n---\n" + peer("t", tor+", bfdProfile: slow"), []string{"BGPPeer t spec.bfdProfile NotFound ~ no BFDProfile \"slow\""}, "t fast"},
	{"profile with a problem", bfdp("fast", "transmitInterval: 20") + "\n---\n" + peer("t", tor+", bfdProfile: fast"), []string{"BFDProfile fast spec.transmitInterval Invalid ~ 20", "BGPPeer t spec.bfdProfile NotUsed ~ goes on without BFD"}, "t"},
	{"echo mode", bfdp("fast", "echoMode: true") + "\n---\n" + peer("t", tor+", bfdProfile: fast"), []string{"BFDProfile fast spec.echoMode NoEffect ~ no echo mode"}, "t fast"},

	{"named community", comm("c", "{name: gold, value: '1:2'}, {name: far, value: 'large:1:2:3'}") + "\n---\n" + badv("b", "communities: [gold, far, '1:3']"), nil, "c b"},
	{"named and not", comm("c", "{name: gold, value: '1:2'}") + "\n---\n" + badv("b", "communities: [gold, '1:2']"), []string{"BGPAdvertisement b spec.communities[1] Duplicate ~ 1:2"}, "c"},
	{"no such community", comm("c", "{name: gold, value: '1:2'}") + "\n---\n" + badv("a", "communities: [gold]") + "\n---\n" + badv("b", "communities: [silver]"), []string{"BGPAdvertisement b spec.communities[0] NotFound ~ \"silver\""}, "a c"},
	{"one name of two is bad", comm("c", "{name: gold, value: '1:2'}, {name: silver, value: '1:2:3'}") + "\n---\n" + badv("a", "communities: [gold]") + "\n---\n" + badv("b", "communities: [silver]"), []string{"Community c spec.communities[1].value Invalid ~ 1:2:3", "BGPAdvertisement b spec.communities[0] NotUsed ~ \"silver\""}, "a c"},
	{"a name in two objects", comm("z", "{name: gold, value: '1:2'}") + "\n---\n" + comm("w", "{name: far, value: '1:3'}, {name: gold, value: '1:4'}") + "\n---\n" + badv("a", "communities: [gold, far, '1:4']"), []string{"Community w spec.communities[1].name Conflict ~ Community z, which is older"}, "a w z"},
	{"a name whose older value is bad", comm("z", "{name: gold, value: bad}") + "\n---\n" + comm("w", "{name: gold, value: '1:4'}") + "\n---\n" + badv("a", "communities: [gold]"), []string{"Community z spec.communities[0].value Invalid ~ bad"}, "a w z"},
	{"a name twice in one", comm("c", "{name: gold, value: '1:2'}, {name: gold, value: '1:3'}") + "\n---\n" + badv("a", "communities: [gold, '1:3']"), []string{"Community c spec.communities[1].name Duplicate ~ with the value 1:2"}, "a c"},
	{"a community elsewhere", "kind: Community\nmetadata: {name: c, namespace: default}\nspec: {communities: [{name: gold, value: '1:2'}]}\n---\n" + badv("b", "communities: [gold]"), []string{"Community default/c metadata.namespace WrongNamespace ~ \"steelyard-system\"", "BGPAdvertisement b spec.communities[0] NotFound ~ gold"}, ""},

	{"another namespace", "kind: IPAddressPool\nmetadata: {name: a, namespace: default}\nspec: {addresses: [198.51.100.0/24]}\n---\n" + l2av("l", "ipAddressPools: [a]"), []string{"IPAddressPool default/a metadata.namespace WrongNamespace ~ \"steelyard-system\"", "L2Advertisement l spec.ipAddressPools[0] NotFound ~ a"}, "l"},
}

func TestConfig(t *testing.T) {
	for _, c := range configCases {
		t.Run(c.name, func(t *testing.T) {
			in := world(t, c.objects)
			in.ServiceRanges = []netip.Prefix{netip.MustParsePrefix("10.96.0.0/16")}
			out := Config(in)
			checkProblems(t, out.Problems, c.want)
			if got := names(out); !slices.Equal(got, sorted(strings.Fields(c.used))) {
				t.Errorf("used %v, want %q", got, c.used)
			}
		})
	}
}

// checkProblems compares in any order: the order is checked elsewhere.
func checkProblems(t *testing.T, got []config.Problem, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d problems, want %d: %v", len(got), len(want), got)
	}
	for _, w := range want {
		head, part, _ := strings.Cut(w, " ~ ")
		found := slices.ContainsFunc(got, func(p config.Problem) bool {
			object := strings.ReplaceAll(p.Object.String(), home+"/", "")
			return strings.Join([]string{object, p.Field, p.Reason}, " ") == head &&
				strings.Contains(p.Message, part) && p.Remedy != ""
		})
		if !found {
			t.Errorf("no problem %q in %+v", w, got)
		}
	}
}

func names(s Settings) []string {
	var out []string
	for _, p := range s.Pools {
		out = append(out, p.Name)
	}
	for _, a := range s.L2 {
		out = append(out, a.Name)
	}
	for _, a := range s.BGP {
		out = append(out, a.Name)
	}
	for _, p := range s.BFD {
		out = append(out, p.Name)
	}
	for _, c := range s.Communities {
		out = append(out, c.Name)
	}
	for _, p := range s.Peers {
		out = append(out, p.Name)
	}
	return sorted(out)
}

func sorted(list []string) []string { slices.Sort(list); return list }
