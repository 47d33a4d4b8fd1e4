package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config/daemon"
	"github.com/steelyard-lb/steelyard/config/kube"
	"github.com/steelyard-lb/steelyard/controller"
)

// errDisturbs ends a plan under which a Service would move or lose an address.
var errDisturbs = errors.New("at least one Service would move or lose an address")

// errNotUsed ends a plan with a pool that would not be used; why is printed.
var errNotUsed = errors.New("a pool in the files would not be used, see its problem")

// planTimeout bounds the reading of the cluster.
const planTimeout = time.Minute

type planFlags struct {
	clientFlags
	files, remove []string
}

func planCommand() *cobra.Command {
	var o planFlags
	cmd := &cobra.Command{
		Use:   "plan -f POOL.yaml",
		Short: "Show what a change of address pools would do",
		Long: `Reads the cluster and the IPAddressPools in the files, and prints what would
become of every Service if they were applied: which would move, lose their
address, be refused, or keep an address that no pool holds any more. Nothing is
written. What is printed is decided by the code that the controller runs.

Exit status: 0 if no Service would move or lose an address, 3 if one would, 2 if
a file holds no pool of this installation, 1 if the cluster cannot be asked, or
if it or the controller refuses a pool.`,
		Example: "  steelyard plan -f newpool.yaml\n  steelyard plan --delete old-pool",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := daemon.FlagsFromEnv(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return o.run(cmd.Context(), cmd.OutOrStdout(), cmd.InOrStdin())
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&o.files, "filename", "f", nil, "file with IPAddressPools, - for standard input; repeat for more")
	f.StringArrayVar(&o.remove, "delete", nil, "name of an IPAddressPool to take away; repeat for more")
	o.register(cmd)
	daemon.DescribeEnv(f)
	return cmd
}

func (o *planFlags) run(ctx context.Context, out io.Writer, stdin io.Reader) error {
	if len(o.files)+len(o.remove) == 0 {
		return usageError{errors.New("give the changed pools with -f, or name one to take away with --delete")}
	}
	change, err := o.readChange(stdin)
	if err != nil {
		return usageError{err}
	}
	client, err := o.connect("plan")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, planTimeout)
	defer cancel()
	now, then, err := client.Preview(ctx, o.namespace, change)
	if err != nil {
		return err
	}
	p := controller.Foresee(now, then, o.classes, time.Now())
	if err := printPreview(out, p); err != nil {
		return err
	}
	if p.Disturbs() {
		return errDisturbs
	}
	if slices.ContainsFunc(p.Problems, change.About) {
		return errNotUsed
	}
	return nil
}

// readChange reads the pools in all files. A file without one is an error: to
// say that nothing would change would mislead.
func (o *planFlags) readChange(stdin io.Reader) (change kube.PoolChange, err error) {
	change.Delete = o.remove
	for _, name := range o.files {
		data, err := readManifest(name, stdin)
		if err != nil {
			return change, err
		}
		pools, err := kube.ReadPools(bytes.NewReader(data), o.namespace)
		if err != nil {
			return change, fmt.Errorf("--filename %s: %w", name, err)
		}
		if len(pools) == 0 {
			return change, fmt.Errorf("--filename %s: there is no IPAddressPool in it", name)
		}
		change.Put = append(change.Put, pools...)
	}
	return change, nil
}

// readManifest reads a file that --filename names; - is standard input.
func readManifest(name string, stdin io.Reader) (data []byte, err error) {
	if name == "-" {
		data, err = io.ReadAll(stdin)
	} else {
		data, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("--filename: %w", err)
	}
	return data, nil
}

func printPreview(out io.Writer, p controller.Preview) error {
	w := tabwriter.NewWriter(out, 0, 8, 3, ' ', 0)
	fmt.Fprintln(w, "POOL\tADDRESSES\tIN USE\t")
	for _, f := range p.Pools {
		fmt.Fprintf(w, "%s\t%s\t%s\t\n", f.Pool+poolNote(f), arrow(total(f.Was), total(f.Is)),
			arrow(f.Was.Assigned4+f.Was.Assigned6, f.Is.Assigned4+f.Is.Assigned6))
	}
	if len(p.Services) > 0 {
		fmt.Fprintln(w, "\t\t\t\nSERVICE\tFATE\tADDRESS\tWHY")
	}
	for _, s := range p.Services {
		fmt.Fprintf(w, "%v\t%s\t%s\t%s\n", s.Service, s.Fate, arrow(addrList(s.Was), addrList(s.Is)), s.Why)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	for _, problem := range p.Problems {
		fmt.Fprintf(out, "\nproblem: %v\n", problem.Error())
	}
	_, err := fmt.Fprintf(out, "\n%s; %d stay as they are\n", counts(p), p.Same)
	return err
}

func poolNote(f controller.PoolFate) string {
	switch {
	case f.Gone:
		return " (removed)"
	case f.New:
		return " (new)"
	}
	return ""
}

// counts says how many Services share each fate.
func counts(p controller.Preview) string {
	n := map[controller.Fate]int{}
	for _, s := range p.Services {
		n[s.Fate]++
	}
	return fmt.Sprintf("Services: %d would move, %d lose an address, %d be refused, %d keep an address outside the pools, %d gain one",
		n[controller.Moves], n[controller.Loses], n[controller.Refused], n[controller.Kept], n[controller.Gains])
}

func total(u controller.PoolUse) float64 {
	return float64(u.Assigned4) + float64(u.Available4) + float64(u.Assigned6) + float64(u.Available6)
}

func arrow[T comparable](was, is T) string {
	if was == is {
		return fmt.Sprint(was)
	}
	return fmt.Sprintf("%v → %v", was, is)
}

func addrList(addrs []netip.Addr) string {
	if len(addrs) == 0 {
		return "none"
	}
	return joined(addrs)
}

// joined are the items in one word.
func joined[T fmt.Stringer](items []T) string {
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = item.String()
	}
	return strings.Join(words, ",")
}
