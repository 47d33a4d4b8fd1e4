// Package podnet makes the pod network of one lab node: a network namespace
// per pod, joined to the node by a routed veth pair without a bridge, as the
// ptp plugin of the CNI project and kindnet do it.
//
// Every host end of a pair carries the pod gateway's addresses, and the node
// has one route per pod address. So everything between pods passes the node's
// routing, kube-proxy's rules see it whatever bridge-nf-call-iptables says, and
// a pod that reaches itself through a Service needs no hairpin port.
//
// All functions act on the network namespace that the process runs in.
package podnet
