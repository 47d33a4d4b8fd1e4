// Package cluster runs a real Kubernetes on a lab: control plane, lab kubelets
// and kube-proxies from the binary kcp, each in the namespace of its host, and
// gives the tools to work with it (client-go, kubectl, Helm) and to hurt it.
package cluster
