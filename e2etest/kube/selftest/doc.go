// Package selftest tests the binary kcp as its users have it: a control plane
// and two nodes in namespaces of their own, kube-proxy on each node, everything
// asked through kubectl. The binary's path comes from the environment variable
// KCP, by default bin/kcp at the top of the repository.
//
// The test binary starts itself again in new network, mount and PID
// namespaces, so that it touches nothing of the machine and nothing of it
// remains, however it ends.
package selftest
