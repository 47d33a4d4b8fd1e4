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
	// Address of the router.
	Address string `json:"address"`
	// State is the state of the session, as RFC 4271 names it.
	State string `json:"state"`
	// Since is when the state began.
	// +optional
	Since metav1.Time `json:"since,omitempty"`
	// Prefixes is the number of routes offered.
	Prefixes int32 `json:"prefixes"`
	// LastDrop is why the session last went down, in words.
	// +optional
	LastDrop string `json:"lastDrop,omitempty"`
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
