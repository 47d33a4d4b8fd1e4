// Package h2spec holds the HTTP engine against h2spec, which asks a server for
// what RFC 9113 and RFC 7541 demand, one point after the other.
package h2spec
