// Package failover measures in the lab what clients on the LAN notice when a
// node that answers for external addresses dies, moves, restarts or is busy.
//
// The cluster is whole: a control plane, three nodes with lab kubelets and
// kube-proxies, the product installed by its chart with its defaults, and a
// client. Every rig is trials of one shape: wait until the lab is whole, choose
// a node that answers, send its endpoints elsewhere, ask every 10 ms, let
// something happen to the node, ask on until all is quiet, put things right.
//
// With routers ([Lab.Routed]) the client is behind one, which spreads its requests
// over the nodes by BGP, and what counts is what the routers' kernels and that
// client notice.
package failover
