// Package keyfile follows the file of the keys that speakers share. A new
// content, such as kubelet puts in place when a mounted Secret changes, is
// handed to those who use the keys; one that cannot be used changes nothing
// and is told of.
package keyfile
