package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steelyard-lb/steelyard/config/kube"
	"github.com/steelyard-lb/steelyard/ingress/route"
)

// ingressFlags are those that the ingress processes and the controller, which
// tells what they do, have to agree on.
type ingressFlags struct {
	controller    string
	hostOwners    []string
	oldestOwns    bool
	externalNames bool
}

func (o *ingressFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.controller, "ingress-controller", kube.IngressController, "spec.controller of the IngressClasses that are served; another one for each installation beside this one")
	f.StringArrayVar(&o.hostOwners, "host-owner", nil, "HOST=NAMESPACE,...: only Ingresses of these namespaces may name the host; *.HOST is all below it, * rules without a host; may be repeated")
	f.BoolVar(&o.oldestOwns, "hosts-of-oldest", false, "a host belongs to the namespace of the oldest Ingress that names it")
	f.BoolVar(&o.externalNames, "external-names", true, "serve Services of type ExternalName")
}

// owners says who may use which host; nil: anybody any.
func (o *ingressFlags) owners() (*route.Owners, error) {
	if len(o.hostOwners) == 0 && !o.oldestOwns {
		return nil, nil
	}
	owners := &route.Owners{Granted: map[string][]string{}, Oldest: o.oldestOwns}
	for _, text := range o.hostOwners {
		host, namespaces, ok := strings.Cut(text, "=")
		host = strings.ToLower(host)
		if list := strings.Split(namespaces, ","); ok && host != "" && !slices.Contains(list, "") {
			owners.Granted[host] = append(owners.Granted[host], list...)
			continue
		}
		return nil, usageError{fmt.Errorf("--host-owner %q: write HOST=NAMESPACE, such as *.shop.example.com=shop", text)}
	}
	return owners, nil
}
