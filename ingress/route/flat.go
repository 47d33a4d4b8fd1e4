package route

import (
	"cmp"
	"slices"
	"strings"
)

// flatMost is how many Prefix paths a site has at most for them to be laid out flat.
const flatMost = 32

// flat is the Prefix paths of a site that has few, one behind another in memory: a
// processor passes over them faster than it follows the pointers of a tree.
type flat struct {
	text   string // the paths without a slash at their end, the longest first
	ends   []int  // of each in text; nil: they are not laid out
	routes []*Route
}

// prefix is a path of a tree as it is compared with requests'.
type prefix struct {
	path  string
	route *Route
}

// flatten lays the paths at and below a node out, if they are few.
func flatten(root *node) (f flat) {
	list, ok := root.prefixes(nil, "")
	if !ok {
		return f
	}
	slices.SortFunc(list, func(a, b prefix) int { return cmp.Compare(len(b.path), len(a.path)) })
	var text strings.Builder
	for _, p := range list {
		text.WriteString(p.path)
		f.ends, f.routes = append(f.ends, text.Len()), append(f.routes, p.route)
	}
	f.text = text.String()
	return f
}

// prefixes appends the paths at and below a node, whose own is path; ok is false if
// there are too many.
func (n *node) prefixes(list []prefix, path string) (_ []prefix, ok bool) {
	if n == nil {
		return list, true
	}
	if n.route != nil {
		list = append(list, prefix{path, n.route})
	}
	for element, below := range n.next {
		if list, ok = below.prefixes(list, path+"/"+element); !ok {
			return nil, false
		}
	}
	return list, len(list) <= flatMost
}

// longest is the route of the longest path that path is at or below; nil if there is
// none.
func (f *flat) longest(path string) *Route {
	begin := 0
	for i, end := range f.ends {
		p := f.text[begin:end]
		if strings.HasPrefix(path, p) && (len(path) == len(p) || path[len(p)] == '/') {
			return f.routes[i]
		}
		begin = end
	}
	return nil
}
