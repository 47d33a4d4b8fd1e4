package route

import "strings"

// CleanHost returns the form of a Host header that hosts are matched against:
// lower case, without the port and without the dot that ends a fully qualified
// name. It allocates only if there is upper case to lower.
func CleanHost(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && isDigits(host[i+1:]) && !isBareIPv6(host, i) {
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// isBareIPv6 tells whether the last colon of host belongs to an IPv6 address
// without brackets rather than to a port.
func isBareIPv6(host string, lastColon int) bool {
	return strings.IndexByte(host, ':') != lastColon && host[0] != '['
}

func isDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
