package main

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/controller/acme"
)

// acmeFlags say whether and where certificates are ordered.
type acmeFlags struct {
	on                             bool
	directory, roots, contact, key string
	externalID, externalKey        string
	challenges                     []string
	perHour                        int
}

func (a *acmeFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&a.on, "acme", false, "order certificates for Ingresses that ask for it, and agree to the terms of service of the certificate authority")
	f.StringVar(&a.directory, "acme-directory", acme.LetsEncrypt, "URL of the certificate authority's directory")
	f.StringVar(&a.roots, "acme-ca-file", "", "PEM file of who may have signed the certificate of --acme-directory; empty: those that the image trusts")
	f.StringVar(&a.contact, "acme-contact", "", "e-mail address that the certificate authority may write to")
	f.StringVar(&a.externalID, "acme-eab-key-id", "", "identifier of the key for external account binding, where the certificate authority asks for one")
	f.StringVar(&a.externalKey, "acme-eab-key-file", "", "file with that key, in base64url as certificate authorities give it")
	f.StringSliceVar(&a.challenges, "acme-challenges", []string{"http-01", "tls-alpn-01"}, "how hosts are proven, the preferred one first; after a failure the next one is tried")
	f.StringVar(&a.key, "acme-key-type", string(acme.ECDSA), "keys of certificates: ecdsa or rsa")
	f.IntVar(&a.perHour, "acme-orders-per-hour", 60, "most orders that are begun in one hour")
}

// options reads the files that the flags name.
func (a *acmeFlags) options(namespace string) (acme.Options, error) {
	o := acme.Options{
		Namespace: namespace, Directory: a.directory, Contact: a.contact, KeyID: a.externalID,
		Challenges: a.challenges, Key: acme.KeyType(a.key),
	}
	o.Limits.PerHour = a.perHour
	if a.perHour < 1 {
		return o, usageError{fmt.Errorf("--acme-orders-per-hour %d: it has to be 1 or more", a.perHour)}
	}
	if a.roots != "" {
		text, err := os.ReadFile(a.roots)
		if err != nil {
			return o, usageError{fmt.Errorf("--acme-ca-file: %w", err)}
		}
		if o.Roots = x509.NewCertPool(); !o.Roots.AppendCertsFromPEM(text) {
			return o, usageError{fmt.Errorf("--acme-ca-file %s: it has no certificate in PEM", a.roots)}
		}
	}
	if a.externalKey != "" {
		text, err := os.ReadFile(a.externalKey)
		if err == nil {
			text = bytes.TrimRight(bytes.TrimSpace(text), "=")
			o.MACKey, err = base64.RawURLEncoding.DecodeString(string(text))
		}
		if err != nil {
			return o, usageError{fmt.Errorf("--acme-eab-key-file: %w", err)}
		}
		if len(o.MACKey) == 0 {
			return o, usageError{errors.New("--acme-eab-key-file: it is empty")}
		}
	}
	if err := o.Validate(); err != nil {
		return o, usageError{fmt.Errorf("--acme: %w", err)}
	}
	return o, nil
}
