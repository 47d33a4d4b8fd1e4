package kube

import (
	"context"
	"errors"
	"sync"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
)

// state is how reading one resource goes.
type state string

const (
	stateOK          state = ""
	stateUnreachable state = "unreachable" // no answer from the API server, or a confused one
	stateMissing     state = "missing"     // the API server does not know the resource
	stateForbidden   state = "forbidden"   // it does not let us read it
)

// stateOf classifies the outcome of a list or watch request; ok is false if
// it says nothing about the state.
func stateOf(err error) (_ state, ok bool) {
	switch {
	case err == nil:
		return stateOK, true
	case errors.Is(err, context.Canceled):
		return "", false
	case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
		return stateMissing, true
	case apierrors.IsForbidden(err), apierrors.IsUnauthorized(err):
		return stateForbidden, true
	case apierrors.IsResourceExpired(err), apierrors.IsGone(err),
		apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		return "", false // part of the protocol: the reflector asks in another way
	}
	return stateUnreachable, true
}

// health logs how reading goes: once when it changes, never per retry, and an
// unreachable server once for all resources.
type health struct {
	logger log.Logger

	mu     sync.Mutex
	states map[string]state // by resource; absent means OK
	answer chan struct{}    // closed when a resource can be read that could not be
}

func newHealth(logger log.Logger) *health {
	return &health{logger: logger, states: map[string]state{}, answer: make(chan struct{})}
}

// nextAnswer is closed when the API server answers for some resource for which it
// did not.
func (h *health) nextAnswer() chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.answer
}

// report notes the outcome of a request for a resource.
func (h *health) report(resource string, err error) {
	now, ok := stateOf(err)
	if !ok {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.states[resource]
	if before == now {
		return
	}
	downBefore := h.down()
	if h.states[resource] = now; now == stateOK {
		delete(h.states, resource)
	}
	if before == stateUnreachable {
		close(h.answer)
		h.answer = make(chan struct{})
	}
	h.log(resource, before, now, downBefore, err)
}

func (h *health) log(resource string, before, now state, downBefore bool, err error) {
	if down := h.down(); down != downBefore {
		if down {
			level.Warn(h.logger).Log("msg", "API server does not answer; working with what was last known", "err", err)
		} else {
			level.Info(h.logger).Log("msg", "API server answers again")
		}
	}
	switch {
	case now == stateMissing:
		level.Warn(h.logger).Log("msg", "API server does not know "+resource+"; if its CRD is not installed, install it", "err", err)
	case now == stateForbidden:
		level.Warn(h.logger).Log("msg", "not allowed to read "+resource+"; check the RBAC rules of this process", "err", err)
	case now == stateOK && before != stateUnreachable:
		level.Info(h.logger).Log("msg", resource+" can be read now")
	}
}

func (h *health) down() bool {
	for _, s := range h.states {
		if s == stateUnreachable {
			return true
		}
	}
	return false
}
