package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/lines"
	"github.com/steelyard-lb/steelyard/speaker/bfd"
	"github.com/steelyard-lb/steelyard/speaker/bfd/packet"
	"github.com/steelyard-lb/steelyard/speaker/bfd/session"
	"github.com/steelyard-lb/steelyard/speaker/pulse"
)

// farewell bounds the time in which peers are told of the end.
const farewell = 10 * time.Second

type bfdFlags struct {
	peers               []string
	source, device, vrf string
	multiHop, passive   bool
	minTTL              uint8
	transmit, receive   time.Duration
	multiplier          uint8
	auth, keyFile       string
	keyID               uint8
	silent              bool
	listen, heartbeats  string
}

func bfdCommand() *cobra.Command {
	var o bfdFlags
	cmd := &cobra.Command{
		Use:   "bfd --peer ADDRESS",
		Short: "Watch routers by BFD, and print when they come and go",
		Long: `Holds a BFD session (RFC 5880) with each peer and prints every change of a
session's state, one per line. It needs no Kubernetes, and nothing else on this
machine may use BFD's ports (UDP 3784, over several hops 4784).

Told to stop, it tells the peers that the sessions are down on purpose, so that
they do not take it for a failure; with --silent it ends without a word, as a
process does that is about to be back.

With --listen it is the speaker that says, over a Unix socket, which sessions
there are to be. They stay when the speaker goes, and end without a word. With
--listen-heartbeats as well, this process exchanges the heartbeats by which the
speakers of a cluster find dead nodes; those end with the speaker.`,
		Example: "  steelyard bfd --peer 192.0.2.1\n" +
			"  steelyard bfd --peer fe80::1%eth0 --transmit-interval 50ms --receive-interval 50ms\n" +
			"  steelyard bfd --peer 198.51.100.1 --source 192.0.2.10 --multihop --min-ttl 250",
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := daemon.FlagsFromEnv(cmd.Flags()); err != nil {
				return usageError{err}
			}
			if o.listen == "" && o.heartbeats != "" {
				return usageError{errors.New("--listen-heartbeats goes with --listen")}
			}
			if o.listen != "" && o.listen == o.heartbeats {
				return usageError{errors.New("--listen and --listen-heartbeats need paths of their own")}
			}
			if o.listen != "" && len(o.peers) > 0 {
				return usageError{errors.New("--listen lets the speaker name the peers: leave it or --peer out")}
			}
			if o.listen != "" {
				return o.serve(cmd.Context(), cmd.ErrOrStderr())
			}
			sessions, err := o.sessions()
			if err != nil {
				return usageError{err}
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), sessions)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&o.peers, "peer", nil, "addresses of the peers, with commas between; a link-local one with its interface: fe80::1%eth0")
	f.StringVar(&o.source, "source", "", "address to send from; empty: the kernel's choice")
	f.StringVar(&o.device, "interface", "", "interface that the peers are at; packets by another do not count")
	f.StringVar(&o.vrf, "vrf", "", "device of the VRF that the peers are in")
	f.BoolVar(&o.multiHop, "multihop", false, "the peers are several hops away (RFC 5883)")
	f.Uint8Var(&o.minTTL, "min-ttl", 254, "with --multihop: least TTL of packets that count")
	f.DurationVar(&o.transmit, "transmit-interval", session.DefaultInterval, "send no more often than this")
	f.DurationVar(&o.receive, "receive-interval", session.DefaultInterval, "ask the peers to send no more often than this")
	f.Uint8Var(&o.multiplier, "multiplier", session.DefaultMultiplier, "missing packets in a row that are the end, to the peers")
	f.BoolVar(&o.passive, "passive", false, "wait for the peers to speak first")
	f.StringVar(&o.auth, "auth", "", "authentication: md5, meticulous-md5, sha1 or meticulous-sha1; empty: none")
	f.StringVar(&o.keyFile, "auth-key-file", "", "file with the key that goes with --auth")
	f.Uint8Var(&o.keyID, "auth-key-id", 1, "number of the key that goes with --auth")
	f.BoolVar(&o.silent, "silent", false, "do not tell the peers of the end")
	f.StringVar(&o.listen, "listen", "", "path of a Unix socket at which the speaker says what it wants; instead of --peer")
	f.StringVar(&o.heartbeats, "listen-heartbeats", "", "path of a Unix socket at which the speaker says with whom to exchange heartbeats; with --listen")
	daemon.DescribeEnv(f)
	return cmd
}

// sessions are those that the flags ask for.
func (o *bfdFlags) sessions() ([]bfd.Session, error) {
	if len(o.peers) == 0 {
		return nil, errors.New("--peer is missing: the address of a router")
	}
	key, err := o.key()
	if err != nil {
		return nil, err
	}
	var out []bfd.Session
	for _, peer := range o.peers {
		path, err := o.path(peer)
		if err != nil {
			return nil, err
		}
		s := bfd.Session{Path: path, Settings: session.Settings{
			MinTx: o.transmit, MinRx: o.receive, Multiplier: o.multiplier, Passive: o.passive, Key: key,
			Independent: true, // nothing but BFD is in this process
		}}
		if o.multiHop {
			s.MinTTL = o.minTTL
		}
		if err := s.Check(); err != nil {
			return nil, fmt.Errorf("--peer %s: %w", peer, err)
		}
		out = append(out, s)
	}
	return out, nil
}

