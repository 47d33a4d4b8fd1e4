package untouched

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
)

// volatile values change by themselves.
var volatile = []string{"nf_conntrack_count"}

// snapshot is the state of the host, one line per thing.
func snapshot(t *testing.T) []string {
	t.Helper()
	lines := slices.Concat(links(t), routes(t), rules(t), sysctls(), processes(), mounts(t), names())
	out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	if err != nil {
		t.Fatalf("nft list ruleset: %v: %s", err, out)
	}
	for line := range strings.Lines(string(out)) {
		lines = append(lines, "nft "+strings.TrimSpace(line))
	}
	return lines
}

func links(t *testing.T) []string {
	list, err := netlink.LinkList()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range list {
		a := l.Attrs()
		lines = append(lines, fmt.Sprintf("link %d %s %s %v %v master %d", a.Index, a.Name, l.Type(), a.HardwareAddr, a.Flags, a.MasterIndex))
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			t.Fatal(err)
		}
		for _, addr := range addrs {
			lines = append(lines, fmt.Sprintf("addr %s %v", a.Name, addr.IPNet))
		}
	}
	return lines
}

func routes(t *testing.T) []string {
	var lines []string
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		list, err := netlink.RouteListFiltered(family, &netlink.Route{}, netlink.RT_FILTER_TABLE)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			lines = append(lines, fmt.Sprintf("route %d %v", r.Table, r))
		}
	}
	return lines
}

func rules(t *testing.T) []string {
	list, err := netlink.RuleList(netlink.FAMILY_ALL)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, r := range list {
		lines = append(lines, fmt.Sprintf("rule %v", r))
	}
	return lines
}

func sysctls() []string {
	var lines []string
	filepath.WalkDir("/proc/sys/net", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains(volatile, entry.Name()) {
			return nil // a setting that cannot be read is not compared
		}
		if data, err := os.ReadFile(path); err == nil {
			lines = append(lines, path+" = "+strings.TrimSpace(string(data)))
		}
		return nil
	})
	return lines
}

func processes() []string {
	entries, _ := filepath.Glob("/proc/[0-9]*/cmdline") // the pattern is fixed and valid
	var lines []string
	for _, path := range entries {
		data, _ := os.ReadFile(path) // ended meanwhile: an empty line, seen as a difference
		lines = append(lines, path+" "+strings.ReplaceAll(string(data), "\x00", " "))
	}
	return lines
}

func mounts(t *testing.T) []string {
	data, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(data), "\n")
}

// names are those of network namespaces.
func names() []string {
	entries, _ := os.ReadDir("/run/netns") // absent is the same as empty
	var lines []string
	for _, e := range entries {
		lines = append(lines, "netns "+e.Name())
	}
	return lines
}

// compare fails the test for every line that is in one snapshot alone.
func compare(t *testing.T, before, after []string) {
	t.Helper()
	for _, line := range after {
		if !slices.Contains(before, line) {
			t.Errorf("new on the host: %s", line)
		}
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Errorf("gone from the host: %s", line)
		}
	}
}
