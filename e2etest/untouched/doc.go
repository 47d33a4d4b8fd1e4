// Package untouched proves that the lab leaves its host as it was: links,
// addresses, routes, rules, sysctls, nft rules, mounts, processes and names,
// after a run, after kill -9 of its outer process, and after kill -9 of the
// process inside.
//
// The host of the test is a stand-in, made of namespaces of its own and with
// something in each table, so that what else happens on the machine cannot blur
// the comparison. The lab does not know the difference.
package untouched
