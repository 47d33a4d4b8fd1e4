package gobgp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"
	labrouter "github.com/steelyard-lb/steelyard/e2etest/lab/router"
)

// The families that are exchanged with every peer.
var families = []*api.Family{
	{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST},
	{Afi: api.Family_AFI_IP6, Safi: api.Family_SAFI_UNICAST},
}

// bgpPort is where sessions are accepted.
const bgpPort = 179

// Run is the router's life: it takes sessions and keeps the kernel's table until
// ctx ends. path is a file with a router.Config in JSON.
func Run(ctx context.Context, path string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var conf labrouter.Config
	if err := json.Unmarshal(data, &conf); err != nil {
		return fmt.Errorf("configuration %s: %w", path, err)
	}
	bgp := server.NewBgpServer()
	go bgp.Serve()
	defer bgp.Stop()
	r := &router{bgp: bgp, log: slog.New(slog.NewTextHandler(os.Stderr, nil)), changed: make(chan struct{}, 1), table: routes{}}
	if err := r.listen(ctx, conf); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.changed:
			if err := r.sync(ctx); err != nil {
				return err
			}
		}
	}
}

// router is the RIB and what of it is in the kernel.
type router struct {
	bgp     *server.BgpServer
	log     *slog.Logger
	changed chan struct{} // holds one token while the RIB may differ from table
	table   routes        // in the kernel
}

func (r *router) listen(ctx context.Context, conf labrouter.Config) error {
	err := r.bgp.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{
		Asn: conf.ASN, RouterId: conf.ID.String(), ListenPort: bgpPort,
	}})
	if err != nil {
		return fmt.Errorf("start BGP as AS %d: %w", conf.ASN, err)
	}
	watch := &api.WatchEventRequest{
		Peer:  &api.WatchEventRequest_Peer{},
		Table: &api.WatchEventRequest_Table{Filters: []*api.WatchEventRequest_Table_Filter{{Type: api.WatchEventRequest_Table_Filter_ADJIN}}},
	}
	if err := r.bgp.WatchEvent(ctx, watch, r.note); err != nil {
		return fmt.Errorf("watch the RIB: %w", err)
	}
	for _, p := range conf.Peers {
		for _, addr := range p.Addrs {
			if err := r.bgp.AddPeer(ctx, &api.AddPeerRequest{Peer: peer(p.Name, addr, p.ASN)}); err != nil {
				return fmt.Errorf("add peer %s at %v: %w", p.Name, addr, err)
			}
		}
	}
	return nil
}

// peer waits for the other side to connect.
func peer(name string, addr netip.Addr, asn uint32) *api.Peer {
	out := &api.Peer{
		Conf:      &api.PeerConf{NeighborAddress: addr.String(), PeerAsn: asn, Description: name},
		Transport: &api.Transport{PassiveMode: true},
	}
	for _, family := range families {
		out.AfiSafis = append(out.AfiSafis, &api.AfiSafi{Config: &api.AfiSafiConfig{Family: family, Enabled: true}})
	}
	return out
}

// note is told of every update and of every session that comes or goes.
func (r *router) note(e *api.WatchEventResponse) {
	if p := e.GetPeer(); p.GetType() == api.WatchEventResponse_PeerEvent_STATE {
		r.log.Info("session", "peer", p.GetPeer().GetConf().GetNeighborAddress(), "state", p.GetPeer().GetState().GetSessionState().String())
	}
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// sync makes the kernel's table like the RIB. The RIB is read after the event
// that asked for it has been dealt with: GoBGP does one thing after the other.
func (r *router) sync(ctx context.Context) error {
	next := routes{}
	for _, family := range families {
		request := &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: family}
		if err := r.bgp.ListPath(ctx, request, next.add); err != nil {
			return fmt.Errorf("read the RIB: %w", err)
		}
	}
	var faults []error
	for _, c := range changes(r.table, next) {
		r.log.Info("route", "prefix", c.prefix.String(), "via", fmt.Sprint(c.hops))
		faults = append(faults, write(c))
	}
	r.table = next
	return errors.Join(faults...)
}
