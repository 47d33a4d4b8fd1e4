package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IPReservation keeps addresses for the Service of a name in its own
// namespace, whether that Service exists or not. One that a person made holds
// as long as it exists. One with the label app.kubernetes.io/managed-by:
// steelyard is the controller's memory of one address of a pool with retain or
// reuseAfter; the controller deletes it when the address is free again.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ipres,categories=steelyard
// +kubebuilder:printcolumn:name="Service",type=string,JSONPath=`.spec.serviceName`
// +kubebuilder:printcolumn:name="Addresses",type=string,JSONPath=`.spec.addresses`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Pool",type=string,JSONPath=`.status.pool`
// +kubebuilder:printcolumn:name="Bound",type=date,JSONPath=`.status.boundAt`
// +kubebuilder:printcolumn:name="Released",type=date,JSONPath=`.status.releasedAt`
// +kubebuilder:printcolumn:name="Free At",type=string,JSONPath=`.status.freeAt`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IPReservation struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   IPReservationSpec   `json:"spec"`
	Status IPReservationStatus `json:"status,omitempty"`
}

// IPReservationSpec says which addresses are kept, and for whom.
type IPReservationSpec struct {
	// ServiceName is the name of the Service, in the reservation's namespace.
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="must be the name of a Service: lower case letters, digits and '-'"
	ServiceName string `json:"serviceName"`

	// Addresses that are kept, at most one of each family.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.all(a, isIP(a))",message="each address must be an IP address such as 192.0.2.10 or 2001:db8::10"
	// +kubebuilder:validation:XValidation:rule="!self.all(a, isIP(a)) || size(self) < 2 || ip(self[0]).family() != ip(self[1]).family()",message="at most one address of each family"
	Addresses []string `json:"addresses"`
}

// IPReservationStatus is how the reservation stands. Only the controller
// writes it. Times are in UTC, to the microsecond.
type IPReservationStatus struct {
	// State is Reserved (waits for its Service), Bound (its Service has the
	// addresses), Released (its Service let go of them) or Refused (the
	// condition Valid says why).
	// +optional
	// +kubebuilder:validation:Enum=Reserved;Bound;Released;Refused
	State string `json:"state,omitempty"`
	// Addresses that the state is about.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MaxLength=64
	Addresses []string `json:"addresses,omitempty"`
	// Pool that they come from; of two pools both names, with a comma between.
	// +optional
	Pool string `json:"pool,omitempty"`
	// PoolLabels are the labels of that pool, so that advertisements which
	// choose pools by label find the addresses when the pool is gone.
	// +optional
	PoolLabels map[string]string `json:"poolLabels,omitempty"`
	// BoundAt is since when the Service has the addresses.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9T:-]+[.][0-9]{6}Z$`
	BoundAt *metav1.MicroTime `json:"boundAt,omitempty"`
	// ReleasedAt is when the Service let go of them.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9T:-]+[.][0-9]{6}Z$`
	ReleasedAt *metav1.MicroTime `json:"releasedAt,omitempty"`
	// RetainedUntil: until then a Service of that name gets them back.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9T:-]+[.][0-9]{6}Z$`
	RetainedUntil *metav1.MicroTime `json:"retainedUntil,omitempty"`
	// FreeAt: from then on anybody may have them.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9T:-]+[.][0-9]{6}Z$`
	FreeAt *metav1.MicroTime `json:"freeAt,omitempty"`
	// Conditions: Valid says whether the reservation holds, and if not, why.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// IPReservationList is a list of IPReservations.
//
// +kubebuilder:object:root=true
type IPReservationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IPReservation `json:"items"`
}
