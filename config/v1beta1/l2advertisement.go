package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// L2Advertisement announces the addresses of pools on the LAN by ARP and NDP.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=l2adv,categories=steelyard
// +kubebuilder:printcolumn:name="IPAddressPools",type=string,JSONPath=`.spec.ipAddressPools`
// +kubebuilder:printcolumn:name="Interfaces",type=string,JSONPath=`.spec.interfaces`
// +kubebuilder:printcolumn:name="Valid",type=string,JSONPath=`.status.conditions[?(@.type=="Valid")].status`
// +kubebuilder:printcolumn:name="IPAddressPool Selectors",type=string,JSONPath=`.spec.ipAddressPoolSelectors`,priority=1
// +kubebuilder:printcolumn:name="Node Selectors",type=string,JSONPath=`.spec.nodeSelectors`,priority=1
// +kubebuilder:printcolumn:name="Rebalance",type=string,JSONPath=`.spec.rebalance`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type L2Advertisement struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   L2AdvertisementSpec `json:"spec,omitempty"`
	Status ConfigStatus        `json:"status,omitempty"`
}

// L2AdvertisementSpec says which pools are announced, by which nodes, where.
type L2AdvertisementSpec struct {
	// IPAddressPools by name. With no names and no selectors: every pool.
	// +optional
	// +listType=set
	IPAddressPools []string `json:"ipAddressPools,omitempty"`
	// IPAddressPoolSelectors choose pools by label; one match is enough.
	// +optional
	IPAddressPoolSelectors []metav1.LabelSelector `json:"ipAddressPoolSelectors,omitempty"`
	// NodeSelectors choose the nodes that may announce; none means all.
	// +optional
	NodeSelectors []metav1.LabelSelector `json:"nodeSelectors,omitempty"`
	// ServiceSelectors choose the Services that are announced; none means all.
	// +optional
	ServiceSelectors []metav1.LabelSelector `json:"serviceSelectors,omitempty"`
	// Interfaces to announce on, by exact name; none means all.
	// +optional
	// +listType=set
	Interfaces []string `json:"interfaces,omitempty"`
	// PreferredNodeSelectors put the nodes that may announce in order: those with
	// the greatest sum of weights of the selectors that match them get the
	// addresses, as long as there is one; among equals the address decides.
	// +optional
	// +kubebuilder:validation:MaxItems=100
	PreferredNodeSelectors []PreferredNodeSelector `json:"preferredNodeSelectors,omitempty"`
	// RequireSubnet forbids announcing to nodes that have no interface on the
	// subnet of the address. Without it such nodes come last.
	// +optional
	RequireSubnet bool `json:"requireSubnet,omitempty"`
	// RefreshInterval is the time between two unasked announcements of an address
	// that stays where it is, which keep the tables of switches and neighbours
	// warm: 1s to 24h, or 0s for never; default 60s. Of several advertisements
	// that cover an address the shortest counts.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$') && (duration(self) == duration('0s') || duration(self) >= duration('1s') && duration(self) <= duration('24h'))",message="must be 0s, or a duration between 1s and 24h"
	RefreshInterval *metav1.Duration `json:"refreshInterval,omitempty"`
	// Rebalance says what happens when a node comes back, or a new one comes:
	// Never leaves every address where it is, until steelyard rebalance is
	// called; OnReturn moves to the node, ten seconds later, the addresses that it
	// would have got in the first place, each without a moment in which nobody
	// answers.
	// +optional
	// +kubebuilder:default=Never
	// +kubebuilder:validation:Enum=Never;OnReturn
	Rebalance RebalancePolicy `json:"rebalance,omitempty"`
}

// PreferredNodeSelector gives a weight to the nodes it matches.
type PreferredNodeSelector struct {
	// Weight of the nodes that Preference matches.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	Weight int32 `json:"weight"`
	// Preference chooses nodes by label.
	Preference metav1.LabelSelector `json:"preference"`
}

// RebalancePolicy says when addresses move that nothing forces to.
type RebalancePolicy string

// The policies.
const (
	RebalanceNever    RebalancePolicy = "Never"
	RebalanceOnReturn RebalancePolicy = "OnReturn"
)

// ConfigStatus is the status of an object that only configures.
type ConfigStatus struct {
	// Conditions: Valid says whether the object is used, and if not, why.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// L2AdvertisementList is a list of L2Advertisements.
//
// +kubebuilder:object:root=true
type L2AdvertisementList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []L2Advertisement `json:"items"`
}
