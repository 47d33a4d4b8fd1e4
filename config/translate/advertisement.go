package translate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	maxLinkName = 15 // IFNAMSIZ without its final zero
	maxPrepend  = 16 // longer AS paths are filtered by many
)

// L2Advertisement translates one L2Advertisement by itself; it is nil if it
// has a problem.
func L2Advertisement(o *v1beta1.L2Advertisement) (*config.L2Advertisement, []config.Problem) {
	f := faultsOf(config.KindL2Advertisement, o)
	s := &o.Spec
	a := &config.L2Advertisement{
		Name:       o.Name,
		PoolChoice: poolChoice(f, s.IPAddressPools, s.IPAddressPoolSelectors, s.NodeSelectors, s.ServiceSelectors),
		Interfaces: slices.Clone(s.Interfaces), Preferred: preferences(f, s.PreferredNodeSelectors),
		RequireSubnet: s.RequireSubnet, Refresh: refresh(f, s.RefreshInterval),
		OnReturn: s.Rebalance == v1beta1.RebalanceOnReturn,
	}
	if s.Rebalance != "" && s.Rebalance != v1beta1.RebalanceNever && !a.OnReturn {
		f.add("spec.rebalance", ReasonInvalid, "use Never or OnReturn", "%q is no policy", s.Rebalance)
	}
	f.twice("spec.interfaces", s.Interfaces)
	for i, name := range s.Interfaces {
		if name == "" || len(name) > maxLinkName || strings.ContainsAny(name, "/ \t\n") {
			f.add(fmt.Sprintf("spec.interfaces[%d]", i), ReasonInvalid,
				"write the exact name of an interface", "%q cannot be the name of an interface", name)
		}
	}
	if f.any() {
		return nil, f.problems
	}
	return a, nil
}

func preferences(f *faults, list []v1beta1.PreferredNodeSelector) []config.Preference {
	var out []config.Preference
	terms := make([]metav1.LabelSelector, len(list))
	for i := range list {
		terms[i] = list[i].Preference
		if w := list[i].Weight; w < 1 || w > 100 {
			f.add(fmt.Sprintf("spec.preferredNodeSelectors[%d].weight", i), ReasonInvalid, "use 1 to 100", "%d is no weight", w)
		}
	}
	nodes := selectors(f, "spec.preferredNodeSelectors", terms)
	for i := range min(len(nodes), len(list)) { // all of them, unless one has a problem
		out = append(out, config.Preference{Weight: int(list[i].Weight), Node: nodes[i]})
	}
	return out
}

func refresh(f *faults, d *metav1.Duration) time.Duration {
	every := duration(d, config.DefaultRefresh)
	if every != 0 && (every < time.Second || every > 24*time.Hour) {
		f.add("spec.refreshInterval", ReasonInvalid, "use 1s to 24h, or 0s to switch it off", "%v is not possible", every)
	}
	return every
}

func poolChoice(f *faults, pools []string, poolSel, nodeSel, svcSel []metav1.LabelSelector) config.PoolChoice {
	f.twice("spec.ipAddressPools", pools)
	return config.PoolChoice{
		Pools:            slices.Clone(pools),
		PoolSelectors:    selectors(f, "spec.ipAddressPoolSelectors", poolSel),
		NodeSelectors:    selectors(f, "spec.nodeSelectors", nodeSel),
		ServiceSelectors: selectors(f, "spec.serviceSelectors", svcSel),
	}
}

// BGPAdvertisement translates one BGPAdvertisement by itself; it is nil if it
// has a problem. aliases are the values of the names of communities, "" of those
// that have a problem themselves.
func BGPAdvertisement(o *v1beta1.BGPAdvertisement, aliases map[string]string) (*config.BGPAdvertisement, []config.Problem) {
	f := faultsOf(config.KindBGPAdvertisement, o)
	s := &o.Spec
	a := &config.BGPAdvertisement{
		Name:       o.Name,
		PoolChoice: poolChoice(f, s.IPAddressPools, s.IPAddressPoolSelectors, s.NodeSelectors, s.ServiceSelectors),
		Peers:      slices.Clone(s.Peers),
		Length4:    length(f, "spec.aggregationLength", s.AggregationLength, 32),
		Length6:    length(f, "spec.aggregationLengthV6", s.AggregationLengthV6, 128),
		LocalPref:  s.LocalPref, MED: s.MED, Weighted: s.WeightByLocalEndpoints,
	}
	if a.Prepend = uint8(s.ASPathPrepend); s.ASPathPrepend < 0 || s.ASPathPrepend > maxPrepend {
		f.add("spec.asPathPrepend", ReasonInvalid, fmt.Sprintf("use 1 to %d", maxPrepend), "%d times is not possible", s.ASPathPrepend)
	}
	f.twice("spec.peers", s.Peers)
	if len(a.ServiceSelectors) > 0 && (a.Length4 != 32 || a.Length6 != 128) {
		f.add("spec.serviceSelectors", ReasonInvalid, "leave aggregationLength and aggregationLengthV6 at 32 and 128",
			"an aggregate of many Services cannot be announced for some of them")
	}
	communities(f, a, s.Communities, aliases)
	if f.any() {
		return nil, f.problems
	}
	return a, nil
}

func length(f *faults, field string, v *int32, longest int32) uint8 {
	if v == nil {
		return uint8(longest)
	}
	if *v < 1 || *v > longest {
		f.add(field, ReasonInvalid, fmt.Sprintf("use 1 to %d", longest), "%d is not a prefix length", *v)
		return uint8(longest)
	}
	return uint8(*v)
}
