// Package acme gets certificates for Ingresses from a certificate authority
// that speaks ACME (RFC 8555). It runs while its process leads: package
// issuance decides, an [Issuer] drives the orders that are to be had now, and
// every step is remembered in a Secret before it is done, so that the next
// leader goes on where this one ended. The challenges that stand in these
// Secrets are answered by the ingress processes, all of them alike.
//
// It is the only door to golang.org/x/crypto/acme.
package acme
