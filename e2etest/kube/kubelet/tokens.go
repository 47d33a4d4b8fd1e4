package kubelet

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	authv1 "k8s.io/api/authentication/v1"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// tokens gets ServiceAccount tokens bound to pods and keeps them until a fifth
// of their life is left.
type tokens struct {
	client kubernetes.Interface

	mu    sync.Mutex
	known map[tokenKey]token
}

type tokenKey struct {
	pod      types.UID
	audience string
	path     string
}

type token struct {
	text  string
	renew time.Time
}

func newTokens(client kubernetes.Interface) *tokens {
	return &tokens{client: client, known: map[tokenKey]token{}}
}

// get returns the token of a projected volume. While the API server is away an
// old one is better than none.
func (t *tokens) get(ctx context.Context, pod *v1.Pod, p *v1.ServiceAccountTokenProjection) (string, error) {
	key := tokenKey{pod.UID, p.Audience, p.Path}
	t.mu.Lock()
	old, ok := t.known[key]
	t.mu.Unlock()
	if ok && time.Now().Before(old.renew) {
		return old.text, nil
	}
	fresh, err := t.request(ctx, pod, p)
	if err != nil {
		if ok {
			return old.text, nil
		}
		return "", fmt.Errorf("token of ServiceAccount %s: %w", pod.Spec.ServiceAccountName, err)
	}
	t.mu.Lock()
	t.known[key] = fresh
	t.mu.Unlock()
	return fresh.text, nil
}

func (t *tokens) request(ctx context.Context, pod *v1.Pod, p *v1.ServiceAccountTokenProjection) (token, error) {
	req := &authv1.TokenRequest{Spec: authv1.TokenRequestSpec{
		ExpirationSeconds: p.ExpirationSeconds,
		BoundObjectRef:    &authv1.BoundObjectReference{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID},
	}}
	if p.Audience != "" {
		req.Spec.Audiences = strings.Fields(p.Audience)
	}
	began := time.Now()
	answer, err := t.ask(ctx, pod, req)
	if err != nil {
		return token{}, err
	}
	// The asked life counts, not the longer one that the API server grants to
	// tolerate clients that do not reload.
	life := time.Until(answer.Status.ExpirationTimestamp.Time)
	if p.ExpirationSeconds != nil {
		life = min(life, time.Duration(*p.ExpirationSeconds)*time.Second)
	}
	return token{text: answer.Status.Token, renew: began.Add(life * 4 / 5)}, nil
}

// ask requests a token. The authorizer learns of a pod's new node some
// milliseconds after the kubelet does, so a first refusal is not the last word.
func (t *tokens) ask(ctx context.Context, pod *v1.Pod, req *authv1.TokenRequest) (*authv1.TokenRequest, error) {
	for pause := 25 * time.Millisecond; ; pause *= 2 {
		answer, err := t.client.CoreV1().ServiceAccounts(pod.Namespace).
			CreateToken(ctx, pod.Spec.ServiceAccountName, req, metav1.CreateOptions{})
		if !apierrors.IsForbidden(err) || pause > time.Second {
			return answer, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}

// forget drops the tokens of a pod that is gone.
func (t *tokens) forget(pod types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for key := range t.known {
		if key.pod == pod {
			delete(t.known, key)
		}
	}
}
