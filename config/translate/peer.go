package translate

import (
	"net/netip"
	"strings"
	"time"
	"unicode"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	bgpPort         = 179
	defaultHoldTime = 90 * time.Second
	minHoldTime     = 3 * time.Second // RFC 4271 section 4.2
	maxTimer        = 65535 * time.Second
	maxPassword     = 80 // bytes, what the kernel takes for TCP MD5
	maxHops         = 254
	maxInterface    = 15               // bytes of an interface's name, IFNAMSIZ less the end
	maxPrefixes     = 1000             // what a router may send, unless told
	maxLongLived    = 4660 * time.Hour // 24 bits of seconds, RFC 9494 section 3.1
)

// Peer translates one BGPPeer by itself; the peer is nil if it has a problem.
// secrets are looked up for spec.passwordSecret, by key.
func Peer(o *v1beta1.BGPPeer, secrets map[config.Key]*corev1.Secret) (*config.Peer, []config.Problem) {
	f := faultsOf(config.KindBGPPeer, o)
	s := &o.Spec
	p := &config.Peer{
		Name: o.Name, MyASN: s.MyASN, PeerASN: s.PeerASN, Dynamic: s.DynamicASN,
		Port: s.PeerPort, MultiHop: s.EBGPMultiHop, GracefulRestart: s.EnableGracefulRestart, LocalASN: s.LocalASN, Passive: s.Passive,
		NodeSelectors: selectors(f, "spec.nodeSelectors", s.NodeSelectors),
	}
	if p.Port == 0 {
		p.Port = bgpPort
	}
	peerASNs(f, p)
	peerAddresses(f, p, s)
	peerInterface(f, p, o)
	peerVRF(f, p, s)
	peerTimers(f, p, s)
	peerLimits(f, p, s)
	peerReceives(f, p, s)
	peerFamilies(f, p, s)
	p.Password = peerPassword(f, o, secrets)
	if f.any() {
		return nil, f.problems
	}
	return p, nil
}

func peerASNs(f *faults, p *config.Peer) {
	if p.MyASN == 0 {
		f.add("spec.myASN", ReasonInvalid, "set the AS number of this side", "AS 0 is reserved")
	}
	switch {
	case p.PeerASN == 0 && p.Dynamic == "":
		f.add("spec.peerASN", ReasonInvalid, "set the AS number of the router, or dynamicASN",
			"neither peerASN nor dynamicASN is set")
	case p.PeerASN != 0 && p.Dynamic != "":
		f.add("spec.dynamicASN", ReasonInvalid, "remove one of them", "both peerASN and dynamicASN are set")
	case p.Dynamic != "" && p.Dynamic != "internal" && p.Dynamic != "external":
		f.add("spec.dynamicASN", ReasonInvalid, "use internal or external", "%q is unknown", p.Dynamic)
	}
	if p.MultiHop && (p.PeerASN == p.MyASN || p.Dynamic == "internal") {
		f.add("spec.ebgpMultiHop", ReasonInvalid, "remove it; iBGP sessions may be several hops long anyway",
			"the session is inside AS %d, so it is not eBGP", p.MyASN)
	}
	if p.LocalASN != 0 && (p.PeerASN == p.MyASN || p.PeerASN == p.LocalASN || p.Dynamic == "internal") {
		f.add("spec.localASN", ReasonInvalid, "remove it, and set myASN to the AS that the router knows this side as",
			"localASN is for eBGP, and the router's AS is myASN or localASN")
	}
}

func peerAddresses(f *faults, p *config.Peer, s *v1beta1.BGPPeerSpec) {
	read := func(field, text string) netip.Addr {
		a, err := parseAddr(text)
		if err != nil {
			f.add(field, ReasonInvalid, "write an IP address", "cannot read %q: %v", text, err)
		}
		return a
	}
	if s.Interface == "" {
		p.Addr = read("spec.peerAddress", s.PeerAddress)
	}
	if p.Addr.IsValid() && (p.Addr.IsUnspecified() || p.Addr.IsMulticast()) {
		f.add("spec.peerAddress", ReasonInvalid, "write the address of the router", "nobody answers at %v", p.Addr)
	}
	if s.SourceAddress != "" {
		p.Source = read("spec.sourceAddress", s.SourceAddress)
		if p.Source.IsValid() && p.Addr.IsValid() && p.Source.BitLen() != p.Addr.BitLen() {
			f.add("spec.sourceAddress", ReasonInvalid, "use addresses of one family",
				"%v and the peer's %v are of different families", p.Source, p.Addr)
		}
	}
	if s.RouterID != "" {
		p.RouterID = read("spec.routerID", s.RouterID)
		if p.RouterID.IsValid() && (!p.RouterID.Is4() || p.RouterID.IsUnspecified()) {
			f.add("spec.routerID", ReasonInvalid, "write an IPv4 address", "%v cannot be a router ID", p.RouterID)
		}
	}
}

