package route

import (
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func TestOwners(t *testing.T) {
	w := newWorld().service("old/web", "10.0.0.1:80").service("new/web", "10.0.0.2:80").service("team/web", "10.0.0.3:80").
		ingress(t, "old/a", 9, "Prefix free.test/ web:80", "Prefix x.team.test/ web:80", "Prefix deep.x.team.test/ web:80", "Prefix *.team.test/ web:80").
		ingress(t, "new/b", 5, "Prefix free.test/b web:80", "Prefix /any web:80", "default web:80").
		ingress(t, "team/c", 1, "Prefix x.team.test/c web:80", "Prefix /c web:80").
		ingress(t, "old/dflt", 9, "default web:80")
	in := w.input()
	in.Owners = &Owners{Granted: map[string][]string{"*.team.test": {"team"}, "deep.x.team.test": {"old", "new"}, "*": {"new", "infra"}}, Oldest: true}
	table, problems := Build(in)
	expect(t, table, map[string]string{
		"free.test/b":        "a → web", // the oldest has the host
		"x.team.test/c":      "c → web",
		"x.team.test/":       "404",
		"deep.x.team.test/":  "a → web", // the longer entry
		"y.team.test/any":    "b → web", // a wildcard that is refused hides nothing
		"other.test/any":     "b → web",
		"other.test/c":       "b → web",
		"nobody.else.test/x": "b → web",
	})
	expectProblems(t, problems,
		"Refused Ingress new/b: spec.rules[free.test].http.paths[/b]: free.test belongs to namespace old",
		"Refused Ingress old/a: spec.rules[*.team.test].http.paths[/]: *.team.test belongs to namespace team",
		"Refused Ingress old/a: spec.rules[x.team.test].http.paths[/]: x.team.test belongs to namespace team",
		"Refused Ingress old/dflt: spec.defaultBackend: what no host serves belongs to namespace new, infra",
		"Refused Ingress team/c: spec.rules[*].http.paths[/c]: any host belongs to namespace new, infra")

	delete(w.ingresses, config.Key{Namespace: "old", Name: "a"})
	in.Snapshot = w.input().Snapshot
	table, _ = Build(in)
	expect(t, table, map[string]string{"free.test/b": "b → web"})
}

func TestNames(t *testing.T) {
	w := newWorld().ingress(t, "i", 1, "Prefix h/ ext:8080", "Prefix h/named ext:http")
	w.services[key("ext")] = &config.Service{Key: key("ext"), Type: config.ExternalName, ExternalName: "x.example"}
	in := w.input()
	in.Guard = &Guard{}
	table, problems := Build(in)
	expect(t, table, map[string]string{"h/": "i → ext 503", "h/named": "i → ext 503"})
	expectProblems(t, problems, "NotFound Ingress default/i: spec.rules[h].http.paths[/named].backend.service.port: Service default/ext has no TCP port http")

	for _, c := range []struct {
		answer *Answer
		want   string
		told   string
	}{
		{&Answer{Addrs: addrsIn("192.0.2.1", "127.0.0.1")}, "i → ext", ""},
		{&Answer{Addrs: addrsIn("169.254.169.254")}, "i → ext 503", "x.example is 169.254.169.254, which is refused: link-local"},
		{&Answer{Fault: "no such name"}, "i → ext 503", "x.example cannot be resolved: no such name"},
	} {
		in.Names = config.TableOf(map[string]*Answer{"x.example": c.answer})
		table, problems := Build(in)
		expect(t, table, map[string]string{"h/": c.want})
		if c.told != "" {
			expectProblems(t, problems[:1], "Refused Ingress default/i: spec.rules[h].http.paths[/].backend.service.name: Service default/ext is of type ExternalName and "+c.told)
		}
	}
	if r, ok := table.Match("h", "/"); !ok || table.GroupOf(r).Port != "8080" {
		t.Errorf("the port is not that of the Ingress: %v", r)
	}
}
