// Package healthport answers on healthCheckNodePorts: other load balancers ask
// there whether this node has endpoints of a Service with
// externalTrafficPolicy Local, by HTTP, and are answered as kube-proxy answers.
//
// Where a kube-proxy lives on the node these ports are left to it.
package healthport
