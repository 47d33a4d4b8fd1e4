package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-kit/log"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
	"github.com/steelyard-lb/steelyard/controller"
	"github.com/steelyard-lb/steelyard/controller/acme"
	"github.com/steelyard-lb/steelyard/ingress"
	"github.com/steelyard-lb/steelyard/ipam"
	"github.com/steelyard-lb/steelyard/l4proxy/health"
	"github.com/steelyard-lb/steelyard/l4proxy/nft"
	"github.com/steelyard-lb/steelyard/l4proxy/relay"
	"github.com/steelyard-lb/steelyard/speaker"
	"github.com/steelyard-lb/steelyard/speaker/bfd"
	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bgp"
	"github.com/steelyard-lb/steelyard/speaker/keyfile"
	"github.com/steelyard-lb/steelyard/speaker/keys"
	"github.com/steelyard-lb/steelyard/speaker/layer2"
	"github.com/steelyard-lb/steelyard/speaker/member"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

// register takes the names of all metrics that are registered with it, those
// without a value yet too.
type register map[string]bool

var fqName = regexp.MustCompile(`fqName: "(steelyard_[a-z0-9_]+)"`)

func (r register) Register(c prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 64)
	c.Describe(descs)
	close(descs)
	for d := range descs {
		if m := fqName.FindStringSubmatch(d.String()); m != nil {
			r[m[1]] = true
		}
	}
	return nil
}

func (r register) MustRegister(list ...prometheus.Collector) {
	for _, c := range list {
		_ = r.Register(c) // never fails
	}
}

func (r register) Unregister(prometheus.Collector) bool { return false }

