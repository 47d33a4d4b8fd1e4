package storm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
)

// Annotations that Services of a storm ask with.
const (
	annotationPool  = "steelyard.io/address-pool"
	annotationIPs   = "steelyard.io/load-balancer-ips"
	annotationShare = "steelyard.io/allow-shared-ip"
)

// Load is the coming, changing and going of Services.
type Load struct {
	Services typedcorev1.ServiceInterface
	Slots    int // how many there may be at once
	Workers  int
	Pause    time.Duration // of each worker between two operations
	Seed     uint64

	creates, deletes, edits atomic.Int64
}

// Run works until ctx ends or the API server refuses something.
func (l *Load) Run(ctx context.Context) error {
	var group sync.WaitGroup
	failed := make(chan error, l.Workers)
	for i := range l.Workers {
		group.Go(func() {
			if err := l.work(ctx, i); err != nil {
				failed <- err
			}
		})
	}
	group.Wait()
	close(failed)
	return <-failed
}

// work tends the slots that are i's alone.
func (l *Load) work(ctx context.Context, i int) error {
	dice := rand.New(rand.NewPCG(l.Seed, uint64(i)))
	there := map[int]bool{}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(l.Pause/2 + time.Duration(dice.Int64N(int64(l.Pause)))):
		}
		slot := i + l.Workers*dice.IntN((l.Slots-i+l.Workers-1)/l.Workers)
		if err := l.touch(ctx, dice, slot, there); err != nil && ctx.Err() == nil {
			return err
		}
	}
}

func (l *Load) touch(ctx context.Context, dice *rand.Rand, slot int, there map[int]bool) error {
	switch {
	case !there[slot]:
		_, err := l.Services.Create(ctx, service(slot, dice), metav1.CreateOptions{})
		if err != nil && !apierrors.IsAlreadyExists(err) { // it does when the answer got lost
			return fmt.Errorf("create a Service: %w", err)
		}
		there[slot] = true
		l.creates.Add(1)
	case dice.IntN(10) < 4:
		err := l.Services.Delete(ctx, nameOf(slot), metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete a Service: %w", err)
		}
		delete(there, slot)
		l.deletes.Add(1)
	default:
		_, err := l.Services.Patch(ctx, nameOf(slot), types.MergePatchType, []byte(edit(slot, dice)), metav1.PatchOptions{})
		if err != nil {
			return fmt.Errorf("edit a Service: %w", err)
		}
		l.edits.Add(1)
	}
	return nil
}

func nameOf(slot int) string { return fmt.Sprintf("s%03d", slot) }

// kinds of slots: what a Service asks for is settled by its number.
const (
	asksTight  = iota // 0 and 1: any address of the pool that is too small
	_                 //
	asksAny           // 2 and 3
	_                 //
	asksDual          // an address of each family
	asksPrefer        // a second one where possible
	asksShared        // with three others
	asksThis          // one address, which may be somebody else's
	kinds
)

// service is a Service without selector and node ports.
func service(slot int, dice *rand.Rand) *corev1.Service {
	no, port := false, int32(80)
	svc := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: nameOf(slot), Annotations: map[string]string{}}}
	switch slot % kinds {
	case asksTight, asksTight + 1:
		svc.Annotations[annotationPool] = "tight"
	case asksDual:
		policy := corev1.IPFamilyPolicyRequireDualStack
		svc.Spec.IPFamilyPolicy = &policy
	case asksPrefer:
		policy := corev1.IPFamilyPolicyPreferDualStack
		svc.Spec.IPFamilyPolicy = &policy
	case asksShared:
		svc.Annotations[annotationShare] = fmt.Sprintf("key%d", slot/kinds/4)
		port += int32(slot / kinds % 4)
	case asksThis:
		svc.Annotations[annotationIPs] = anAddress(dice)
	}
	svc.Spec.Type, svc.Spec.AllocateLoadBalancerNodePorts = corev1.ServiceTypeLoadBalancer, &no
	svc.Spec.Ports = []corev1.ServicePort{{Port: port, Protocol: corev1.ProtocolTCP}}
	return svc
}

// anAddress is one that a Service may ask for: in the tight pool, or where
// automatic grants of the wide pool are.
func anAddress(dice *rand.Rand) string {
	if dice.IntN(2) == 0 {
		return fmt.Sprintf("198.51.100.%d", 1+dice.IntN(tightSize))
	}
	return fmt.Sprintf("198.18.0.%d", 1+dice.IntN(200))
}

// edit is a merge patch: harmless ones, and those that may cost the address.
func edit(slot int, dice *rand.Rand) string {
	annotate := func(name, value string) string {
		return fmt.Sprintf(`{"metadata":{"annotations":{%q:%s}}}`, name, value)
	}
	if dice.IntN(2) == 0 {
		return annotate("note", fmt.Sprintf("%q", fmt.Sprint(dice.Uint32())))
	}
	switch slot % kinds {
	case asksTight, asksTight + 1, asksAny, asksAny + 1:
		return annotate(annotationPool, []string{`"tight"`, `"wide"`, "null"}[dice.IntN(3)])
	case asksPrefer:
		policy := []corev1.IPFamilyPolicy{corev1.IPFamilyPolicySingleStack, corev1.IPFamilyPolicyPreferDualStack}[dice.IntN(2)]
		return fmt.Sprintf(`{"spec":{"ipFamilyPolicy":%q}}`, policy)
	case asksThis:
		return annotate(annotationIPs, fmt.Sprintf("%q", anAddress(dice)))
	}
	return fmt.Sprintf(`{"spec":{"sessionAffinity":%q}}`, []string{"None", "ClientIP"}[dice.IntN(2)])
}
