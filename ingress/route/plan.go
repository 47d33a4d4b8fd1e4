package route

import (
	"cmp"
	"slices"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/ingress/policy"
)

// Input is what a table is built from.
type Input struct {
	Snapshot *config.Snapshot       // Ingresses, Services, Endpoints, Certificates
	Default  *config.IngressBackend // for what no Ingress serves; may be nil
	Owners   *Owners                // who may use which host; nil: any namespace any host

	// ExternalName Services: what their names stand for, by name, and which
	// answers are acceptable. A nil Guard refuses all such Services.
	Names config.Table[string, *Answer]
	Guard *Guard

	// For whoever wants the Problems and not the table.
	NoEndpoints    bool // Snapshot holds no Endpoints; every route answers 503
	NoCertificates bool // Snapshot holds no Certificates; their absence is no Problem
}

// Build makes the routing table of all Ingresses and tells what is wrong with
// them, sorted by object and field. It always returns a table: a faulty rule
// answers 503 or, if it cannot be matched at all, is left out; nothing else
// suffers.
func Build(in Input) (*Table, []config.Problem) {
	p := Update(nil, in)
	return p.Table, p.Problems()
}

// Plan is a table with what it was made from, so that the next one costs only
// what has changed. It is immutable.
type Plan struct {
	Table   *Table
	Touched []config.Key // Ingresses whose Problems may differ from those in the Plan before, sorted

	in         Input
	generation uint64
	claims     config.Table[place, []claim]               // who wants it, the winner first
	named      config.Table[string, []*config.Ingress]    // host → Ingresses that name it, oldest first, maybe with rules they had
	needs      config.Table[config.Key, need]             // Service → what depends on it
	external   config.Table[config.Key, string]           // those of them that stand for a name
	certified  config.Table[string, []*config.Ingress]    // host → Ingresses that bring a certificate for it, oldest first
	canaries   config.Table[spot, []claim]                // who takes some of the requests there, the oldest first
	limiters   config.Table[config.Key, *policy.Limiter]  // of Ingresses that limit something
	aliased    config.Table[string, []*config.Ingress]    // host → Ingresses whose annotations name it, oldest first
	secrets    config.Table[config.Key, []config.Key]     // Secret → Ingresses that name it, sorted
	uses       config.Table[config.IngressBackend, use]   // of groups
	free       []int                                      // groups that nobody uses
	defaults   []*config.Ingress                          // defaultBackend without rules, oldest first
	problems   config.Table[config.Key, []config.Problem] // of Ingresses that have some
	global     []config.Problem                           // of Input.Default
}

// Update makes the Plan of in at the cost of what has changed since prev, which
// may be nil: then it is made from nothing. It finds out itself what changed:
// tables of a snapshot are compared by what their edits touched, and objects
// are never changed, only replaced. Options of in that are the same for all
// Ingresses, save Names and Guard, have to be those of prev.
//
// A change in an Ingress costs time in proportion to its rules, and copies of
// the lists that they stand in: the paths beside them and the Ingresses of
// their hosts and Services.
func Update(prev *Plan, in Input) *Plan {
	if prev == nil {
		prev = &Plan{Table: &Table{}, in: Input{Snapshot: &config.Snapshot{}}}
	}
	e := newEdit(prev, in)
	e.moveIngresses()
	e.moveServices()
	e.moveNames()
	for host := range e.hosts {
		e.settleOwner(host)
	}
	for at := range e.places {
		e.settle(at)
	}
	for host := range e.hosts {
		e.settleHost(host)
	}
	e.settleAliases()
	e.settleExpressions()
	e.settleDefault()
	e.judge()
	return e.done()
}

// Problems lists what is wrong with all Ingresses, by object and field.
func (p *Plan) Problems() []config.Problem {
	out := slices.Clone(p.global)
	for _, of := range p.problems.All() {
		out = append(out, of...)
	}
	slices.SortStableFunc(out, func(x, y config.Problem) int { return x.Object.Compare(y.Object.Key) })
	return out
}

// ProblemsOf lists what is wrong with one Ingress, by field. The slice must not
// be changed.
func (p *Plan) ProblemsOf(key config.Key) []config.Problem {
	of, _ := p.problems.Get(key)
	return of
}

// ExternalNames are the names that the ExternalName Services of Ingresses stand
// for, sorted, each once.
func (p *Plan) ExternalNames() []string {
	var names []string
	for _, name := range p.external.All() {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// OldestFirst lists Ingresses in the order in which they win conflicts.
func OldestFirst(ingresses config.Table[config.Key, *config.Ingress]) []*config.Ingress {
	list := make([]*config.Ingress, 0, ingresses.Len())
	for _, ing := range ingresses.All() {
		list = append(list, ing)
	}
	slices.SortFunc(list, byAge)
	return list
}

// byAge orders Ingresses by who wins a conflict: the oldest, then the first by
// namespace and name.
func byAge(a, b *config.Ingress) int {
	return cmp.Or(a.Created.Compare(b.Created), a.Key.Compare(b.Key))
}
