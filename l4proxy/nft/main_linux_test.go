package nft

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/go-kit/log"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/l4proxy"
)

// orderVar makes a copy of the test binary write a table into the network
// namespace of its process and end: the bench has it as a forwarder
// (e2etest/bench/forwarding).
const orderVar = "STEELYARD_NFT_TEST_ORDER"

func TestMain(m *testing.M) {
	text, ok := os.LookupEnv(orderVar)
	if !ok {
		os.Exit(m.Run())
	}
	if err := obey(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// order describes Services that are alike, as JSON. Service i has the i-th
// address of VIPs and one endpoint, the i-th address of Pods, with the same ports.
type order struct {
	Services   int
	VIPs, Pods netip.Addr
	TCP, UDP   []uint16
	Remote     bool // the endpoints are on another node
}

// obey writes the table and says how long that took.
func obey(text string) error {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		return fmt.Errorf("%s: %w", orderVar, err)
	}
	f, err := New(log.NewLogfmtLogger(log.NewSyncWriter(os.Stderr)), nil, Options{})
	if err != nil {
		return err
	}
	defer f.Close()
	begin := time.Now()
	table := l4proxy.Build(o.snapshot(), l4proxy.Options{Node: "node"})
	built := time.Since(begin)
	if err := f.Apply(table); err != nil {
		return err
	}
	fmt.Printf("built %d frontends in %v, written in %v\n", table.Len(), built, time.Since(begin)-built)
	return nil
}

func (o order) snapshot() *config.Snapshot {
	services, eps := map[config.Key]*config.Service{}, map[config.Key]*config.Endpoints{}
	node := "node"
	if o.Remote {
		node = "other"
	}
	vip, pod := o.VIPs, o.Pods
	for i := range o.Services {
		key := keyOf(fmt.Sprint("s", i))
		svc := &config.Service{Key: key, Type: config.LoadBalancer, Local: !o.Remote, Addrs: []netip.Addr{vip}}
		e := &config.Endpoints{Service: key}
		for proto, ports := range map[config.Proto][]uint16{config.TCP: o.TCP, config.UDP: o.UDP} {
			for _, port := range ports {
				name := fmt.Sprint(proto, port)
				svc.Ports = append(svc.Ports, config.ServicePort{Name: name, Proto: proto, Port: port})
				e.Ports = append(e.Ports, config.EndpointPort{Name: name, Proto: proto, Backends: []config.Backend{
					{Ready: true, Serving: true, Node: node, Addr: netip.AddrPortFrom(pod, port)}}})
			}
		}
		services[key], eps[key] = svc, e
		vip, pod = vip.Next(), pod.Next()
	}
	return &config.Snapshot{Revision: 1, Services: config.TableOf(services), Endpoints: config.TableOf(eps),
		Pools: []*config.Pool{{Name: "bench", Ranges: []config.Range{{From: o.VIPs, To: vip}}}}}
}
