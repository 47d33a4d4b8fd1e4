package translate

import (
	"fmt"
	"slices"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

// The bounds of what the BFD engine takes, and MetalLB's defaults.
const (
	leastInterval   = 50
	mostInterval    = 60_000
	leastEcho       = 10
	leastDetection  = 150
	defaultInterval = 300
	defaultMissing  = 3
	defaultMinTTL   = 254
)

// BFDProfile translates one BFDProfile by itself; it is nil if it cannot be
// used. One that asks for echo mode is used without, and has a Problem.
func BFDProfile(o *v1beta1.BFDProfile) (*config.BFDProfile, []config.Problem) {
	f := faultsOf(config.KindBFDProfile, o)
	s := &o.Spec
	receive := within(f, "spec.receiveInterval", s.ReceiveInterval, defaultInterval, leastInterval, mostInterval)
	transmit := within(f, "spec.transmitInterval", s.TransmitInterval, defaultInterval, leastInterval, mostInterval)
	missing := within(f, "spec.detectMultiplier", s.DetectMultiplier, defaultMissing, 2, 255)
	within(f, "spec.echoInterval", s.EchoInterval, leastInterval, leastEcho, mostInterval)
	hops := within(f, "spec.minimumTtl", s.MinimumTTL, defaultMinTTL, 1, 254)
	if least := min(receive, transmit); !f.any() && least*missing < leastDetection {
		f.add("spec.detectMultiplier", ReasonInvalid, fmt.Sprintf("use %d, or longer intervals", (leastDetection+least-1)/least),
			"%d × %d ms make a detection time below %d ms, which would take healthy sessions down on a busy machine", missing, least, leastDetection)
	}
	if f.any() {
		return nil, f.problems
	}
	if s.EchoMode != nil && *s.EchoMode {
		f.add("spec.echoMode", ReasonNoEffect, "remove it; for a shorter detection time use shorter intervals",
			"there is no echo mode: routers are watched by control packets alone")
	}
	return &config.BFDProfile{
		Name: o.Name, Receive: time.Duration(receive) * time.Millisecond, Transmit: time.Duration(transmit) * time.Millisecond,
		Multiplier: uint8(missing), Passive: s.PassiveMode != nil && *s.PassiveMode, MinTTL: uint8(hops),
	}, f.problems
}

// within reads a number that must lie between least and most.
func within(f *faults, field string, value *uint32, unset, least, most uint32) uint32 {
	if value == nil {
		return unset
	}
	if *value < least || *value > most {
		f.add(field, ReasonInvalid, fmt.Sprintf("use %d to %d", least, most), "%d is not possible", *value)
	}
	return *value
}

func (b *assembly) profiles() {
	for _, o := range ours(b, config.KindBFDProfile, b.in.BFD) {
		p, problems := BFDProfile(o)
		b.note(problems)
		if p != nil {
			b.out.BFD = append(b.out.BFD, p)
		}
	}
}

// watch gives p the BFDProfile of that name. Without one its session goes on: it
// is better found dead late than not there.
func (b *assembly) watch(f *faults, p *config.Peer, name string) {
	const field = "spec.bfdProfile"
	if name == "" {
		return
	}
	i := slices.IndexFunc(b.out.BFD, func(o *config.BFDProfile) bool { return o.Name == name })
	if i >= 0 {
		p.BFD = b.out.BFD[i]
		return
	}
	exists := slices.ContainsFunc(b.in.BFD, func(o *v1beta1.BFDProfile) bool {
		return o.Name == name && o.Namespace == b.in.Namespace
	})
	if exists {
		f.add(field, ReasonNotUsed, "mend it; its own status says what is wrong",
			"BFDProfile %s has a problem and is not used: the session goes on without BFD", name)
		return
	}
	f.add(field, ReasonNotFound, "create it or correct the name", "there is no BFDProfile %q: the session goes on without BFD", name)
}
