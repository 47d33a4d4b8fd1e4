package route

import (
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// edit makes one Plan out of the one before.
type edit struct {
	prev *Plan
	in   Input
	tree *treeEdit

	claims   *config.Edit[place, []claim]
	naming   *config.Edit[string, []*config.Ingress]
	needs    *config.Edit[config.Key, need]
	external *config.Edit[config.Key, string]
	secrets  *config.Edit[config.Key, []config.Key]
	certify  *config.Edit[string, []*config.Ingress]
	uses     *config.Edit[config.IngressBackend, use]
	problems *config.Edit[config.Key, []config.Problem]
	aliased  *config.Edit[string, []*config.Ingress]
	canaries *config.Edit[spot, []claim]
	limiters *config.Edit[config.Key, *policy.Limiter]

	defaults    []*config.Ingress
	free        []int
	groups      []*Group
	groupsOwned bool // groups was copied by this edit
	global      []config.Problem

	places  map[place]bool      // whose claims changed
	hosts   map[string]bool     // whose Ingresses changed
	aliases map[string]bool     // names of which it is the same
	dirty   map[config.Key]bool // Ingresses to be judged anew
	touched []config.Key
}

func newEdit(prev *Plan, in Input) *edit {
	return &edit{
		prev: prev, in: in, tree: newTreeEdit(prev.Table, prev.generation+1),
		claims: prev.claims.Edit(), naming: prev.named.Edit(), needs: prev.needs.Edit(),
		external: prev.external.Edit(), secrets: prev.secrets.Edit(), certify: prev.certified.Edit(),
		uses: prev.uses.Edit(), problems: prev.problems.Edit(), aliased: prev.aliased.Edit(), canaries: prev.canaries.Edit(), limiters: prev.limiters.Edit(),
		defaults: prev.defaults, free: slices.Clone(prev.free), groups: prev.Table.groups,
		places: map[place]bool{}, hosts: map[string]bool{}, aliases: map[string]bool{}, dirty: map[config.Key]bool{},
	}
}

func (e *edit) done() *Plan {
	table, certified := e.tree.done(), e.certify.Done()
	table.groups, table.secured = e.groups, certified
	return &Plan{
		Table: table, Touched: e.touched, in: e.in, generation: e.prev.generation + 1,
		claims: e.claims.Done(), named: e.naming.Done(), needs: e.needs.Done(), uses: e.uses.Done(),
		external: e.external.Done(), secrets: e.secrets.Done(), certified: certified, aliased: e.aliased.Done(), canaries: e.canaries.Done(), limiters: e.limiters.Done(),
		free: e.free, defaults: e.defaults, problems: e.problems.Done(), global: e.global,
	}
}
