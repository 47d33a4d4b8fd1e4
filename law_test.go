package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/steelyard-lb/steelyard"

// law says what a package may import. Packages of this module and third-party
// modules are listed; the standard library is open, save to pure packages.
type law struct {
	pure   bool     // no I/O, log, clock, goroutine or context
	shared bool     // pure, but its values may be atomic, for any number of goroutines
	own    []string // packages of this module, without the module path
	doors  []string // third-party path prefixes
	why    string
}

// stdOnlyPure are the packages of the standard library that would give a pure
// package I/O, a log, a clock of its own or concurrency. "time" is allowed for
// its types; the test looks for calls that read the clock.
var impure = []string{
	"bufio", "context", "crypto/rand", "database/sql", "embed", "io/fs", "log", "log/slog", "math/rand",
	"math/rand/v2", "net/http", "os", "os/exec", "os/signal", "sync", "sync/atomic", "syscall", "testing",
}

var (
	logging = []string{"github.com/go-kit/log"}
	metrics = []string{"github.com/prometheus/client_golang"}
	kubeAPI = []string{"k8s.io/api", "k8s.io/apimachinery"}
)

var laws = map[string]law{
	"config":            {pure: true, why: "the vocabulary: everybody imports it, so it imports nobody"},
	"config/v1beta1":    {pure: true, doors: kubeAPI, why: "the custom resources as Go types"},
	"config/translate":  {pure: true, own: []string{"config", "config/v1beta1"}, doors: kubeAPI, why: "API objects in, values and Problems out"},
	"config/convert":    {pure: true, own: []string{"config"}, doors: join(kubeAPI, "sigs.k8s.io/yaml"), why: "manifests in, manifests out"},
	"ipam":              {pure: true, own: []string{"config"}, why: "a fold over the ledger"},
	"speaker/announce":  {pure: true, own: []string{"config", "config/host"}, why: "what a node says is a function of what it sees"},
	"speaker/keys":      {pure: true, why: "the secrets that speakers share, as a value"},
	"l4proxy":           {pure: true, own: []string{"config", "config/maglev"}, why: "the forwarding table is a value"},
	"ingress/route":     {pure: true, own: []string{"config", "ingress/policy"}, why: "the routing table is a value"},
	"ingress/policy":    {pure: true, shared: true, own: []string{"config", "ingress/http"}, why: "what annotations make of requests: values in, values out"},
	"ingress/accesslog": {pure: true, why: "the line of a request: a record in, bytes out"},
	"ingress/balance":   {pure: true, shared: true, own: []string{"config/maglev"}, why: "whom a request goes to: time and randomness are arguments"},
	"ingress/http":      {pure: true, why: "HTTP/1.1: bytes in, values and bytes out"},

	"ingress/http/hpack": {pure: true, why: "header compression of HTTP/2: bytes in, fields out, and back"},
	"ingress/http/h2":    {pure: true, own: []string{"ingress/http/hpack"}, why: "HTTP/2: bytes in, events out; time is an argument"},

	"l4proxy/health/check": {pure: true, own: []string{"config", "l4proxy"}, why: "who checks which backend when, and what follows from it: time is an argument"},

	"speaker/bfd/packet":  {pure: true, why: "BFD packets: bytes in, values out"},
	"speaker/bfd/session": {pure: true, own: []string{"speaker/bfd/packet"}, why: "the state machine of BFD: time and randomness are arguments"},
	"speaker/bfd": {own: []string{"config/feed", "config/lines", "speaker/bfd/packet", "speaker/bfd/session"},
		doors: join(metrics, "golang.org/x/sys"), why: "runs BFD sessions: one thread and its UDP sockets"},

	"config/feed":   {why: "a small shared library"},
	"config/lines":  {own: []string{"config/feed", "config/poll"}, why: "a small shared library: how the processes of a pod talk"},
	"config/maglev": {pure: true, why: "a small shared library: tables that keep most of what they say"},
	"config/poll":   {doors: []string{"golang.org/x/sys"}, why: "a small shared library: event loops for those who move bytes"},
	"config/thread": {doors: []string{"golang.org/x/sys"}, why: "a small shared library"},
	"config/daemon": {doors: join(logging, metrics, "github.com/spf13/pflag", "golang.org/x/sys"), why: "what every process has: log, health, metrics, flags"},
	"config/host":   {own: []string{"config/feed"}, doors: join(logging, "github.com/vishvananda/netlink", "github.com/vishvananda/netns", "golang.org/x/sys"), why: "the door to this host's links"},
	"config/kube": {own: []string{"config", "config/v1beta1", "config/translate", "config/feed"},
		doors: join(logging, metrics, kubeAPI, "k8s.io/client-go", "k8s.io/klog", "sigs.k8s.io"), why: "the only door to client-go"},
	"speaker/layer2": {own: []string{"config", "config/host", "config/feed", "config/thread", "speaker/announce"},
		doors: join(logging, metrics, "github.com/mdlayher", "golang.org/x/net", "golang.org/x/sys", "github.com/vishvananda/netlink"), why: "the door to mdlayher/arp and ndp for addresses that are answered for"},
	"speaker/discovery": {own: []string{"config/feed", "config/host"},
		doors: join(logging, "github.com/mdlayher/ndp", "golang.org/x/net"), why: "finds routers on links: a pure core and one socket each"},
	"speaker/fib": {own: []string{"config/feed", "speaker/announce"},
		doors: join(logging, "github.com/vishvananda/netlink", "golang.org/x/sys"), why: "routes that routers send, in the kernel"},
	"speaker/keyfile": {own: []string{"config", "speaker/keys"},
		doors: join(logging, metrics), why: "the file of the keys, watched"},
	"speaker/member": {own: []string{"config", "config/feed", "l4proxy/health/check", "speaker/announce", "speaker/keys"},
		doors: join(logging, metrics, "github.com/hashicorp/memberlist", "golang.org/x/sync"), why: "the only door to memberlist"},
	"speaker/pulse": {own: []string{"config", "config/feed", "config/lines", "config/thread", "speaker/keys"},
		doors: join(logging, metrics, "golang.org/x/sys"), why: "heartbeats between speakers: a pure core and one UDP socket, here or in another process"},
	"speaker/testlab": {doors: []string{"github.com/vishvananda/netns"}, why: "hosts and routers for tests: no package may import it but in its tests"},
	"speaker/bgp": {own: []string{"config", "config/feed", "speaker/announce"},
		doors: join(logging, metrics, "github.com/osrg/gobgp/v3", "google.golang.org/protobuf", "golang.org/x/sys"), why: "the only door to GoBGP"},
	"l4proxy/nft": {own: []string{"config", "config/feed", "l4proxy"},
		doors: join(logging, metrics, "github.com/google/nftables", "github.com/mdlayher/netlink", "github.com/mdlayher/socket", "github.com/vishvananda", "golang.org/x/sync", "golang.org/x/sys"), why: "the only door to nftables and conntrack"},
	"l4proxy/relay/proxyproto": {pure: true, why: "the PROXY protocol: bytes in, values out"},
	"l4proxy/relay": {own: []string{"config", "config/feed", "config/lines", "config/poll", "l4proxy", "l4proxy/relay/proxyproto"},
		doors: join(metrics, "golang.org/x/sys"), why: "forwards in user space: event loops and their sockets"},
	"l4proxy/healthport": {own: []string{"config", "config/feed", "l4proxy"}, doors: logging, why: "answers other load balancers by HTTP"},
	"l4proxy/health": {own: []string{"config", "config/feed", "l4proxy/health/check"},
		doors: join(metrics, "google.golang.org/grpc"), why: "checks backends by TCP, HTTP and gRPC"},
	"ingress/names":  {own: []string{"config", "config/feed", "ingress/route"}, doors: join(logging, "golang.org/x/net"), why: "asks DNS servers what names stand for"},
	"ingress/cert":   {own: []string{"config"}, doors: join(logging, metrics), why: "certificates by SNI"},
	"ingress/engine": {own: []string{"config/poll", "ingress/accesslog", "ingress/balance", "ingress/http", "ingress/policy", "ingress/http/h2", "ingress/http/hpack"}, doors: join(logging, metrics, "golang.org/x/sys"), why: "drives HTTP/1.1 and HTTP/2 by goroutines or loops; whom a request goes to it asks through an interface of its own"},

	"controller/issuance": {pure: true, own: []string{"config"}, why: "which certificates are ordered when: time is an argument"},
	"controller/acme": {own: []string{"config", "config/feed", "controller/issuance", "ingress/route"}, doors: join(logging, metrics, "golang.org/x/crypto/acme"),
		why: "the only door to golang.org/x/crypto/acme: drives orders of certificates"},
	"controller": {own: []string{"config", "config/feed", "ipam", "ingress/cert", "ingress/route"}, doors: join(logging, metrics, "golang.org/x/sync"), why: "wires ipam to the API; reads it through interfaces of its own"},
	"speaker": {own: []string{"config", "config/feed", "config/host", "speaker/announce", "speaker/discovery", "speaker/layer2", "speaker/bfd", "speaker/bfd/packet", "speaker/bgp", "speaker/member", "speaker/pulse", "l4proxy", "l4proxy/health/check", "l4proxy/nft", "l4proxy/relay"},
		doors: join(logging, metrics, "golang.org/x/sync"), why: "wires the shells of a node"},
	"ingress": {own: []string{"config", "config/feed", "ingress/names", "ingress/route", "ingress/accesslog", "ingress/cert", "ingress/engine", "ingress/http"}, doors: join(logging, metrics, "golang.org/x/sync"), why: "wires the L7 proxy"},
	"": {own: []string{"config", "config/convert", "config/daemon", "config/feed", "config/host", "config/kube", "config/lines", "controller", "controller/acme", "speaker", "speaker/announce", "speaker/bfd", "speaker/bfd/packet", "speaker/bfd/session", "speaker/bgp", "speaker/discovery", "speaker/fib", "speaker/keyfile", "speaker/keys", "speaker/layer2", "speaker/member", "speaker/pulse", "l4proxy/health", "l4proxy/healthport", "l4proxy/nft", "l4proxy/relay", "ingress", "ingress/accesslog", "ingress/engine", "ingress/names", "ingress/route"},
		doors: join(logging, metrics, "github.com/spf13/cobra", "golang.org/x/sync"), why: "main alone imports the processes"},
}

