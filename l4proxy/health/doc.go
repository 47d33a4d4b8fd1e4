// Package health checks backends that Kubernetes does not check: it runs what
// package check has planned for this node, by TCP, HTTP, HTTPS and gRPC.
package health
