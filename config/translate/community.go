package translate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

const writeCommunity = "write A:B with 16-bit numbers or large:A:B:C with 32-bit numbers"

// Community translates one Community by itself. Aliases that have a problem are
// left out; the others are used, since advertisements depend on them.
func Community(o *v1beta1.Community) (*config.Community, []config.Problem) {
	f := faultsOf(config.KindCommunity, o)
	c := &config.Community{Name: o.Name, Aliases: map[string]string{}}
	for i, alias := range o.Spec.Communities {
		field := fmt.Sprintf("spec.communities[%d]", i)
		_, number := readCommunity(alias.Name)
		_, readable := readCommunity(alias.Value)
		_, twice := c.Aliases[alias.Name]
		switch {
		case alias.Name == "" || number:
			f.add(field+".name", ReasonInvalid, "give it a name in words", "%q cannot be a name", alias.Name)
		case !readable:
			f.add(field+".value", ReasonInvalid, writeCommunity, "%q is not a community: the name %q cannot be used", alias.Value, alias.Name)
		case twice:
			f.add(field+".name", ReasonDuplicate, "remove one of them", "%q is there already, with the value %s", alias.Name, c.Aliases[alias.Name])
		default:
			c.Aliases[alias.Name] = alias.Value
		}
	}
	return c, f.problems
}

// communities collects what names of communities stand for. Where two objects
// have one name, it is the older one's.
func (b *assembly) communities() {
	owner := map[string]string{} // of a name
	for _, o := range ours(b, config.KindCommunity, b.in.Communities) {
		c, problems := Community(o)
		b.note(problems)
		f := faultsOf(config.KindCommunity, o)
		for i, alias := range o.Spec.Communities {
			if older, taken := owner[alias.Name]; taken && older != o.Name {
				f.add(fmt.Sprintf("spec.communities[%d].name", i), ReasonConflict, "use another name, or remove it",
					"Community %s, which is older, has the name %q: its value counts", older, alias.Name)
				delete(c.Aliases, alias.Name)
			}
		}
		for name := range c.Aliases {
			owner[name] = o.Name
		}
		b.out.Communities = append(b.out.Communities, c)
		b.note(f.problems)
	}
}

// aliases are the values of all names of communities; those of which every one
// has a problem have the value "".
func (b *assembly) aliases() map[string]string {
	out := map[string]string{}
	for _, o := range b.in.Communities {
		for _, alias := range o.Spec.Communities {
			if o.Namespace == b.in.Namespace {
				out[alias.Name] = ""
			}
		}
	}
	for _, c := range b.out.Communities {
		for name, value := range c.Aliases {
			out[name] = value
		}
	}
	return out
}

// communities gives a the communities of list, by their numbers or their names.
func communities(f *faults, a *config.BGPAdvertisement, list []string, aliases map[string]string) {
	for i, s := range list {
		field := fmt.Sprintf("spec.communities[%d]", i)
		c, ok := readCommunity(s)
		if value, known := aliases[s]; !ok && known {
			if c, ok = readCommunity(value); !ok {
				f.add(field, ReasonNotUsed, "mend the Community that has it; its own status says what is wrong", "the name %q has a problem and cannot be used", s)
				continue
			}
		}
		switch {
		case !ok && strings.Contains(s, ":"):
			f.add(field, ReasonInvalid, writeCommunity, "%q is not a community", s)
		case !ok:
			f.add(field, ReasonNotFound, "correct it, give it to a community in a Community, or "+writeCommunity, "no Community has the name %q", s)
		case !c.give(a):
			f.add(field, ReasonDuplicate, "remove one of them", "community %s is there twice", s)
		}
	}
}

// community is a standard community (RFC 1997) of two numbers or a large one
// (RFC 8092) of three.
type community []uint32

// readCommunity reads "A:B" and "large:A:B:C".
func readCommunity(s string) (community, bool) {
	numerals, large := strings.CutPrefix(s, "large:")
	bits, parts := 16, 2
	if large {
		bits, parts = 32, 3
	}
	return numbers(numerals, parts, bits)
}

// give adds c to a, or returns false if it has it.
func (c community) give(a *config.BGPAdvertisement) bool {
	if len(c) == 2 {
		return addOnce(&a.Communities, c[0]<<16|c[1])
	}
	return addOnce(&a.Large, config.LargeCommunity{Global: c[0], Local1: c[1], Local2: c[2]})
}

func addOnce[T comparable](list *[]T, v T) bool {
	if slices.Contains(*list, v) {
		return false
	}
	*list = append(*list, v)
	return true
}

// numbers reads exactly count numbers of at most bits bits, separated by colons.
func numbers(s string, count, bits int) ([]uint32, bool) {
	fields := strings.Split(s, ":")
	if len(fields) != count {
		return nil, false
	}
	out := make([]uint32, count)
	for i, t := range fields {
		v, err := strconv.ParseUint(t, 10, bits)
		if err != nil {
			return nil, false
		}
		out[i] = uint32(v)
	}
	return out, true
}
