// Package convert turns manifests in API versions that Kubernetes no longer
// serves into today's: Ingress and IngressClass of extensions/v1beta1 and
// networking.k8s.io/v1beta1, and Endpoints, which are deprecated. Whatever a
// manifest meant is kept, or named in a note. It is pure: text in, text out.
package convert