func (o *bfdFlags) path(peer string) (bfd.Path, error) {
	addr, err := netip.ParseAddr(peer)
	if err != nil {
		return bfd.Path{}, fmt.Errorf("--peer: %w", err)
	}
	path := bfd.Path{Peer: addr.WithZone(""), Interface: addr.Zone(), VRF: o.vrf, MultiHop: o.multiHop}
	if path.Interface == "" {
		path.Interface = o.device
	}
	if o.source != "" {
		if path.Local, err = netip.ParseAddr(o.source); err != nil {
			return path, fmt.Errorf("--source: %w", err)
		}
	}
	return path, nil
}

// key reads the key of authentication; the zero Key if there is to be none.
func (o *bfdFlags) key() (packet.Key, error) {
	kind, ok := map[string]packet.AuthType{
		"": packet.AuthNone, "password": packet.AuthPassword, "md5": packet.AuthMD5, "meticulous-md5": packet.AuthMeticulousMD5,
		"sha1": packet.AuthSHA1, "meticulous-sha1": packet.AuthMeticulousSHA1,
	}[o.auth]
	switch {
	case !ok:
		return packet.Key{}, fmt.Errorf("--auth %q is unknown: use md5, meticulous-md5, sha1 or meticulous-sha1", o.auth)
	case kind == packet.AuthNone && o.keyFile != "":
		return packet.Key{}, errors.New("--auth-key-file wants --auth")
	case kind == packet.AuthNone:
		return packet.Key{}, nil
	case o.keyFile == "":
		return packet.Key{}, errors.New("--auth wants --auth-key-file")
	}
	text, err := os.ReadFile(o.keyFile)
	if err != nil {
		return packet.Key{}, fmt.Errorf("--auth-key-file: %w", err)
	}
	key := packet.Key{Type: kind, ID: o.keyID, Secret: packet.Secret(strings.TrimSpace(string(text)))}
	if err := key.Check(); err != nil {
		return packet.Key{}, fmt.Errorf("--auth-key-file %s: %w", o.keyFile, err)
	}
	return key, nil
}

// hurry puts this process before others, and says what is not allowed.
func hurry(complaints io.Writer) {
	err := bfd.Hurry()
	if err == nil {
		return
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(complaints, "steelyard:", line)
	}
}

// serve holds the sessions that the speaker wants, and exchanges its heartbeats,
// until ctx ends.
func (o *bfdFlags) serve(ctx context.Context, complaints io.Writer) error {
	socket, err := lines.Listen(o.listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	hurry(complaints) // before there are threads that hurry on their own
	group, running := errgroup.WithContext(ctx)
	if o.heartbeats != "" {
		beats, err := lines.Listen(o.heartbeats)
		if err != nil {
			return errors.Join(fmt.Errorf("--listen-heartbeats: %w", err), socket.Close())
		}
		group.Go(func() error { return pulse.Serve(running, beats) })
	}
	engine := bfd.New(nil)
	group.Go(func() error { return engine.Run(running) })
	group.Go(func() error { return bfd.NewServer(engine).Run(running, socket) })
	return group.Wait()
}

// run holds the sessions until ctx ends, and takes leave of the peers.
func (o *bfdFlags) run(ctx context.Context, out, complaints io.Writer, sessions []bfd.Session) error {
	hurry(complaints)
	engine := bfd.New(nil)
	engine.Apply(sessions)
	group, running := errgroup.WithContext(context.WithoutCancel(ctx))
	running, stop := context.WithCancel(running)
	group.Go(func() error { return engine.Run(running) })
	group.Go(func() error {
		defer stop()
		r := bfdReport{out: out, complaints: complaints, problems: map[bfd.Path]string{}}
		return o.watch(ctx, running, engine, &r)
	})
	return group.Wait()
}

// watch prints what happens until ctx ends and, unless that is to be silent,
// the peers know; or until the engine has failed.
func (o *bfdFlags) watch(ctx, running context.Context, engine *bfd.Engine, r *bfdReport) error {
	ended := ctx.Done()
	var late <-chan time.Time
	for {
		select {
		case u := <-engine.Updates():
			if err := r.print(u); err != nil {
				return err
			}
			if ended == nil && len(u.Statuses) == 0 {
				return nil
			}
		case <-ended:
			if o.silent {
				return nil
			}
			engine.Apply(nil)
			ended, late = nil, time.After(farewell)
		case <-late:
			return nil
		case <-running.Done():
			return nil
		}
	}
}

// bfdReport prints updates.
type bfdReport struct {
	out, complaints io.Writer
	problems        map[bfd.Path]string // said
}

func (r *bfdReport) print(u bfd.Update) error {
	for _, s := range u.Statuses {
		if s.Problem != r.problems[s.Path] && s.Problem != "" {
			fmt.Fprintf(r.complaints, "steelyard: %s: %s\n", s.Name(), s.Problem)
		}
		r.problems[s.Path] = s.Problem
	}
	for _, c := range u.Changes {
		if _, err := fmt.Fprintln(r.out, changeLine(c)); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// changeLine says when, who, what and why.
func changeLine(c bfd.Change) string {
	line := fmt.Sprintf("%s %s %v -> %v", c.At.UTC().Format("2006-01-02T15:04:05.000Z"), c.Name(), c.From, c.To)
	switch {
	case c.To == packet.Up || c.Diag == packet.NoDiag:
		return line
	case c.Diag == packet.NeighborDown && c.RemoteDiag != packet.NoDiag:
		return fmt.Sprintf("%s: %v, it is %v (%v)", line, c.Diag, c.Remote, c.RemoteDiag)
	case c.Diag == packet.NeighborDown:
		return fmt.Sprintf("%s: %v, it is %v", line, c.Diag, c.Remote)
	}
	return fmt.Sprintf("%s: %v", line, c.Diag)
}