// peerInterface reads where a router without a known address is. It is found on
// the link by its link-local address, which rules out what belongs to another
// way to reach it, and a password: TCP MD5 keys are set by address, and GoBGP
// sets none for an address with a zone.
func peerInterface(f *faults, p *config.Peer, o *v1beta1.BGPPeer) {
	s := &o.Spec
	if s.Interface == "" {
		return
	}
	p.Interface = s.Interface
	if !isInterface(s.Interface) {
		f.add("spec.interface", ReasonInvalid, "write the name of a network interface of the nodes, such as eth1",
			"%q cannot be the name of an interface", s.Interface)
	}
	const alone = "remove it, or set peerAddress in place of interface"
	if s.PeerAddress != "" {
		f.add("spec.interface", ReasonInvalid, "remove one of them", "both interface and peerAddress are set")
	}
	if s.Password != "" {
		f.add("spec.password", ReasonInvalid, alone, "a peer by interface cannot have a password")
	}
	if r := s.PasswordSecret; r != nil && (r.Name != "" || r.Namespace != "") {
		f.add("spec.passwordSecret", ReasonInvalid, alone, "a peer by interface cannot have a password")
	}
	if s.SourceAddress != "" {
		f.add("spec.sourceAddress", ReasonInvalid, alone, "a peer by interface is reached from the link-local address of that interface")
	}
	if s.Passive {
		f.add("spec.passive", ReasonInvalid, alone, "a peer by interface cannot be waited for")
	}
	if s.EBGPMultiHop {
		f.add("spec.ebgpMultiHop", ReasonInvalid, alone, "a peer by interface is on the link of that interface")
	}
}

// peerVRF reads which VRF the session runs in. Whether it is there is for each
// node to say.
func peerVRF(f *faults, p *config.Peer, s *v1beta1.BGPPeerSpec) {
	if s.VRF == "" {
		return
	}
	p.VRF = s.VRF
	if !isInterface(s.VRF) {
		f.add("spec.vrf", ReasonInvalid, "write the name of a VRF device of the nodes, such as red", "%q cannot be the name of a device", s.VRF)
	}
	if s.Interface != "" {
		f.add("spec.vrf", ReasonInvalid, "set peerAddress in place of interface, or remove vrf", "a peer by interface cannot be in a VRF")
	}
}

// isInterface tells whether name can be that of a network interface.
func isInterface(name string) bool {
	return len(name) <= maxInterface && !strings.ContainsFunc(name, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune("/%:", r)
	})
}

// peerTimers applies RFC 4271: a hold time of 0 switches both timers off; one
// timer alone derives the other, keepalive being a third of hold.
func peerTimers(f *faults, p *config.Peer, s *v1beta1.BGPPeerSpec) {
	hold, keep := duration(s.HoldTime, -1), duration(s.KeepaliveTime, -1)
	switch {
	case s.HoldTime == nil && keep > 0:
		hold = 3 * keep
	case s.HoldTime == nil:
		hold = defaultHoldTime
	}
	if s.KeepaliveTime == nil {
		keep = hold / 3
	}
	if hold < minHoldTime || hold > maxTimer {
		f.add("spec.holdTime", ReasonInvalid, "use 3s to 65535s; sessions without a hold time are not supported", "%v is not a hold time we can keep", hold)
	}
	if keep < 0 || keep > hold {
		f.add("spec.keepaliveTime", ReasonInvalid, "use a third of the hold time",
			"%v is longer than the hold time %v, or negative", keep, hold)
	}
	p.HoldTime, p.KeepaliveTime = hold, keep
	if p.ConnectTime = duration(s.ConnectTime, 0); s.ConnectTime != nil &&
		(p.ConnectTime < time.Second || p.ConnectTime > maxTimer || p.ConnectTime%time.Second != 0) {
		f.add("spec.connectTime", ReasonInvalid, "use whole seconds from 1s to 65535s", "%v is not possible", p.ConnectTime)
	}
}

