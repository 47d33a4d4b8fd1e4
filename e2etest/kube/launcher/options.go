package launcher

import (
	"flag"
	"fmt"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Options say where a control plane lives and which addresses it hands out.
type Options struct {
	Dir           string        // everything is below it
	Program       string        // absolute path of the multi-call binary
	Advertise     netip.Addr    // address of the API server; not a loopback address
	Port          int           // TCP port of the API server
	ServiceCIDR   string        // one prefix, or an IPv4 and an IPv6 one with a comma
	ClusterCIDR   string        // pod networks, same form
	NodeGrace     time.Duration // silence after which a node counts as lost
	ReadyFile     string        // written when the cluster is ready; optional
	ReadyTimeout  time.Duration // give up starting after this time
	DieWithParent bool          // be killed when the parent process dies
}

func (o Options) dir() layout  { return layout(o.Dir) }
func (o Options) port() string { return strconv.Itoa(o.Port) }

func (o Options) server() string {
	return "https://" + netip.AddrPortFrom(o.Advertise, uint16(o.Port)).String()
}

// bindAddress is the wildcard, so that kubectl inside the control plane's
// namespace may use localhost too.
func (o Options) bindAddress() string {
	if strings.Contains(o.ServiceCIDR, ":") || o.Advertise.Is6() {
		return "::"
	}
	return "0.0.0.0"
}

func upFlags(args []string, program string) (Options, error) {
	o := Options{Program: program}
	var advertise string
	fs := flag.NewFlagSet("kcp up", flag.ContinueOnError)
	fs.StringVar(&o.Dir, "dir", "", "directory of the cluster; made if missing, emptied of an earlier cluster")
	fs.StringVar(&advertise, "advertise", "", "address of the API server, one of this network namespace's, not loopback")
	fs.IntVar(&o.Port, "port", 6443, "port of the API server")
	fs.StringVar(&o.ServiceCIDR, "service-cidr", "10.96.0.0/16,fd00:10:96::/112", "addresses of Services")
	fs.StringVar(&o.ClusterCIDR, "cluster-cidr", "10.244.0.0/16,fd00:10:244::/56", "addresses of pods")
	fs.DurationVar(&o.NodeGrace, "node-grace", 8*time.Second, "silence after which a node is NotReady")
	fs.StringVar(&o.ReadyFile, "ready-file", "", "file to write when the cluster is ready")
	fs.DurationVar(&o.ReadyTimeout, "ready-timeout", 2*time.Minute, "give up when not ready after this time")
	fs.BoolVar(&o.DieWithParent, "die-with-parent", false, "be killed when the parent process dies")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	return o, o.complete(advertise, fs.NArg())
}

func (o *Options) complete(advertise string, rest int) error {
	if o.Dir == "" || advertise == "" || rest != 0 {
		return fmt.Errorf("usage: kcp up --dir DIR --advertise IP [flags]")
	}
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return fmt.Errorf("--dir: %w", err)
	}
	if o.Advertise, err = netip.ParseAddr(advertise); err != nil {
		return fmt.Errorf("--advertise: %w", err)
	}
	if o.Advertise.IsLoopback() {
		// The kubernetes Service refuses a loopback endpoint.
		return fmt.Errorf("--advertise: %v is a loopback address", o.Advertise)
	}
	for _, list := range []string{o.ServiceCIDR, o.ClusterCIDR} {
		if _, err := parsePrefixes(list); err != nil {
			return err
		}
	}
	return nil
}

func parsePrefixes(list string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range strings.Split(list, ",") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("bad address range: %w", err)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// serviceAddrs are the ClusterIPs that the kubernetes Service may get: the
// first address of each range.
func (o Options) serviceAddrs() ([]netip.Addr, error) {
	prefixes, err := parsePrefixes(o.ServiceCIDR)
	if err != nil {
		return nil, err
	}
	var out []netip.Addr
	for _, p := range prefixes {
		out = append(out, p.Addr().Next())
	}
	return out, nil
}
