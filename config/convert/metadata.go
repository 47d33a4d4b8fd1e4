package convert

import "strings"

const (
	reasonInvalid = "Invalid"
	reasonNote    = "Note"
)

// lastApplied is where kubectl remembers the object in its old version.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// serverFields are those of metadata that the API server alone writes. With them
// an object cannot be applied.
var serverFields = []string{"creationTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid"}

// withoutServers takes out of an object what others than its author wrote.
func withoutServers(object map[string]any) {
	delete(object, "status")
	metadata, _ := object["metadata"].(map[string]any)
	for _, field := range serverFields {
		delete(metadata, field)
	}
	annotations, _ := metadata["annotations"].(map[string]any)
	delete(annotations, lastApplied)
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
}

// isOld reports whether Kubernetes stopped serving a group and version for every
// kind.
func isOld(apiVersion string) bool {
	return apiVersion == "extensions/v1beta1" || strings.HasPrefix(apiVersion, "apps/v1beta") || apiVersion == "networking.k8s.io/v1beta1" ||
		apiVersion == "policy/v1beta1" || apiVersion == "discovery.k8s.io/v1beta1"
}
