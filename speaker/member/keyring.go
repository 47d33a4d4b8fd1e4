package member

import (
	"crypto/sha256"
	"fmt"

	"github.com/hashicorp/memberlist"

	"github.com/steelyard-lb/steelyard/speaker/keys"
)

// keyring holds the keys in the form that memberlist reads at any time. It has
// one writer: memberlist locks its list only in part.
type keyring struct {
	ring keys.Ring // as memberlist has it
	lib  *memberlist.Keyring
}

func newKeyring(r keys.Ring) (*keyring, error) {
	k := &keyring{lib: &memberlist.Keyring{}}
	for _, key := range r {
		if err := k.do(keys.Step{Deed: keys.Add, Key: key}); err != nil {
			return nil, err
		}
	}
	return k, nil
}

// apply makes r the keys, without a moment in which one that stays is away.
func (k *keyring) apply(r keys.Ring) error {
	for _, s := range keys.Steps(k.ring, r) {
		if err := k.do(s); err != nil {
			return err
		}
	}
	return nil
}

func (k *keyring) do(s keys.Step) error {
	deed := map[keys.Deed]func([]byte) error{keys.Add: k.lib.AddKey, keys.Use: k.lib.UseKey, keys.Drop: k.lib.RemoveKey}[s.Deed]
	sum := sha256.Sum256([]byte(s.Key)) // AES-256
	if err := deed(sum[:]); err != nil {
		return fmt.Errorf("key %s: %w", s.Key.Name(), err)
	}
	k.ring = s.On(k.ring)
	return nil
}
