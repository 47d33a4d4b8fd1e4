// Package pebble holds the certificates of Ingresses against Pebble, the ACME
// server that Let's Encrypt tests clients with, and its fault modes: real
// replicas of the ingress process answer its challenges, over loopback.
//
// It is a module of its own, so that Pebble's dependencies stay out of all others.
package pebble
