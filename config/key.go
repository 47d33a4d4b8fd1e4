package config

import (
	"net/netip"
	"strings"
)

// Key names a namespaced object. It is comparable and its own map key.
type Key struct{ Namespace, Name string }

// String is namespace/name, or the bare name for objects without a namespace.
func (k Key) String() string {
	if k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

// Compare orders keys by namespace, then name.
func (k Key) Compare(o Key) int {
	if c := strings.Compare(k.Namespace, o.Namespace); c != 0 {
		return c
	}
	return strings.Compare(k.Name, o.Name)
}

// AddrName is addr as a part of an object's name: IPv6 written out in full,
// with ':' as '-', so that it is always a valid one.
func AddrName(addr netip.Addr) string {
	return strings.ReplaceAll(addr.Unmap().WithZone("").StringExpanded(), ":", "-")
}

// Kind is the kind of a Kubernetes object that a Problem or a change is about.
type Kind string

// The kinds that Steelyard reads.
const (
	KindService          Kind = "Service"
	KindEndpointSlice    Kind = "EndpointSlice"
	KindNode             Kind = "Node"
	KindNamespace        Kind = "Namespace"
	KindSecret           Kind = "Secret"
	KindIngress          Kind = "Ingress"
	KindIngressClass     Kind = "IngressClass"
	KindIngressReport    Kind = "IngressReport"
	KindIPAddressPool    Kind = "IPAddressPool"
	KindIPReservation    Kind = "IPReservation"
	KindL2Advertisement  Kind = "L2Advertisement"
	KindBGPPeer          Kind = "BGPPeer"
	KindBFDProfile       Kind = "BFDProfile"
	KindBGPAdvertisement Kind = "BGPAdvertisement"
	KindCommunity        Kind = "Community"
	KindL2Claim          Kind = "L2Claim"
	KindSpeakerStatus    Kind = "SpeakerStatus"
)

// Ref names one object of one kind.
type Ref struct {
	Kind Kind
	Key
}

// String is kind namespace/name.
func (r Ref) String() string { return string(r.Kind) + " " + r.Key.String() }
