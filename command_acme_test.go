package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// acmeOptions reads flags for ACME.
func acmeOptions(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var a acmeFlags
	cmd := &cobra.Command{}
	a.register(cmd)
	if err := cmd.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	o, err := a.options("ns")
	return string(o.MACKey), err
}

func TestACMEFlags(t *testing.T) {
	file := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, padding := range []string{"", "=", "\n"} { // as authorities give it
		mac, err := acmeOptions(t, "--acme-eab-key-id=k", "--acme-eab-key-file="+file("key", "c2VjcmV0LWtleS0_"+padding))
		if err != nil || mac != "secret-key-?" {
			t.Errorf("%q: %q, %v", padding, mac, err)
		}
	}
	for want, args := range map[string][]string{
		"begins with https://":                {"--acme-directory=http://ca.test/dir"},
		`challenge "dns-01"`:                  {"--acme-challenges=dns-01"},
		`key type "dsa"`:                      {"--acme-key-type=dsa"},
		"both the key's identifier":           {"--acme-eab-key-id=k"},
		"--acme-eab-key-file: illegal base64": {"--acme-eab-key-id=k", "--acme-eab-key-file=" + file("bad", "!!")},
		"no certificate in PEM":               {"--acme-ca-file=" + file("ca", "hello")},
		"no such file":                        {"--acme-ca-file=/nowhere/ca.pem"},
		"--acme-orders-per-hour 0":            {"--acme-orders-per-hour=0"},
	} {
		if _, err := acmeOptions(t, args...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", args, err, want)
		}
	}
	if _, err := acmeOptions(t); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
