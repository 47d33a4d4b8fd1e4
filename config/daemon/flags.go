package daemon

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// EnvPrefix starts the name of every environment variable that sets a flag.
const EnvPrefix = "STEELYARD_"

// EnvName is the environment variable that sets a flag: --log-level is
// STEELYARD_LOG_LEVEL.
func EnvName(flag string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// FlagsFromEnv sets the flags that the command line left alone from the
// environment. An unreadable value is an error that names the variable.
func FlagsFromEnv(flags *pflag.FlagSet) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := os.LookupEnv(EnvName(f.Name))
		if !ok || f.Changed || first != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = fmt.Errorf("environment variable %s: %w", EnvName(f.Name), err)
		}
	})
	return first
}

// DescribeEnv adds to each flag's help the environment variable that sets it.
func DescribeEnv(flags *pflag.FlagSet) {
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name != "help" {
			f.Usage += " [$" + EnvName(f.Name) + "]"
		}
	})
}
