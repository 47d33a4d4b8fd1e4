package demo

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/lab"
	"github.com/steelyard-lb/steelyard/e2etest/lab/sandbox"
	"github.com/steelyard-lb/steelyard/e2etest/probe"
	"github.com/steelyard-lb/steelyard/e2etest/scenario"
)

// Demo is one walk and what it has found so far.
type Demo struct {
	Box    sandbox.Sandbox
	Root   string   // of the repository
	Router lab.Kind // lab.FRR, lab.GoBGP, or "" for FRR where it is installed
	Out    io.Writer
	Colour bool

	w     *scenario.World
	start time.Time
	tls   *probe.Certificate
	loop  *probe.Loop
	found
}

// found is what later steps of the walk need of earlier ones.
type found struct {
	addr, addr6 string // of the hello Service
	web         string // IPv4 address of the ingress
	owner       string // node that answers for addr
}

// step is one stretch of the walk: a heading, and the function that does it and
// tells what it saw.
type step struct {
	title string
	do    func(context.Context, *Demo) error
}

// steps in the order of the walk.
var steps = []step{
	{"A lab: three nodes, a client on their LAN, a router", startLab},
	{"A pool of addresses", applyPool},
	{"A Service gets an address", applyHello},
	{"The client finds it by ARP", findOwner},
	{"HTTP reaches a pod", askHello},
	{"The router learns it by BGP", lookAtRouter},
	{"An Ingress, by host name, over TLS", askIngress},
	{"The owner loses its power", powerOff},
	{"The owner comes back, nothing moves", powerOn},
}

// Walk goes through all steps and stops at the first that is not as it must be.
func (d *Demo) Walk(ctx context.Context) error {
	d.start = time.Now()
	fmt.Fprintf(d.Out, "\n%s\n", d.bold("Steelyard: from an external address to a pod"))
	for i, s := range steps {
		fmt.Fprintf(d.Out, "\n%s\n", d.bold(fmt.Sprintf("%d. %s", i+1, s.title)))
		if err := s.do(ctx, d); err != nil {
			d.fail(err)
			if d.w != nil {
				if dir, err := d.w.KeepLogs("demo", "default"); err == nil {
					fmt.Fprintf(d.Out, "  logs of all processes are kept in %s\n", dir)
				}
			}
			return fmt.Errorf("step %d failed: %s", i+1, s.title)
		}
	}
	fmt.Fprintf(d.Out, "\n%s\n", d.bold(fmt.Sprintf("The whole walk took %.0f s.", time.Since(d.start).Seconds())))
	return nil
}

// Stay prints how to use the running lab and waits for the end of the context.
func (d *Demo) Stay(ctx context.Context) {
	config := filepath.Join(d.Box.Dir, "kubeconfig")
	listener, err := d.w.Cluster.Forward(d.Box, config)
	if err != nil {
		d.fail(err)
		return
	}
	defer listener.Close()
	Hints(d.Out, config)
	fmt.Fprintf(d.Out, "  ask the Service:    bin/lab enter client curl http://%s/\n", d.addr)
	fmt.Fprintf(d.Out, "  the router's view:  bin/lab enter %s\n\n", d.view())
	<-ctx.Done()
	fmt.Fprintln(d.Out, "\ncleaning up")
}

// Hints prints how to get into a running lab.
func Hints(out io.Writer, kubeconfig string) {
	fmt.Fprintf(out, "\nThe lab stays up until Ctrl-C. In another terminal, as root:\n")
	fmt.Fprintf(out, "  your own kubectl:   export KUBECONFIG=%s\n", kubeconfig)
	fmt.Fprintf(out, "  or the lab's:       bin/lab kubectl get nodes,pods,svc -A\n")
	fmt.Fprintf(out, "  a shell on a node:  bin/lab enter n1\n")
	fmt.Fprintf(out, "  on the client:      bin/lab enter client\n")
}

// End stops what runs, in order. Whatever is left ends with the sandbox.
func (d *Demo) End() {
	if d.loop != nil {
		d.loop.Stop()
	}
	if d.w != nil {
		d.w.Cluster.Stop()
	}
}

func startLab(ctx context.Context, d *Demo) error {
	if err := d.chooseRouter(); err != nil {
		return err
	}
	last := time.Now()
	var err error
	d.w, err = scenario.Start(ctx, scenario.Options{
		Dir: d.Box.Dir, Root: d.Root, Topo: lab.Demo(d.Router),
		Progress: func(what string) {
			d.saw(what, time.Since(last))
			last = time.Now()
		},
	})
	return err
}

// apply hands a manifest of examples/demo to kubectl, as a user would.
func (d *Demo) apply(file string) error {
	_, err := d.w.Cluster.Kubectl("apply", "-f", filepath.Join(d.Root, "examples", "demo", file))
	if err == nil {
		d.tell("kubectl apply -f examples/demo/" + file)
	}
	return err
}
