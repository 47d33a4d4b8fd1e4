package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/kube"
	"github.com/steelyard-lb/steelyard/speaker/announce"
)

// errNotMoved ends a rebalance in which an address stayed; which and why is
// printed.
var errNotMoved = errors.New("not every address moved")

// takeBackLimit bounds taking a wish back when nobody waits for it any more.
const takeBackLimit = 5 * time.Second

type rebalanceFlags struct {
	clientFlags
	ignoreExcludeLabel bool
	to                 string
	yes                bool
	patience           time.Duration
}

func rebalanceCommand() *cobra.Command {
	var o rebalanceFlags
	cmd := &cobra.Command{
		Use:   "rebalance [ADDRESS...]",
		Short: "Spread the addresses of the LAN evenly over the nodes again",
		Long: `Shows which addresses would be answered for by ARP and NDP from another node, so
that the nodes are loaded evenly: back on nodes that were away, out on new ones.
With --yes they move, one after the other: the new node takes the address over
and announces it, and only then the old one stops answering. A new connection
finds an owner at any moment, and TCP connections that are open go on through the
old one for an hour.

Addresses given limit it to these; with --to they go to that node. A node that
may not announce an address, or is not up, does not take it, and it stays.

Exit status: 0 if all is as it should be or would be, 1 if an address did not
move or the cluster cannot be asked, 2 for a mistake on the command line.`,
		Example: "  steelyard rebalance\n  steelyard rebalance --yes\n  steelyard rebalance 192.0.2.10 --to n2 --yes",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := daemon.FlagsFromEnv(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.yes, "yes", false, "move the addresses; without it they are only shown")
	f.StringVar(&o.to, "to", "", "node that is to have the addresses given; empty: where they belong")
	f.DurationVar(&o.patience, "patience", 10*time.Second, "how long to wait for a node to take an address over")
	o.register(cmd)
	f.BoolVar(&o.ignoreExcludeLabel, "ignore-exclude-label", false, "as the speakers have it: use nodes with label "+config.ExcludeLabel+" too")
	daemon.DescribeEnv(f)
	return cmd
}

func (o *rebalanceFlags) run(ctx context.Context, out io.Writer, args []string) error {
	addrs := make([]netip.Addr, len(args))
	for i, text := range args {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return usageError{err}
		}
		addrs[i] = addr
	}
	if o.to != "" && len(addrs) == 0 {
		return usageError{errors.New("--to wants the addresses that are to go there")}
	}
	client, err := o.connect("rebalance")
	if err != nil {
		return err
	}
	// The watch below is patient; whoever waits here wants to know what is wrong.
	asking, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	if _, err := client.ListServices(asking); err != nil {
		return err
	}
	source := kube.Watch(client, kube.WatchOptions{Parts: kube.RebalanceParts, Namespace: o.namespace, Classes: o.classes})
	group, watching := errgroup.WithContext(ctx)
	watching, stop := context.WithCancel(watching)
	group.Go(func() error { return source.Run(watching) })
	group.Go(func() error {
		defer stop()
		return o.rebalance(ctx, mover{client: client, snaps: source.Snapshots(), patience: o.patience}, out, addrs)
	})
	return group.Wait()
}

