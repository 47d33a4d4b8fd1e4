// Package issuance decides which certificates are to be ordered by ACME (RFC
// 8555), renewed or revoked now, which have to wait and until when, and why.
// It knows Ingresses, the certificates that are there and what is remembered of
// orders; talking to a certificate authority is package acme's.
package issuance
