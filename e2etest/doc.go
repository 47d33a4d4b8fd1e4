// Package e2etest plays the scenarios of the directory scenarios in the lab, with
// the product installed by its chart. go test ./... runs them all; it needs root,
// and bin/ with kcp, helm, hello and steelyard.
package e2etest
