package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IPAddressPool is a set of addresses that the controller gives to Services.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ippool,categories=steelyard
// +kubebuilder:printcolumn:name="Auto Assign",type=boolean,JSONPath=`.spec.autoAssign`
// +kubebuilder:printcolumn:name="Used v4",type=integer,JSONPath=`.status.assignedIPv4`
// +kubebuilder:printcolumn:name="Free v4",type=integer,JSONPath=`.status.availableIPv4`
// +kubebuilder:printcolumn:name="Used v6",type=integer,JSONPath=`.status.assignedIPv6`
// +kubebuilder:printcolumn:name="Free v6",type=integer,JSONPath=`.status.availableIPv6`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.spec.state`
// +kubebuilder:printcolumn:name="Valid",type=string,JSONPath=`.status.conditions[?(@.type=="Valid")].status`
// +kubebuilder:printcolumn:name="Addresses",type=string,JSONPath=`.spec.addresses`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IPAddressPool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   IPAddressPoolSpec   `json:"spec"`
	Status IPAddressPoolStatus `json:"status,omitempty"`
}

// IPAddressPoolSpec says which addresses the pool has and who may get them.
type IPAddressPoolSpec struct {
	// Addresses are CIDRs ("192.0.2.0/24") and ranges ("192.0.2.10-192.0.2.20"),
	// IPv4 and IPv6. They may not overlap, inside or across pools.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=96
	// +kubebuilder:validation:XValidation:rule="self.all(a, a.contains('/') ? isCIDR(a.trim()) : (a.indexOf('-') > 0 && isIP(a.substring(0, a.indexOf('-')).trim()) && isIP(a.substring(a.indexOf('-') + 1).trim())))",message="each address must be a CIDR such as 192.0.2.0/24 or a range such as 192.0.2.10-192.0.2.20"
	Addresses []string `json:"addresses"`

	// AutoAssign lets Services that name no pool have addresses of this one.
	// +optional
	// +kubebuilder:default=true
	AutoAssign *bool `json:"autoAssign,omitempty"`

	// AvoidBuggyIPs never gives IPv4 addresses that end in .0 or .255, which
	// some old routers and access points drop.
	// +optional
	// +kubebuilder:default=false
	AvoidBuggyIPs bool `json:"avoidBuggyIPs,omitempty"`

	// ServiceAllocation restricts the pool to certain Services.
	// +optional
	ServiceAllocation *ServiceAllocation `json:"serviceAllocation,omitempty"`

	// LoadBalancerClasses that the pool serves, among those that are ours; ""
	// stands for Services without one. None: all that are ours.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=317
	LoadBalancerClasses []string `json:"loadBalancerClasses,omitempty"`

	// State: a pool that is Draining keeps what it gave and gives nothing new.
	// +optional
	// +kubebuilder:default=Active
	// +kubebuilder:validation:Enum=Active;Draining
	State PoolState `json:"state,omitempty"`

	// Strategy is which of its free addresses the pool gives.
	// +optional
	// +kubebuilder:default=Lowest
	// +kubebuilder:validation:Enum=Lowest;Random;LeastRecentlyUsed
	Strategy string `json:"strategy,omitempty"`

	// ReuseAfter is how long an address rests after its Service let go of it,
	// before another one may have it. With it, or with retain, the controller
	// keeps an IPReservation for each address given.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$') && duration(self) >= duration('0s')",message="must be a duration such as 10m, and not negative"
	ReuseAfter *metav1.Duration `json:"reuseAfter,omitempty"`

	// Retain is how long a Service of the same namespace and name gets its
	// address back after it was deleted.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^(0|([0-9]+([.][0-9]*)?(ns|us|µs|ms|s|m|h))+)$') && duration(self) >= duration('0s')",message="must be a duration such as 10m, and not negative"
	Retain *metav1.Duration `json:"retain,omitempty"`

	// OnRemoval is what becomes of Services whose address is taken out of this
	// pool: they Keep it until somebody decides, or are given another one at
	// once (Reallocate).
	// +optional
	// +kubebuilder:default=Keep
	// +kubebuilder:validation:Enum=Keep;Reallocate
	OnRemoval string `json:"onRemoval,omitempty"`

	// SharedBetweenNamespaces are namespaces whose Services may share an
	// address of this pool with each other, by the same rules as within one
	// namespace. It is the only way to share across namespaces.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=63
	SharedBetweenNamespaces []string `json:"sharedBetweenNamespaces,omitempty"`
}

// PoolState says whether a pool gives addresses.
type PoolState string

// The states of a pool.
const (
	PoolActive   PoolState = "Active"
	PoolDraining PoolState = "Draining"
)

// ServiceAllocation says which Services a pool serves, and in which order
// pools that fit are tried. With no namespaces and no selectors the pool is
// open to all.
type ServiceAllocation struct {
	// Priority orders the pools that fit a Service, lower first; 0 or unset is last.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Priority int `json:"priority,omitempty"`
	// Namespaces whose Services the pool serves.
	// +optional
	// +listType=set
	Namespaces []string `json:"namespaces,omitempty"`
	// NamespaceSelectors choose namespaces by label; one match is enough.
	// +optional
	NamespaceSelectors []metav1.LabelSelector `json:"namespaceSelectors,omitempty"`
	// ServiceSelectors choose Services by label; one match is enough.
	// +optional
	ServiceSelectors []metav1.LabelSelector `json:"serviceSelectors,omitempty"`
}

// IPAddressPoolStatus counts addresses, saturating at the largest int64.
type IPAddressPoolStatus struct {
	AssignedIPv4  int64 `json:"assignedIPv4"`
	AssignedIPv6  int64 `json:"assignedIPv6"`
	AvailableIPv4 int64 `json:"availableIPv4"`
	AvailableIPv6 int64 `json:"availableIPv6"`
	// Conditions: Valid says whether the pool is used, and if not, why.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// IPAddressPoolList is a list of IPAddressPools.
//
// +kubebuilder:object:root=true
type IPAddressPoolList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IPAddressPool `json:"items"`
}
