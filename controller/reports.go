package controller

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/steelyard-lb/steelyard/config"
)

// reviewReports asks for the IngressReports that differ from what they shall
// say: of Ingresses that are judged anew, some for their certificates, and of reports
// that changed. before is the snapshot before, nil at first.
func (r *reign) reviewReports(before *config.Snapshot, rejudged []config.Key, now time.Time) {
	if r.opts.IngressService == (config.Key{}) {
		return
	}
	if before == nil {
		before = &config.Snapshot{}
	}
	look := map[config.Key]bool{}
	for _, key := range slices.Concat(r.routes.Touched, rejudged) {
		look[key] = true
	}
	for key := range config.Differing(before.Ingresses, r.snap.Ingresses) {
		look[key] = true
	}
	for key := range config.Differing(before.Reports, r.snap.Reports) {
		look[key] = true
	}
	if !sameList(before.Problems, r.snap.Problems) {
		for _, list := range [][]config.Problem{before.Problems, r.snap.Problems} {
			for _, p := range ingressProblems(list) {
				look[p.Object.Key] = true
			}
		}
	}
	for key := range look {
		r.reviewReport(key, now)
	}
}

// sameList tells whether two snapshots share a list, as they do while it says
// the same.
func sameList(a, b []config.Problem) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func (r *reign) reviewReport(key config.Key, now time.Time) {
	ref := config.Ref{Kind: config.KindIngressReport, Key: key}
	ing, ours := r.snap.Ingresses.Get(key)
	has, _ := r.snap.Reports.Get(key)
	var want *config.IngressReport
	if ours {
		problems := slices.Concat(r.routes.ProblemsOf(key), problemsOf(r.snap.Problems, key), problemsOf(r.pairs, key))
		if r.opts.ACME {
			problems = slices.DeleteFunc(problems, r.isOrdered)
		}
		want = ingressReport(ing, problems)
	}
	if has.Equal(want) {
		r.out.forget(ref) // one that somebody deletes later is written anew
		return
	}
	r.out.put(&write{ref: ref, basis: has, ingress: ing, report: want}, now)
}

// ingressProblems are those of a sorted list that are about Ingresses.
func ingressProblems(list []config.Problem) []config.Problem {
	i, _ := slices.BinarySearchFunc(list, config.KindIngress, byKind)
	end := i
	for end < len(list) && list[end].Object.Kind == config.KindIngress {
		end++
	}
	return list[i:end]
}

func byKind(p config.Problem, kind config.Kind) int { return cmp.Compare(p.Object.Kind, kind) }

// problemsOf are those of a sorted list that are about one Ingress.
func problemsOf(list []config.Problem, key config.Key) []config.Problem {
	byKey := func(p config.Problem, key config.Key) int {
		return cmp.Or(byKind(p, config.KindIngress), p.Object.Key.Compare(key))
	}
	i, _ := slices.BinarySearchFunc(list, key, byKey)
	end := i
	for end < len(list) && byKey(list[end], key) == 0 {
		end++
	}
	return list[i:end]
}

// ingressReport is what became of an Ingress with those problems; nil if all of it is
// served as it is written.
func ingressReport(ing *config.Ingress, problems []config.Problem) *config.IngressReport {
	if len(problems) == 0 {
		return nil
	}
	parts := partsOf(ing)
	index, faulty := map[string]int{}, map[int]bool{}
	for i, part := range parts {
		index[part.Field] = i
	}
	out := &config.IngressReport{Key: ing.Key, Ingress: ing.UID}
	for _, p := range problems {
		f := config.Finding{Field: p.Field, Verdict: cmp.Or(p.Verdict, config.Refused),
			Reason: p.Reason, Message: short(p.Message), Remedy: short(p.Remedy)}
		if i, ok := partOf(index, p.Field); ok {
			f.Subject, faulty[i] = parts[i].Subject, true
		}
		out.Findings = append(out.Findings, f)
	}
	slices.SortStableFunc(out.Findings, func(a, b config.Finding) int { return strings.Compare(a.Field, b.Field) })
	for i, part := range parts {
		if !faulty[i] {
			out.Findings = append(out.Findings, part)
		}
	}
	if over := len(out.Findings) - config.MaxFindings; over > 0 {
		out.Findings, out.Omitted = out.Findings[:config.MaxFindings], over
	}
	return out
}

// partsOf lists what an Ingress consists of, as if all of it were applied.
func partsOf(ing *config.Ingress) []config.Finding {
	var out []config.Finding
	add := func(field, subject string) {
		out = append(out, config.Finding{Field: field, Subject: short(subject), Verdict: config.Applied})
	}
	if ing.Default != nil {
		add("spec.defaultBackend", ing.Default.Service.Name)
	}
	for i := range ing.Rules {
		rule := &ing.Rules[i]
		add(rule.Field, cmp.Or(rule.Host, "*")+rule.Path)
	}
	for i, tls := range ing.TLS {
		add(fmt.Sprintf("spec.tls[%d]", i), strings.Join(tls.Hosts, ","))
	}
	for _, name := range ing.Settings {
		add("metadata.annotations["+name+"]", "")
	}
	return out
}

// partOf finds the part that a field is, or lies in.
func partOf(index map[string]int, field string) (part int, ok bool) {
	for {
		if part, ok = index[field]; ok {
			return part, true
		}
		dot := strings.LastIndexByte(field, '.')
		if dot < 0 {
			return 0, false
		}
		field = field[:dot]
	}
}

// maxText bounds the texts of findings, in bytes: paths and hosts are in them.
const maxText = 1024

func short(s string) string {
	if len(s) <= maxText {
		return s
	}
	return strings.ToValidUTF8(s[:maxText-3], "") + "..."
}
