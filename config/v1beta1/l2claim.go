package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// L2Claim records which node owns one address on the LAN. Its name is the
// address, with ':' written as '-'. It is written by the claimant only, by
// compare-and-swap on the resource version, and only when ownership changes;
// who wants it to change writes a wish.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=l2c,categories=steelyard
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.spec.address`
// +kubebuilder:printcolumn:name="Owner",type=string,JSONPath=`.spec.owner`
// +kubebuilder:printcolumn:name="Previous",type=string,JSONPath=`.spec.previous`
// +kubebuilder:printcolumn:name="Since",type=date,JSONPath=`.spec.since`
// +kubebuilder:printcolumn:name="Epoch",type=integer,JSONPath=`.spec.epoch`
// +kubebuilder:printcolumn:name="Interfaces",type=string,JSONPath=`.spec.interfaces`
// +kubebuilder:printcolumn:name="Wanted",type=string,JSONPath=`.spec.wanted`,priority=1
type L2Claim struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec L2ClaimSpec `json:"spec"`
}

// L2ClaimSpec is the record.
type L2ClaimSpec struct {
	// Address that is claimed.
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="isIP(self)",message="must be an IP address"
	Address string `json:"address"`
	// Owner is the node that answers for the address.
	// +kubebuilder:validation:MinLength=1
	Owner string `json:"owner"`
	// Previous is the node that answered before.
	// +optional
	Previous string `json:"previous,omitempty"`
	// Epoch grows by one with each change of ownership.
	Epoch int64 `json:"epoch"`
	// Since is when the owner took over.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9T:-]+[.][0-9]{6}Z$`
	Since metav1.MicroTime `json:"since"`
	// Interfaces of the owner on which it answered when it took over.
	// +optional
	// +listType=atomic
	Interfaces []string `json:"interfaces,omitempty"`
	// Wanted is a node that is to take the address over from the owner, which
	// goes on until it has. It is ignored while the node may not announce the
	// address, and cleared when the address moves. steelyard rebalance sets it.
	// +optional
	Wanted string `json:"wanted,omitempty"`
}

// L2ClaimList is a list of L2Claims.
//
// +kubebuilder:object:root=true
type L2ClaimList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []L2Claim `json:"items"`
}
