package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SpeakerStatus is what the speaker of one node last reported. Its name is the
// node's; the speaker writes it at most once a second, and only on a change.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=spk,categories=steelyard
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Forwarder",type=string,JSONPath=`.status.forwarder.state`
// +kubebuilder:printcolumn:name="Claims",type=integer,JSONPath=`.status.claims`
// +kubebuilder:printcolumn:name="Sessions",type=string,JSONPath=`.status.sessionSummary`
// +kubebuilder:printcolumn:name="BFD",type=string,JSONPath=`.status.bfdSummary`
// +kubebuilder:printcolumn:name="Prefixes",type=integer,JSONPath=`.status.prefixes`
// +kubebuilder:printcolumn:name="Last Drop",type=string,JSONPath=`.status.lastDrop`,priority=1
// +kubebuilder:printcolumn:name="Updated",type=date,JSONPath=`.status.updated`
type SpeakerStatus struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Status SpeakerStatusStatus `json:"status,omitempty"`
}

// SpeakerStatusStatus is the report.
type SpeakerStatusStatus struct {
	// Version of the speaker.
	// +optional
	Version string `json:"version,omitempty"`
	// Updated is when the report was written.
	// +optional
	Updated metav1.MicroTime `json:"updated,omitempty"`
	// Forwarder is the state of the node's data plane.
	// +optional
	Forwarder ForwarderStatus `json:"forwarder,omitempty"`
	// Claims is the number of addresses this node answers for on the LAN.
	Claims int32 `json:"claims"`
	// SessionSummary is established/configured BGP sessions, such as "2/2".
	// +optional
	SessionSummary string `json:"sessionSummary,omitempty"`
	// BFDSummary is up/configured BFD sessions, such as "2/2".
	// +optional
	BFDSummary string `json:"bfdSummary,omitempty"`
	// Prefixes is the number of routes offered on all sessions.
	// +optional
	Prefixes int32 `json:"prefixes"`
	// LastDrop is the BGP session that went down last, and why.
	// +optional
	LastDrop string `json:"lastDrop,omitempty"`
	// Sessions are the BGP sessions with their state and last reason.
	// +optional
	// +listType=map
	// +listMapKey=peer
	Sessions []SessionStatus `json:"sessions,omitempty"`
	// Interfaces on which this node could announce addresses by ARP and NDP.
	// +optional
	// +listType=map
	// +listMapKey=name
	Interfaces []InterfaceStatus `json:"interfaces,omitempty"`
	// Exceptions say why addresses are not announced: of those that an L2Claim
	// gives to this node the ones it does not answer for, and from one node of
	// the cluster the Services without an endpoint. At most 500.
	// +optional
	// +listType=atomic
	Exceptions []ExceptionStatus `json:"exceptions,omitempty"`
	// Problems of this node that a person should mend.
	// +optional
	// +listType=atomic
	Problems []string `json:"problems,omitempty"`
}

// ForwarderStatus is the state of a node's data plane.
type ForwarderStatus struct {
	// State is Ready, NotReady or Off.
	// +optional
	State string `json:"state,omitempty"`
	// Message says why it is not ready.
	// +optional
	Message string `json:"message,omitempty"`
}

// SessionStatus is the state of one BGP session.
type SessionStatus struct {
	// Peer is the name of the BGPPeer.
	Peer string `json:"peer"`
	// Address of the router; empty while that of a peer by interface is not found.
	Address string `json:"address"`
	// State is the state of the session, as RFC 4271 names it.
	State string `json:"state"`
	// Since is when the state began.
	// +optional
	Since metav1.Time `json:"since,omitempty"`
	// ASN is the AS number of the router, as it said last. After a restart of the
	// speaker a router with dynamicASN is expected to have it again.
	// +optional
	// +kubebuilder:validation:Format=int64
	ASN uint32 `json:"asn,omitempty"`
	// Prefixes is the number of routes offered, in the families that were agreed
	// on. BGP does not tell how many of them the router accepts.
	Prefixes int32 `json:"prefixes"`
	// ReceivedPrefixes is how many prefixes the router sends, used or not.
	// +optional
	ReceivedPrefixes int32 `json:"receivedPrefixes"`
	// HoldTime that was agreed on with the router, while the session is
	// Established. 0s: neither side watches the other by it.
	// +optional
	HoldTime *metav1.Duration `json:"holdTime,omitempty"`
	// KeepaliveTime that was agreed on.
	// +optional
	KeepaliveTime *metav1.Duration `json:"keepaliveTime,omitempty"`
	// Families that were agreed on, of ipv4 and ipv6.
	// +optional
	// +listType=atomic
	Families []string `json:"families,omitempty"`
	// LastDrop is why the session last went down, in words.
	// +optional
	LastDrop string `json:"lastDrop,omitempty"`
	// LastDropTime is when the session last went down.
	// +optional
	LastDropTime *metav1.Time `json:"lastDropTime,omitempty"`
	// BFD is the state of the BFD session that watches the router, if the
	// BGPPeer names a BFDProfile.
	// +optional
	BFD *BFDStatus `json:"bfd,omitempty"`
}

// BFDStatus is the state of a BFD session.
type BFDStatus struct {
	// State is AdminDown, Down, Init or Up, as RFC 5880 names them, or Unknown
	// while the process that holds the session cannot be asked.
	State string `json:"state"`
	// Since is when the state began.
	// +optional
	Since metav1.Time `json:"since,omitempty"`
	// DetectionTime is the silence after which the router is lost, as agreed on
	// with it, while the session is Up.
	// +optional
	DetectionTime *metav1.Duration `json:"detectionTime,omitempty"`
	// MeasuredInterval is the time between the router's packets, on average. It is
	// measured from 5 s after the session came up, and told anew when it has moved
	// by more than a tenth.
	// +optional
	MeasuredInterval *metav1.Duration `json:"measuredInterval,omitempty"`
}

// InterfaceStatus is an interface of a node.
type InterfaceStatus struct {
	// Name of the interface.
	Name string `json:"name"`
	// Subnets that it is on.
	// +optional
	// +listType=atomic
	Subnets []string `json:"subnets,omitempty"`
}

// ExceptionStatus says why an address of a Service is not announced.
type ExceptionStatus struct {
	// Service as namespace/name.
	Service string `json:"service"`
	// Address that is not announced.
	// +optional
	Address string `json:"address,omitempty"`
	// Reason for machines.
	Reason string `json:"reason"`
	// Message for people.
	Message string `json:"message"`
}

// SpeakerStatusList is a list of SpeakerStatuses.
//
// +kubebuilder:object:root=true
type SpeakerStatusList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SpeakerStatus `json:"items"`
}