// peerLimits reads what protects this side: from far away senders, from too
// many routes.
func peerLimits(f *faults, p *config.Peer, s *v1beta1.BGPPeerSpec) {
	if h := s.TTLSecurity; h != nil {
		switch {
		case *h < 1 || *h > maxHops:
			f.add("spec.ttlSecurity", ReasonInvalid, "use 1 for a router on the same link", "%d hops are not possible", *h)
		case s.EBGPMultiHop:
			f.add("spec.ttlSecurity", ReasonInvalid, "remove ebgpMultiHop; ttlSecurity allows as many hops as it says",
				"both ttlSecurity and ebgpMultiHop are set")
		default:
			p.Hops = uint8(*h)
		}
	}
	p.MaxPrefixes = maxPrefixes
	if m := s.MaxPrefixes; m != nil {
		if *m < 1 {
			f.add("spec.maxPrefixes", ReasonInvalid, "use 1 or more", "%d is no limit", *m)
		}
		p.MaxPrefixes = uint32(max(*m, 1))
	}
}

// peerFamilies reads which routes are offered, and how long they are kept.
func peerFamilies(f *faults, p *config.Peer, s *v1beta1.BGPPeerSpec) {
	dual := s.DualStackAddressFamily
	if s.DisableMP && dual != nil && *dual {
		f.add("spec.disableMP", ReasonInvalid, "remove it", "disableMP and dualStackAddressFamily contradict each other")
	}
	p.OneFamily = s.DisableMP || dual != nil && !*dual
	if s.LongLivedGracefulRestart == nil {
		return
	}
	p.LongLived = s.LongLivedGracefulRestart.Duration
	if p.LongLived < time.Second || p.LongLived > maxLongLived {
		f.add("spec.longLivedGracefulRestart", ReasonInvalid, "use 1s to 4660h", "%v is not possible", p.LongLived)
	}
	if !p.GracefulRestart {
		f.add("spec.longLivedGracefulRestart", ReasonInvalid, "set enableGracefulRestart, or remove it",
			"it begins when graceful restart ends, and that is off")
	}
}

func duration(d *metav1.Duration, unset time.Duration) time.Duration {
	if d == nil {
		return unset
	}
	return d.Duration
}

// peerPassword finds the password, if one is asked for. A peer whose password
// is not known is not used: a session without one is not what was asked for.
func peerPassword(f *faults, o *v1beta1.BGPPeer, secrets map[config.Key]*corev1.Secret) string {
	const field = "spec.passwordSecret"
	ref := o.Spec.PasswordSecret
	if ref == nil || (ref.Name == "" && ref.Namespace == "") {
		return checkPassword(f, "spec.password", o.Spec.Password)
	}
	key := config.Key{Namespace: o.Namespace, Name: ref.Name}
	create := "kubectl create secret generic " + ref.Name + " -n " + o.Namespace +
		" --type=kubernetes.io/basic-auth --from-literal=password=..."
	secret := secrets[key]
	switch {
	case o.Spec.Password != "":
		f.add(field, ReasonInvalid, "remove one of them", "both password and passwordSecret are set")
	case ref.Namespace != "" && ref.Namespace != o.Namespace:
		f.add(field+".namespace", ReasonWrongNamespace, "move the Secret there and leave the field empty",
			"the Secret must be in namespace %q, next to the BGPPeer", o.Namespace)
	case secret == nil:
		f.add(field, ReasonNotFound, create, "there is no Secret %v", key)
	case secret.Type != corev1.SecretTypeBasicAuth:
		f.add(field, ReasonInvalid, "delete it, then "+create,
			"Secret %v is of type %q, not %s", key, secret.Type, corev1.SecretTypeBasicAuth)
	case len(secret.Data[corev1.BasicAuthPasswordKey]) == 0:
		f.add(field, ReasonInvalid, "set its key \"password\"", "Secret %v holds no password", key)
	default:
		return checkPassword(f, field, string(secret.Data[corev1.BasicAuthPasswordKey]))
	}
	return ""
}

func checkPassword(f *faults, field, password string) string {
	if len(password) > maxPassword {
		f.add(field, ReasonInvalid, "use a shorter one on both sides",
			"the password has %d bytes, TCP MD5 allows %d", len(password), maxPassword)
	}
	return password
}
