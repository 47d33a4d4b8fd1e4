package v1beta1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// IngressReport says what became of the parts of an Ingress that is not served
// entirely as it is written. It has the name of the Ingress and belongs to it.
// The controller writes it, and deletes it when all is well.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:shortName=ingrep,categories=steelyard
// +kubebuilder:printcolumn:name="Applied",type=string,JSONPath=`.status.applied`
// +kubebuilder:printcolumn:name="Worst",type=string,JSONPath=`.status.worst`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.findings[0].reason`
// +kubebuilder:printcolumn:name="At",type=string,JSONPath=`.status.findings[0].field`
// +kubebuilder:printcolumn:name="Message",type=string,JSONPath=`.status.findings[0].message`
// +kubebuilder:printcolumn:name="Remedy",type=string,JSONPath=`.status.findings[0].remedy`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type IngressReport struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Status IngressReportStatus `json:"status"`
}

// IngressReportStatus is the report.
type IngressReportStatus struct {
	// Applied is how many of the findings are applied as written, such as "3/4".
	Applied string `json:"applied"`
	// Worst verdict of all: Refused, AppliedDifferently or Unknown.
	// +kubebuilder:validation:Enum=Refused;AppliedDifferently;Unknown
	Worst string `json:"worst"`
	// Findings about rules, backends, TLS entries and annotations, the bad ones
	// first.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=200
	Findings []IngressFinding `json:"findings"`
	// Omitted is the number of findings that are not listed.
	// +optional
	Omitted int32 `json:"omitted,omitempty"`
}

// IngressFinding is what became of one part of the Ingress.
type IngressFinding struct {
	// Field of the Ingress, such as spec.rules[0].http.paths[1].
	Field string `json:"field"`
	// Subject is what stands there, such as shop.example.com/cart.
	// +optional
	Subject string `json:"subject,omitempty"`
	// Verdict: Applied as written, AppliedDifferently, Refused, or Unknown, which
	// has no effect.
	// +kubebuilder:validation:Enum=Applied;AppliedDifferently;Refused;Unknown
	Verdict string `json:"verdict"`
	// Reason for machines.
	// +optional
	Reason string `json:"reason,omitempty"`
	// Message for people.
	// +optional
	Message string `json:"message,omitempty"`
	// Remedy is what to do about it.
	// +optional
	Remedy string `json:"remedy,omitempty"`
}

// IngressReportList is a list of IngressReports.
//
// +kubebuilder:object:root=true
type IngressReportList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []IngressReport `json:"items"`
}
