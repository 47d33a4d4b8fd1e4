// Package v1beta1 holds the custom resources of steelyard.io/v1beta1. Kinds
// that MetalLB has too carry the same spec fields with the same meaning.
// Deepcopy functions and the CRDs in charts/ are generated from these types;
// rules about a single object are CEL expressions in the CRD.
//
// +kubebuilder:object:generate=true
// +groupName=steelyard.io
package v1beta1
