package v1beta1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// BGPPeer is a router that the speakers of the chosen nodes peer with.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=bgpp,categories=steelyard
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.spec.peerAddress`
// +kubebuilder:printcolumn:name="Interface",type=string,JSONPath=`.spec.interface`,priority=1
// +kubebuilder:printcolumn:name="ASN",type=string,JSONPath=`.spec.peerASN`
// +kubebuilder:printcolumn:name="My ASN",type=string,JSONPath=`.spec.myASN`
// +kubebuilder:printcolumn:name="BFD Profile",type=string,JSONPath=`.spec.bfdProfile`
// +kubebuilder:printcolumn:name="Multi Hops",type=boolean,JSONPath=`.spec.ebgpMultiHop`
// +kubebuilder:printcolumn:name="Valid",type=string,JSONPath=`.status.conditions[?(@.type=="Valid")].status`
// +kubebuilder:printcolumn:name="Established",type=string,JSONPath=`.status.conditions[?(@.type=="Established")].status`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type BGPPeer struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   BGPPeerSpec  `json:"spec"`
	Status ConfigStatus `json:"status,omitempty"`
}

// BGPPeerSpec holds the parameters of the session.
//
// +kubebuilder:validation:XValidation:rule="has(self.peerASN) && self.peerASN != 0 ? !has(self.dynamicASN) : has(self.dynamicASN)",message="set exactly one of peerASN and dynamicASN"
// +kubebuilder:validation:XValidation:rule="!(has(self.password) && size(self.password) > 0 && has(self.passwordSecret))",message="set password or passwordSecret, not both"
// +kubebuilder:validation:XValidation:rule="!has(self.ebgpMultiHop) || !self.ebgpMultiHop || !has(self.peerASN) || self.peerASN != self.myASN",message="ebgpMultiHop is for eBGP: myASN and peerASN are equal"
// +kubebuilder:validation:XValidation:rule="!has(self.ttlSecurity) || !has(self.ebgpMultiHop) || !self.ebgpMultiHop",message="set ttlSecurity or ebgpMultiHop, not both: ttlSecurity allows several hops too"
// +kubebuilder:validation:XValidation:rule="!has(self.localASN) || (has(self.dynamicASN) ? self.dynamicASN == 'external' : has(self.peerASN) && self.peerASN != self.myASN && self.peerASN != self.localASN)",message="localASN is for eBGP: it cannot be the AS of the router, nor can myASN"
// +kubebuilder:validation:XValidation:rule="!has(self.longLivedGracefulRestart) || (has(self.enableGracefulRestart) && self.enableGracefulRestart)",message="longLivedGracefulRestart needs enableGracefulRestart"
// +kubebuilder:validation:XValidation:rule="!has(self.disableMP) || !self.disableMP || !has(self.dualStackAddressFamily) || !self.dualStackAddressFamily",message="disableMP and dualStackAddressFamily contradict each other"
// +kubebuilder:validation:XValidation:rule="has(self.peerAddress) != has(self.interface)",message="set exactly one of peerAddress and interface"
// +kubebuilder:validation:XValidation:rule="!has(self.interface) || !(has(self.password) && size(self.password) > 0 || has(self.passwordSecret))",message="a peer by interface cannot have a password: remove it, or set peerAddress"
// +kubebuilder:validation:XValidation:rule="!has(self.interface) || !(has(self.sourceAddress) && size(self.sourceAddress) > 0)",message="a peer by interface has no sourceAddress: the link-local address of the interface is used"
// +kubebuilder:validation:XValidation:rule="!has(self.interface) || !(has(self.passive) && self.passive) && !(has(self.ebgpMultiHop) && self.ebgpMultiHop)",message="a peer by interface is on the link and is connected to: remove passive and ebgpMultiHop"
// +kubebuilder:validation:XValidation:rule="!has(self.toReceive) || !has(self.vrf)",message="what a peer in a VRF sends cannot be used: remove toReceive or vrf"
// +kubebuilder:validation:XValidation:rule="!has(self.interface) || !has(self.vrf)",message="a peer by interface cannot be in a VRF: set peerAddress in place of interface"
type BGPPeerSpec struct {
	// MyASN is the AS number of this side.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	// +kubebuilder:validation:Format=int64
	MyASN uint32 `json:"myASN"`
	// PeerASN is the AS number of the router.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=4294967295
	// +kubebuilder:validation:Format=int64
	PeerASN uint32 `json:"peerASN,omitempty"`
	// DynamicASN accepts what the router says, if it is the same AS (internal)
	// or another one (external).
	// +optional
	// +kubebuilder:validation:Enum=internal;external
	DynamicASN string `json:"dynamicASN,omitempty"`
	// PeerAddress is the IP address of the router; exactly one of it and interface.
	// +optional
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="isIP(self)",message="must be an IP address"
	PeerAddress string `json:"peerAddress,omitempty"`
	// Interface is the network interface of the node at whose other end the
	// router is: its address is found by Router Advertisements (an unnumbered
	// peer). The link should have one router.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[^\s/%:]+$`
	Interface string `json:"interface,omitempty"`
	// PeerPort is the TCP port of the router.
	// +optional
	// +kubebuilder:default=179
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort uint16 `json:"peerPort,omitempty"`
	// SourceAddress is the address to connect from.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || isIP(self)",message="must be an IP address"
	SourceAddress string `json:"sourceAddress,omitempty"`
	// VRF is the VRF device of the node that the session, and BFD with it, runs
	// in; default: none. A node without it has no session until it is there.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=15
	// +kubebuilder:validation:Pattern=`^[^\s/%:]+$`
	VRF string `json:"vrf,omitempty"`
	// RouterID, as an IPv4 address; default: derived from the node.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="size(self) == 0 || (isIP(self) && ip(self).family() == 4)",message="must be an IPv4 address"
	RouterID string `json:"routerID,omitempty"`
	// HoldTime is the requested hold time, at least 3s; default 90s.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$') && duration(self) >= duration('3s') && duration(self) <= duration('65535s')",message="must be a duration between 3s and 65535s"
	HoldTime *metav1.Duration `json:"holdTime,omitempty"`
	// KeepaliveTime is the requested keepalive interval; default a third of the hold time.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$') && duration(self) >= duration('0s')",message="must be a duration such as 30s, and not negative"
	KeepaliveTime *metav1.Duration `json:"keepaliveTime,omitempty"`
	// ConnectTime is how long to wait between attempts to connect, in whole seconds.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$') && duration(self).getSeconds() >= 1 && duration(self).getSeconds() <= 65535",message="must be between 1s and 65535s"
	ConnectTime *metav1.Duration `json:"connectTime,omitempty"`
	// EBGPMultiHop allows a router more than one hop away.
	// +optional
	EBGPMultiHop bool `json:"ebgpMultiHop,omitempty"`
	// Passive waits for the router to connect and does not connect to it. Then
	// peerPort is the port to listen on, at sourceAddress or, without one, at
	// every address of the peer's family.
	// +optional
	Passive bool `json:"passive,omitempty"`
	// TTLSecurity refuses packets that come over more hops than this (GTSM,
	// RFC 5082); 1 is a router on the same link. The router must do the same.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=254
	TTLSecurity *int32 `json:"ttlSecurity,omitempty"`
	// LocalASN is shown to this router in place of myASN, also in AS paths.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=4294967295
	// +kubebuilder:validation:Format=int64
	LocalASN uint32 `json:"localASN,omitempty"`
	// MaxPrefixes is how many prefixes of one address family the router may
	// send, used or not; a router that sends more is disconnected for a while.
	// +optional
	// +kubebuilder:default=1000
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000000
	MaxPrefixes *int32 `json:"maxPrefixes,omitempty"`
	// ToReceive says which routes that the router sends are put into the kernel of
	// the node; default: none.
	// +optional
	ToReceive *Receive `json:"toReceive,omitempty"`
	// DualStackAddressFamily offers IPv4 and IPv6 routes on the session,
	// whichever family it runs over; default true.
	// +optional
	DualStackAddressFamily *bool `json:"dualStackAddressFamily,omitempty"`
	// DisableMP says the same as dualStackAddressFamily: false. MetalLB has
	// deprecated it.
	// +optional
	DisableMP bool `json:"disableMP,omitempty"`
	// Password for TCP MD5 (RFC 2385).
	// +optional
	// +kubebuilder:validation:MaxLength=80
	Password string `json:"password,omitempty"`
	// PasswordSecret names a Secret of type kubernetes.io/basic-auth in
	// Steelyard's own namespace whose key "password" is the password.
	// +optional
	PasswordSecret *corev1.SecretReference `json:"passwordSecret,omitempty"`
	// EnableGracefulRestart keeps the routes at the router while a speaker
	// restarts (RFC 4724).
	// +optional
	EnableGracefulRestart bool `json:"enableGracefulRestart,omitempty"`
	// LongLivedGracefulRestart is how long routers keep the routes as a last
	// choice when the time of graceful restart is over (RFC 9494).
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$') && duration(self) >= duration('1s') && duration(self) <= duration('4660h')",message="must be a duration between 1s and 4660h"
	LongLivedGracefulRestart *metav1.Duration `json:"longLivedGracefulRestart,omitempty"`
	// BFDProfile names the BFDProfile by which the router is watched; default:
	// it is not.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	BFDProfile string `json:"bfdProfile,omitempty"`
	// NodeSelectors choose the nodes that peer; none means all.
	// +optional
	NodeSelectors []metav1.LabelSelector `json:"nodeSelectors,omitempty"`
}

