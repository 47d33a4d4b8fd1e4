// Package ingress is the process that serves Ingress objects: from each
// snapshot it builds the routing table and the certificates and swaps them
// into what answers requests. It only reads; what it finds wrong in Ingresses it logs,
// and the controller, which finds the same, writes it to the API.
package ingress
