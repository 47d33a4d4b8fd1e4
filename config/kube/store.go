package kube

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/steelyard-lb/steelyard/config"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// mark says that an object changed in some way. Slices are marked by their
// Service, which is what they are translated by.
type mark struct {
	kind kind
	key  config.Key
	read uint64 // for kindRead: the number of the read
}

// marks collects what changed until somebody takes it.
type marks struct {
	mu    sync.Mutex
	set   map[mark]struct{}
	first time.Time     // when the first of set came
	read  uint64        // how often [Source.Refresh] was done
	wake  chan struct{} // holds one token while there is something to do
}

func newMarks() *marks {
	return &marks{set: map[mark]struct{}{}, wake: make(chan struct{}, 1)}
}

func (m *marks) add(list ...mark) {
	m.mu.Lock()
	if len(m.set) == 0 {
		m.first = time.Now()
	}
	for _, x := range list {
		m.set[x] = struct{}{}
	}
	m.mu.Unlock()
	m.rouse()
}

func (m *marks) rouse() {
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *marks) empty() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.set) == 0
}

// since is when the first of what take returns came.
func (m *marks) since() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.first
}

// take empties the collection; the order is by kind and key.
func (m *marks) take() []mark {
	m.mu.Lock()
	set := m.set
	m.set = map[mark]struct{}{}
	m.mu.Unlock()
	out := make([]mark, 0, len(set))
	for x := range set {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b mark) int {
		if a.kind != b.kind {
			return int(a.kind) - int(b.kind)
		}
		return cmp.Or(a.key.Compare(b.key), cmp.Compare(a.read, b.read))
	})
	return out
}

// item is one object in a store.
type item struct {
	uid     types.UID
	version string
	kept    any // the object, cut to what translation uses, or what res.keep made of it
}

// same tells whether o is the same object in the same version.
func (i item) same(o item) bool { return i.uid == o.uid && i.version == o.version }

// store holds the objects of one resource. It is what a client-go reflector
// writes to. Items in it never change.
type store struct {
	res   *resource
	marks *marks

	mu      sync.RWMutex
	objects map[config.Key]item
	groups  map[config.Key]map[config.Key]item // by res.group, if there is one
	synced  bool
	lists   int    // brought by the reflector
	version string // of what the reflector brought last
	floor   string // of what was read beside it and is newer than that; "": nothing is
}

func newStore(res *resource, m *marks) *store {
	s := &store{res: res, marks: m, objects: map[config.Key]item{}}
	if res.group != nil {
		s.groups = map[config.Key]map[config.Key]item{}
	}
	return s
}

// Add is called by the reflector for a new object.
func (s *store) Add(o any) error { return s.Update(o) }

// Update is called by the reflector for a changed object.
func (s *store) Update(o any) error {
	key, next, err := s.take(o)
	if err != nil {
		return err
	}
	s.bring(key, &next, next.version)
	return nil
}

// bring takes in one item (nil: it is gone) of the reflector's.
func (s *store) bring(key config.Key, next *item, version string) {
	s.mu.Lock()
	var touched []mark
	if !s.outdated(version) {
		touched = s.put(key, next)
	}
	s.mu.Unlock()
	s.marks.add(touched...)
}

// Delete is called by the reflector for an object that is gone.
func (s *store) Delete(o any) error {
	gone, ok := o.(metav1.Object)
	if !ok {
		return fmt.Errorf("%s: unexpected %T", s.res.plural, o)
	}
	key := config.Key{Namespace: gone.GetNamespace(), Name: gone.GetName()}
	s.bring(key, nil, gone.GetResourceVersion())
	return nil
}

// Replace is called by the reflector with a fresh list of all objects.
func (s *store) Replace(list []any, version string) error {
	s.mu.Lock()
	old := s.outdated(version)
	s.lists++
	s.mu.Unlock()
	if old {
		return nil
	}
	return s.replace(list)
}

// replace puts a list in the place of all objects. Those whose version is the
// same are not marked again.
func (s *store) replace(list []any) error {
	fresh := make(map[config.Key]item, len(list))
	for _, o := range list {
		key, next, err := s.take(o)
		if err != nil {
			return err
		}
		fresh[key] = next
	}
	s.mu.Lock()
	var touched []mark
	for key := range s.objects {
		if _, ok := fresh[key]; !ok {
			touched = append(touched, s.put(key, nil)...)
		}
	}
	for key, next := range fresh {
		if old, ok := s.objects[key]; !ok || !old.same(next) {
			touched = append(touched, s.put(key, &next)...)
		}
	}
	s.synced = true
	s.mu.Unlock()
	s.marks.add(touched...)
	return nil
}

// Resync has no meaning here.
func (s *store) Resync() error { return nil }

// take makes an item of what arrived.
func (s *store) take(o any) (config.Key, item, error) {
	obj, ok := o.(metav1.Object)
	if !ok {
		return config.Key{}, item{}, fmt.Errorf("%s: unexpected %T", s.res.plural, o)
	}
	key := config.Key{Namespace: obj.GetNamespace(), Name: obj.GetName()}
	next := item{uid: obj.GetUID(), version: obj.GetResourceVersion(), kept: o}
	if s.res.keep != nil {
		next.kept = s.res.keep(obj)
		return key, next, nil
	}
	if s.res.cut != nil {
		s.res.cut(obj)
	}
	obj.SetManagedFields(nil)
	obj.SetFinalizers(nil)
	obj.SetOwnerReferences(nil)
	return key, next, nil
}

// put sets (nil: removes) an item under the lock and says what to mark.
func (s *store) put(key config.Key, next *item) []mark {
	old, had := s.objects[key]
	if next == nil {
		delete(s.objects, key)
	} else {
		s.objects[key] = *next
	}
	if s.groups == nil {
		return []mark{{kind: s.res.kind, key: key}}
	}
	var touched []mark
	if had {
		if g, ok := s.res.group(old.kept); ok {
			if delete(s.groups[g], key); len(s.groups[g]) == 0 {
				delete(s.groups, g)
			}
			touched = append(touched, mark{kind: s.res.kind, key: g})
		}
	}
	if next != nil {
		if g, ok := s.res.group(next.kept); ok {
			if s.groups[g] == nil {
				s.groups[g] = map[config.Key]item{}
			}
			s.groups[g][key] = *next
			touched = append(touched, mark{kind: s.res.kind, key: g})
		}
	}
	return touched
}

// giveUp counts the store as synced: the resource does not exist here.
func (s *store) giveUp() {
	s.mu.Lock()
	s.synced = true
	s.mu.Unlock()
	s.marks.rouse()
}

// listed is how many lists the reflector has brought.
func (s *store) listed() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.lists
}

func (s *store) hasSynced() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.synced
}
