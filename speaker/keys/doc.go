// Package keys is what speakers know of the secrets they share: an ordered list
// of which the first makes what is sent and each opens what is received. It
// reads such a list from text, and says what lies between two of them.
//
// A key is replaced in three steps, each of which may reach the nodes at
// different times: add the new one as the last, then make it the first, then
// take the old one out. At any time each node then opens what any other sends.
package keys