// Receive says what of a router's routes is used.
type Receive struct {
	// Allowed are the prefixes.
	Allowed AllowedPrefixes `json:"allowed"`
}

// AllowedPrefixes are prefixes that may be received.
//
// +kubebuilder:validation:XValidation:rule="!has(self.mode) || self.mode != 'all' || !has(self.prefixes) || size(self.prefixes) == 0",message="mode all takes every prefix: remove prefixes, or use mode filtered"
type AllowedPrefixes struct {
	// Mode filtered takes the listed prefixes, all takes every one.
	// +optional
	// +kubebuilder:default=filtered
	// +kubebuilder:validation:Enum=all;filtered
	Mode string `json:"mode,omitempty"`
	// Prefixes are what is taken in mode filtered.
	// +optional
	// +kubebuilder:validation:MaxItems=200
	Prefixes []PrefixSelector `json:"prefixes,omitempty"`
}

// PrefixSelector names a prefix, or the prefixes inside of one.
type PrefixSelector struct {
	// Prefix is an IPv4 or IPv6 network.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="isCIDR(self)",message="must be a network such as 10.0.0.0/8"
	Prefix string `json:"prefix"`
	// GE takes the networks inside of prefix that are at least so long. Without ge
	// and le the prefix alone is taken.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=128
	GE *int32 `json:"ge,omitempty"`
	// LE takes the networks inside of prefix that are at most so long.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=128
	LE *int32 `json:"le,omitempty"`
}

// BGPPeerList is a list of BGPPeers.
//
// +kubebuilder:object:root=true
type BGPPeerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []BGPPeer `json:"items"`
}