func join(parts ...any) []string {
	var out []string
	for _, p := range parts {
		switch p := p.(type) {
		case string:
			out = append(out, p)
		case []string:
			out = append(out, p...)
		}
	}
	return out
}

// TestImportLaw holds every package of the module against its law.
func TestImportLaw(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{"e2etest", "tools", "bin", "dist", ".git"}, path) {
				return filepath.SkipDir
			}
			return nil
		}
		if strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
			dir := strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), ".")
			seen[dir] = true
			for _, breach := range breaches(t, dir, path) {
				t.Error(breach)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for dir := range laws {
		if !seen[dir] {
			t.Errorf("the law names package %q, which has no Go files", dir)
		}
	}
}

// breaches lists how the file at path breaks the law of package dir.
func breaches(t *testing.T, dir, path string) []string {
	t.Helper()
	l, ok := laws[dir]
	if !ok {
		return []string{fmt.Sprintf("%s: package %q has no law: add a line with its reason", path, dir)}
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, imp := range file.Imports {
		name, _ := strconv.Unquote(imp.Path.Value)
		if why := l.refuses(name); why != "" {
			out = append(out, fmt.Sprintf("%s: %s (%s: %s)", fset.Position(imp.Pos()), why, dir, l.why))
		}
	}
	if l.pure {
		out = append(out, impurities(fset, file)...)
	}
	return out
}

// refuses tells why the law forbids importing name; "" if it does not.
func (l law) refuses(name string) string {
	if own, ok := strings.CutPrefix(name, module+"/"); ok {
		if !slices.Contains(l.own, own) {
			return "may not import " + own
		}
		return ""
	}
	if first, _, _ := strings.Cut(name, "/"); !strings.Contains(first, ".") {
		if l.pure && slices.Contains(impure, name) && !(l.shared && name == "sync/atomic") {
			return "a pure package may not import " + name
		}
		return ""
	}
	for _, door := range l.doors {
		if name == door || strings.HasPrefix(name, door+"/") {
			return ""
		}
	}
	return "has no door to " + name
}

// impurities finds goroutines, channel sends and reads of the clock.
func impurities(fset *token.FileSet, file *ast.File) []string {
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			out = append(out, fmt.Sprintf("%s: a pure package starts no goroutine", fset.Position(n.Pos())))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "time" &&
				slices.Contains([]string{"Now", "Since", "Until", "After", "Sleep", "NewTimer", "NewTicker", "Tick", "AfterFunc"}, n.Sel.Name) {
				out = append(out, fmt.Sprintf("%s: a pure package reads no clock (time.%s)", fset.Position(n.Pos()), n.Sel.Name))
			}
			if x, ok := n.X.(*ast.Ident); ok && x.Name == "net" &&
				slices.ContainsFunc([]string{"Dial", "Listen", "Interface", "Lookup", "Resolve"}, func(p string) bool { return strings.HasPrefix(n.Sel.Name, p) }) {
				out = append(out, fmt.Sprintf("%s: a pure package does no I/O (net.%s)", fset.Position(n.Pos()), n.Sel.Name))
			}
		}
		return true
	})
	return out
}

// TestTheLawCanBeBroken proves that the check can fail: broken files in memory.
func TestTheLawCanBeBroken(t *testing.T) {
	cases := []struct{ dir, importPath string }{
		{"ipam", module + "/config/kube"},
		{"ipam", "os"},
		{"config", "context"},
		{"speaker/bgp", module + "/speaker/layer2"},
		{"speaker/layer2", "github.com/osrg/gobgp/v3/pkg/server"},
		{"controller", "k8s.io/client-go/kubernetes"},
		{"l4proxy", "github.com/google/nftables"},
	}
	for _, c := range cases {
		if laws[c.dir].refuses(c.importPath) == "" {
			t.Errorf("%s may import %s; it must not", c.dir, c.importPath)
		}
	}
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "x.go", "package x\nimport \"time\"\nfunc f() { go f(); _ = time.Now() }", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := impurities(fset, file); len(got) != 2 {
		t.Errorf("impurities = %v; want the goroutine and the clock", got)
	}
}
