package kube

import (
	"iter"
	"net/netip"
	"reflect"

	"github.com/steelyard-lb/steelyard/config"
	"github.com/steelyard-lb/steelyard/config/v1beta1"
)

type (
	poolObject = *v1beta1.IPAddressPool
	l2Object   = *v1beta1.L2Advertisement
	bgpObject  = *v1beta1.BGPAdvertisement
	peerObject = *v1beta1.BGPPeer
	bfdObject  = *v1beta1.BFDProfile
	commObject = *v1beta1.Community
)

// draft is a snapshot in the making. It shares everything with the one before
// until something is put.
type draft struct {
	next *config.Snapshot

	services     column[config.Key, *config.Service]
	endpoints    column[config.Key, *config.Endpoints]
	nodes        column[string, *config.Node]
	namespaces   column[string, map[string]string]
	reservations column[config.Key, *config.Reservation]
	bound        column[netip.Addr, *config.Reservation]
	claims       column[netip.Addr, *config.L2Claim]
	speakers     column[string, *config.SpeakerStatus]
	ingresses    column[config.Key, *config.Ingress]
	certificates column[config.Key, *config.Certificate]
	orders       column[config.Key, *config.Order]
	reports      column[config.Key, *config.IngressReport]

	changed       config.Changes
	dirty         bool // the next snapshot differs
	configDirty   bool // pools and the like must be translated again
	problemsDirty bool // the list of Problems must be made again
}

func newDraft(before *config.Snapshot) *draft {
	if before == nil {
		before = &config.Snapshot{}
	}
	next := *before
	d := &draft{next: &next}
	d.services.table = next.Services
	d.endpoints.table = next.Endpoints
	d.nodes.table = next.Nodes
	d.namespaces.table = next.Namespaces
	d.reservations.table = next.Reservations
	d.bound.table = next.Bound
	d.claims.table = next.Claims
	d.speakers.table = next.Speakers
	d.ingresses.table = next.Ingresses
	d.certificates.table = next.Certificates
	d.orders.table = next.Orders
	d.reports.table = next.Reports
	return d
}

// finish makes the snapshot. The draft must not be used afterwards.
func (d *draft) finish(first bool) *config.Snapshot {
	s := d.next
	s.Revision++
	s.Services = d.services.done()
	s.Endpoints = d.endpoints.done()
	s.Nodes = d.nodes.done()
	s.Namespaces = d.namespaces.done()
	s.Reservations = d.reservations.done()
	s.Bound = d.bound.done()
	s.Claims = d.claims.done()
	s.Speakers = d.speakers.done()
	s.Ingresses = d.ingresses.done()
	s.Certificates = d.certificates.done()
	s.Orders = d.orders.done()
	s.Reports = d.reports.done()
	if s.Changed = d.changed; first {
		s.Changed = config.Changes{All: true}
	}
	config.Tidy(&s.Changed)
	return s
}

// column is one table of a draft.
type column[K comparable, V any] struct {
	table config.Table[K, V]
	edit  *config.Edit[K, V]
}

// put sets the value of k, or removes it if there is none, and tells whether
// that differs from the snapshot before.
func (c *column[K, V]) put(k K, v V, exists bool) bool {
	old, had := c.table.Get(k)
	if exists == had && (!exists || reflect.DeepEqual(old, v)) {
		return false
	}
	if c.edit == nil {
		c.edit = c.table.Edit()
	}
	if exists {
		c.edit.Set(k, v)
	} else {
		c.edit.Delete(k)
	}
	return true
}

// done is the finished table.
func (c *column[K, V]) done() config.Table[K, V] {
	if c.edit != nil {
		c.table, c.edit = c.edit.Done(), nil
	}
	return c.table
}

// all ranges over what the finished table will hold.
func (c *column[K, V]) all() iter.Seq2[K, V] { return c.done().All() }
