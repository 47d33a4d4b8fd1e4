// Package names finds out what the names of ExternalName Services stand for, and
// keeps knowing it: each name is asked for again when its answer is past its
// time to live. Which answers are acceptable is not decided here.
//
// While no server answers, what was known stays known (RFC 8767), up to an hour.
package names