// TestEveryMetricIsDocumented holds docs/metrics.md to what the processes
// register, both ways.
func TestEveryMetricIsDocumented(t *testing.T) {
	has := register{}
	logger := log.NewNopLogger()
	controller.New(controller.Options{}, nil, logger, has)
	if _, err := acme.New(acme.Options{}, nil, logger, has); err != nil {
		t.Fatal(err)
	}
	layer2.New(logger, has, layer2.Options{})
	if _, err := bgp.New(logger, has, bgp.Options{}); err != nil {
		t.Fatal(err)
	}
	bfd.New(has)
	if _, err := member.New(member.Config{Node: "n1", BindAddr: addr("127.0.0.1"), Keys: keys.Ring{"secret"}}, logger, has); err != nil {
		t.Fatal(err)
	}
	if _, err := pulse.New(pulse.Config{Node: "n1", Addr: addr("127.0.0.1"), Port: 1, Keys: keys.Ring{"secret"}}, logger, has); err != nil {
		t.Fatal(err)
	}
	keyfile.Watch("", "", keys.Ring{"secret"}, logger, has)
	speaker.New(logger, speaker.Parts{Metrics: has})
	health.New(has)
	relay.NewClient("", has)
	if _, err := nft.New(logger, has, nft.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err := ingress.New(ingress.Options{Registerer: has}); err != nil {
		t.Fatal(err)
	}
	families, err := daemon.NewRegistry("x").Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if strings.HasPrefix(f.GetName(), "steelyard_") {
			has[f.GetName()] = true
		}
	}
	said := register{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(steelyard_[a-z0-9_]+)`").FindAllStringSubmatch(text(t, "docs/metrics.md"), -1) {
		said[m[1]] = true
	}
	if have, doc := slices.Sorted(maps.Keys(has)), slices.Sorted(maps.Keys(said)); !slices.Equal(have, doc) {
		t.Errorf("registered: %v\ndocumented: %v", have, doc)
	}
	if len(has) < 30 {
		t.Errorf("only %d metrics found: the test looks at the wrong place", len(has))
	}
}

func TestEveryReasonIsDocumented(t *testing.T) {
	doc := text(t, "docs/services.md")
	for _, r := range ipam.Reasons {
		if !strings.Contains(doc, "`"+string(r)+"`") {
			t.Errorf("docs/services.md does not explain %s", r)
		}
	}
}

func TestEveryDiscardIsDocumented(t *testing.T) {
	doc := text(t, "docs/bfd.md")
	for _, why := range packet.Discards() {
		if !strings.Contains(doc, "`"+why.String()+"`") {
			t.Errorf("docs/bfd.md does not explain %v", why)
		}
	}
}

var (
	proofRow  = regexp.MustCompile("(?m)^\\| (`.*`) \\| (.*`.*) \\| ([^`|]+) \\|$")
	provenAt  = regexp.MustCompile("((FRR|BIRD).*IPv[46])|not yet|no router")
	proofName = regexp.MustCompile(`^Test\w+$|^[a-z0-9-]+\.txtar$`)
	quoted    = regexp.MustCompile("`([^`]+)`")
)

// TestEveryBGPFieldIsProven holds the tables of docs/bgp.md to the fields that
// there are, and to tests and scenarios that exist.
func TestEveryBGPFieldIsProven(t *testing.T) {
	_, tables, ok := strings.Cut(text(t, "docs/bgp.md"), "## What proves it")
	if !ok {
		t.Fatal("docs/bgp.md has no such chapter")
	}
	tests := ""
	for _, pattern := range []string{"speaker/bgp/*_test.go", "speaker/announce/*_test.go", "speaker/discovery/*_test.go", "speaker/fib/*_test.go", "speaker/bfd/*_test.go", "speaker/*_test.go", "config/*_test.go", "config/translate/*_test.go", "l4proxy/nft/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			tests += text(t, f)
		}
	}
	proven := map[string]bool{}
	for _, row := range proofRow.FindAllStringSubmatch(tables, -1) {
		for _, field := range quoted.FindAllStringSubmatch(row[1], -1) {
			proven[field[1]] = true
		}
		if !provenAt.MatchString(row[3]) {
			t.Errorf("%s: proven at %q, which names neither a router and a family nor what there is not yet", row[1], row[3])
		}
		for _, proof := range quoted.FindAllStringSubmatch(row[2], -1) {
			_, err := os.Stat(filepath.Join("e2etest/scenarios", proof[1]))
			if err != nil && !strings.Contains(tests, "\nfunc "+proof[1]+"(") {
				t.Errorf("%s: there is no %s", row[1], proof[1])
			}
		}
	}
	for _, name := range quoted.FindAllStringSubmatch(tables, -1) {
		_, err := os.Stat(filepath.Join("e2etest/scenarios", name[1]))
		if proofName.MatchString(name[1]) && err != nil && !strings.Contains(tests, "\nfunc "+name[1]+"(") {
			t.Errorf("docs/bgp.md names %s, which there is not", name[1])
		}
	}
	for _, spec := range []any{v1beta1.BGPPeerSpec{}, v1beta1.BGPAdvertisementSpec{}, v1beta1.BFDProfileSpec{}, v1beta1.CommunitySpec{}, v1beta1.CommunityAlias{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(spec)) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !proven[name] {
				t.Errorf("docs/bgp.md names no proof of %T.%s", spec, name)
			}
		}
	}
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
)

// TestLinksLeadSomewhere: files and headings that the documents name are there.
func TestLinksLeadSomewhere(t *testing.T) {
	links := 0
	err := filepath.WalkDir("docs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		for _, m := range link.FindAllStringSubmatch(text(t, path), -1) {
			file, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(file, "://") {
				continue
			}
			to := path
			if file != "" {
				to = filepath.Join(filepath.Dir(path), file)
			}
			links++
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s: %v", path, err)
			} else if anchor != "" && !slices.Contains(anchors(text(t, to)), anchor) {
				t.Errorf("%s: %s has no heading #%s", path, to, anchor)
			}
		}
		return nil
	})
	if err != nil || links == 0 {
		t.Errorf("%d links, %v", links, err)
	}
}

// anchors are the headings of a document as links name them.
func anchors(doc string) (out []string) {
	for _, m := range heading.FindAllStringSubmatch(doc, -1) {
		plain := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, strings.ReplaceAll(plain, " ", "-"))
	}
	return out
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
