// Package crowded measures one speaker in a cluster of 10,000 Services with ten
// endpoints each: etcd and API server as they are, no kubelet, no kube-proxy, and
// a speaker that runs as a process on a host of its own, with the arguments,
// environment and rights that the chart gives it. Four routers (BIRD) are told its
// routes.
//
//	client ── node ─┬─ pods
//	                └─ four routers, control plane
//
// Services have their addresses from the bench, as the controller writes them.
package crowded
