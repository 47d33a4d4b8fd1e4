package translate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// poolManners fills in how p gives, keeps and takes back addresses.
func poolManners(f *faults, p *config.Pool, s *v1beta1.IPAddressPoolSpec) {
	p.Classes = poolClasses(f, s.LoadBalancerClasses)
	state := oneOf(f, "spec.state", s.State, v1beta1.PoolActive, v1beta1.PoolDraining)
	p.Draining = state == v1beta1.PoolDraining
	p.Strategy = oneOf(f, "spec.strategy", config.Strategy(s.Strategy), config.Lowest, config.Random, config.LeastRecentlyUsed)
	p.OnRemoval = oneOf(f, "spec.onRemoval", config.OnRemoval(s.OnRemoval), config.Keep, config.Reallocate)
	p.ReuseAfter = rest(f, "spec.reuseAfter", s.ReuseAfter)
	p.Retain = rest(f, "spec.retain", s.Retain)
	p.SharedBy = sharers(f, s.SharedBetweenNamespaces)
}

func poolClasses(f *faults, list []string) config.Classes {
	const field = "spec.loadBalancerClasses"
	f.twice(field, list)
	for i, class := range list {
		if wrong := validation.IsQualifiedName(class); class != "" && len(wrong) > 0 {
			f.add(fmt.Sprintf("%s[%d]", field, i), ReasonInvalid,
				`write the loadBalancerClass of Services, such as example.com/lan, or "" for those without one`,
				"%q cannot be a loadBalancerClass", class)
		}
	}
	return slices.Clone(config.Classes(list))
}

// sharers are namespaces; a name that no namespace can have is noted.
func sharers(f *faults, list []string) []string {
	const field = "spec.sharedBetweenNamespaces"
	f.twice(field, list)
	for i, name := range list {
		if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
			f.add(fmt.Sprintf("%s[%d]", field, i), ReasonInvalid, "write the name of a namespace",
				"%q cannot be the name of a namespace", name)
		}
	}
	return slices.Clone(list)
}

// oneOf is v, or the first of the values if v is not set. Any other value is
// noted.
func oneOf[T ~string](f *faults, field string, v T, values ...T) T {
	if v == "" {
		return values[0]
	}
	if !slices.Contains(values, v) {
		names := make([]string, len(values))
		for i, known := range values {
			names[i] = string(known)
		}
		last := len(names) - 1
		f.add(field, ReasonInvalid, "use "+strings.Join(names[:last], ", ")+" or "+names[last], "%q is unknown", v)
	}
	return v
}

// rest is how long an address rests, not at all if it is not set.
func rest(f *faults, field string, d *metav1.Duration) time.Duration {
	v := duration(d, 0)
	if v < 0 {
		f.add(field, ReasonInvalid, "use a duration such as 10m, or 0s for none", "%v is negative", v)
	}
	return v
}
