package translate

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// boolean reads true or false.
func boolean(text string) (bool, error) {
	v, err := strconv.ParseBool(text)
	if err != nil {
		return false, bad(`write "true" or "false"`, "%q is neither true nor false", text)
	}
	return v, nil
}

// flag is a setting that is true or false.
func flag(set func(*asked, bool)) func(*asked, string) error {
	return func(a *asked, text string) error {
		v, err := boolean(text)
		if err == nil {
			set(a, v)
		}
		return err
	}
}

// number reads a whole number between two others.
func number(text string, least, most int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, bad("write a number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most), "%q is none that it could be", text)
	}
	return n, nil
}

// size reads a number of bytes, such as 8k, 10m or 1g.
func size(text string) (int64, error) {
	digits := strings.TrimRight(strings.ToLower(text), "kmgb")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift := 0
	switch strings.ToLower(text)[len(digits):] {
	case "", "b":
	case "k", "kb":
		shift = 10
	case "m", "mb":
		shift = 20
	case "g", "gb":
		shift = 30
	default:
		shift = -1
	}
	if err != nil || n < 0 || shift < 0 || n > 1<<62>>shift {
		return 0, bad("write a number of bytes, such as 8k, 10m or 1g", "%q is no size", text)
	}
	return n << shift, nil
}

// seconds reads a time: a number of seconds, or one with a unit such as 30s.
func seconds(text string) (time.Duration, error) {
	if n, err := strconv.Atoi(text); err == nil {
		if n >= 1 && n <= 7*24*3600 {
			return time.Duration(n) * time.Second, nil
		}
	} else if d, err := time.ParseDuration(text); err == nil && d >= time.Second && d <= 7*24*time.Hour {
		return d, nil
	}
	return 0, bad("write a number of seconds from 1 to 604800", "%q is no time that can be waited", text)
}

// list splits at commas and drops what is empty.
func list(text string) []string {
	var out []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			out = append(out, item)
		}
	}
	return out
}

// prefixes reads addresses and prefixes with commas between them.
func prefixes(text string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, item := range list(text) {
		p, err := netip.ParsePrefix(item)
		if addr, not := netip.ParseAddr(item); err != nil && not == nil && addr.Zone() == "" {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, bad("write prefixes such as 192.0.2.0/24,2001:db8::/32", "%q is neither an address nor a prefix", item)
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		out = append(out, p.Masked())
	}
	if len(out) == 0 {
		return nil, bad("write prefixes such as 192.0.2.0/24,2001:db8::/32", "the list is empty")
	}
	return out, nil
}

// place reads where a client is sent: a URL, or a path of the same host. Variables
// may stand in it.
func place(text string) (config.Template, error) {
	const remedy = "write a URL such as https://example.com/, or a path"
	if !plain(text) || text == "" {
		return nil, bad(remedy, "%q is no URL", text)
	}
	to, err := config.ParseTemplate(text)
	if err != nil {
		return nil, bad("use "+variableList, "%s", err)
	}
	u, err := url.Parse(strings.NewReplacer("$", "x", "{", "x", "}", "x").Replace(text))
	switch {
	case strings.HasPrefix(text, "$scheme://"), strings.HasPrefix(text, "${scheme}://"):
	case err != nil, u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https", u.Scheme != "" && u.Host == "", u.Scheme == "" && !strings.HasPrefix(text, "/"):
		return nil, bad(remedy, "%q is no URL of HTTP", text)
	}
	return to, nil
}

const variableList = "$scheme, $host, $http_host, $request_uri, $uri, $args, $is_args, $request_method or $remote_addr"

// plain tells whether text may stand in a URL or a field: visible ASCII alone.
func plain(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// hostName tells whether text is a host name, in lower case.
func hostName(text string) bool {
	if text == "" || len(text) > 253 {
		return false
	}
	for label := range strings.SplitSeq(text, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}