// rebalance shows what would move and, if that is asked for, moves it.
func (o *rebalanceFlags) rebalance(ctx context.Context, m mover, out io.Writer, addrs []netip.Addr) error {
	reading, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	if err := m.look(reading); err != nil {
		return fmt.Errorf("read the cluster: %w", err)
	}
	moves, err := o.moves(m.snap, addrs)
	if err != nil {
		return err
	}
	if err := printMoves(out, moves, o.yes); err != nil || !o.yes {
		return err
	}
	stayed := 0
	for _, move := range moves {
		word := "moved"
		if err := m.move(ctx, move); err != nil {
			word = err.Error()
			stayed++
		}
		if _, err := fmt.Fprintf(out, "%v: %s\n", move.Addr, word); err != nil {
			return fmt.Errorf("print: %w", err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if stayed > 0 {
		return errNotMoved
	}
	return nil
}

// moves are what is asked for.
func (o *rebalanceFlags) moves(snap *config.Snapshot, addrs []netip.Addr) ([]announce.Move, error) {
	var out []announce.Move
	if o.to == "" {
		out = announce.Rebalance(announce.Input{
			Snap: snap, Members: reported(snap), Classes: o.classes, IgnoreExcludeLabel: o.ignoreExcludeLabel,
		})
		return slices.DeleteFunc(out, func(m announce.Move) bool { return len(addrs) > 0 && !slices.Contains(addrs, m.Addr) }), nil
	}
	if _, ok := snap.Nodes.Get(o.to); !ok {
		return nil, usageError{fmt.Errorf("--to: there is no node %q", o.to)}
	}
	for _, addr := range addrs {
		claim, ok := snap.Claims.Get(addr)
		if !ok {
			return nil, usageError{fmt.Errorf("no node has claimed %v: see kubectl get l2claims", addr)}
		}
		if claim.Owner != o.to {
			out = append(out, announce.Move{Addr: addr, From: claim.Owner, To: o.to})
		}
	}
	return out, nil
}

// reported are the speakers as the API shows them, which is later than they see
// each other; a node that in truth cannot take an address does not.
func reported(snap *config.Snapshot) []announce.Member {
	var out []announce.Member
	for name, s := range snap.Speakers.All() {
		node, ok := snap.Nodes.Get(name)
		m := announce.Member{Node: name, Alive: ok && node.Ready}
		for _, l := range s.Links {
			m.Links = append(m.Links, announce.Link{Name: l.Name, Prefixes: l.Subnets})
		}
		out = append(out, m)
	}
	return out
}

func printMoves(out io.Writer, moves []announce.Move, yes bool) error {
	if len(moves) == 0 {
		_, err := fmt.Fprintln(out, "every address is where it belongs")
		return err
	}
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "ADDRESS\tNODE\tSERVICES")
	for _, m := range moves {
		fmt.Fprintf(w, "%v\t%s\t%s\n", m.Addr, arrow(m.From, m.To), joined(m.Services))
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if yes {
		return nil
	}
	_, err := fmt.Fprintf(out, "\n%d addresses would move; --yes moves them\n", len(moves))
	return err
}

// wisher writes wishes into claims.
type wisher interface {
	WishClaim(ctx context.Context, claim *config.L2Claim, node string) (*config.L2Claim, error)
}

// mover moves addresses, each without a moment in which nobody answers.
type mover struct {
	client   wisher
	snaps    <-chan *config.Snapshot
	patience time.Duration
	snap     *config.Snapshot // the newest
}

// look waits for the next snapshot.
func (m *mover) look(ctx context.Context) error {
	select {
	case m.snap = <-m.snaps:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// move asks for one move and waits until it is made. A wish that is not
// fulfilled is taken back.
func (m *mover) move(ctx context.Context, move announce.Move) error {
	claim, ok := m.snap.Claims.Get(move.Addr)
	if !ok || claim.Owner != move.From {
		return errors.New("changed hands meanwhile")
	}
	wish, err := m.client.WishClaim(ctx, claim, move.To)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, m.patience)
	defer cancel()
	for m.look(waiting) == nil {
		switch claim, ok := m.snap.Claims.Get(move.Addr); {
		case !ok:
			return errors.New("no longer announced")
		case claim.Owner == move.To:
			return nil
		case claim.Owner != move.From:
			return fmt.Errorf("went to %s instead", claim.Owner)
		case claim.Wanted == move.To:
			wish = claim
		}
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), takeBackLimit)
	defer cancel()
	if _, err := m.client.WishClaim(ending, wish, ""); err != nil {
		return fmt.Errorf("%s did not take it within %v, and the wish stands: %w", move.To, m.patience, err)
	}
	return fmt.Errorf("%s did not take it within %v: its speaker is not up, or may not announce the address", move.To, m.patience)
}
