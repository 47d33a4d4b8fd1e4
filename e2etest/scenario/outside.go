package scenario

import (
	"path/filepath"
	"time"

	"github.com/steelyard-lb/steelyard/e2etest/cluster"
	"github.com/steelyard-lb/steelyard/e2etest/lab/proc"
)

// outsideGrace is how long the application outside the cluster may take to end.
const outsideGrace = 10 * time.Second

// outside start HOST: the test application on a host that is no node, HTTP on
// 8080, TCP and UDP echo on 9000; it calls itself outside-HOST. outside stop HOST
// ends it, and the host refuses connections.
func outside(r *run, args []string) error {
	switch {
	case len(args) == 2 && args[0] == "start" && r.outside[args[1]] == nil:
		host, err := r.w.Lab.Host(args[1])
		if err != nil {
			return err
		}
		bin, err := cluster.FindBin()
		if err != nil {
			return err
		}
		name := "outside-" + args[1]
		started, err := proc.Start(host.Netns, r.w.Lab.Logs(), proc.Spec{Name: name,
			Argv: []string{filepath.Join(bin, "hello")}, Env: []string{"POD_NAME=" + name, "NODE_NAME=" + args[1]}})
		if err != nil {
			return err
		}
		r.outside[args[1]] = started
		return nil
	case len(args) == 2 && args[0] == "stop" && r.outside[args[1]] != nil:
		running := r.outside[args[1]]
		delete(r.outside, args[1])
		return running.Stop(outsideGrace)
	}
	return usage("outside start HOST | outside stop HOST, once for each host")
}
