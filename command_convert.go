package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/convert"
	"github.com/steelyard-lb/steelyard/config/daemon"
)

// errNotConverted ends a conversion that had to leave an object out.
var errNotConverted = errors.New("an object could not be converted, see its problem")

func convertCommand() *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "convert -f OLD.yaml",
		Short: "Turn old manifests into what Kubernetes serves today",
		Long: `Prints the objects in the files in today's API versions: Ingress and IngressClass
of extensions/v1beta1 and networking.k8s.io/v1beta1, and hand-written Endpoints,
which become EndpointSlices. All others are printed as they are. What changed its
place or may need attention is said on standard error; what cannot be converted
is a comment in the output and a problem there. No cluster is asked.

Exit status: 0 if everything is printed, 1 if an object had to be left out, 2 if
a file cannot be read.`,
		Example: "  steelyard convert -f old.yaml | kubectl apply -f -",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := daemon.FlagsFromEnv(cmd.Flags()); err != nil {
				return usageError{err}
			}
			return runConvert(files, cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&files, "filename", "f", nil, "file with manifests, - for standard input; repeat for more")
	daemon.DescribeEnv(f)
	return cmd
}

func runConvert(files []string, stdin io.Reader, out, notes io.Writer) error {
	if len(files) == 0 {
		return usageError{errors.New("give the old manifests with -f")}
	}
	var text bytes.Buffer
	for _, name := range files {
		data, err := readManifest(name, stdin)
		if err != nil {
			return usageError{err}
		}
		text.WriteString("---\n")
		text.Write(data)
		text.WriteByte('\n')
	}
	r := convert.Manifests(text.Bytes())
	if _, err := out.Write(r.Text); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	printAll(notes, "note", r.Notes)
	printAll(notes, "problem", r.Faults)
	if len(r.Faults) > 0 {
		return errNotConverted
	}
	return nil
}

func printAll(out io.Writer, word string, list []config.Problem) {
	for _, p := range list {
		fmt.Fprintf(out, "%s: %v\n", word, p.Error())
	}
}
