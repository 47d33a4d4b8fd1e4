// Package grants measures in the lab what a user of the product waits for:
// from a Service that is created to its address in the status, against the
// floor that the same API server sets on the same machine.
//
// The cluster is a control plane alone: etcd, API server and no node, so that
// nothing but the API server, the controller and the bench itself uses the
// processors; kube-controller-manager and scheduler are stopped once the
// product is installed. Installed by its chart, the product has its CRDs, its
// ServiceAccounts and their rights; its pods find no node. The controller under
// test is one process beside the API server, with the arguments and the
// environment of its Deployment and a token of its ServiceAccount. The peer, a
// bare loop, uses the same token, the same client library without rate limit,
// and patches of the same form.
package grants
