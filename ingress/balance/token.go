package balance

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Token is what a client's cookie says to come back to a member. It names the
// address to those alone who have the pool's secret and know it; "" without a secret.
func (p *Pool) Token(member int) string {
	if p.tokens == nil {
		return ""
	}
	return hex.EncodeToString(binary.BigEndian.AppendUint64(nil, p.tokenOf(member)))
}

func (p *Pool) tokenOf(member int) uint64 {
	addr := p.members[member].Endpoint.addr
	as16 := addr.Addr().As16()
	mac := hmac.New(sha256.New, p.secret)
	mac.Write(binary.BigEndian.AppendUint16(as16[:], addr.Port()))
	return binary.BigEndian.Uint64(mac.Sum(nil))
}

// allTokens are the tokens of those who stay.
func (p *Pool) allTokens() map[uint64]uint16 {
	all := make(map[uint64]uint16, len(p.members))
	for i, m := range p.members {
		if !m.Terminating {
			all[p.tokenOf(i)] = uint16(i)
		}
	}
	return all
}

// known is the member that the client's cookie names, if it may be asked; else -1.
func (p *Pool) known(a *Ask) int {
	token, ok := parseToken(a.Token)
	if !ok {
		return -1
	}
	if i, ok := p.tokens[token]; ok && p.members[i].Endpoint.open(a) {
		return int(i)
	}
	return -1
}

// Knows tells whether a token names a member that stays.
func (p *Pool) Knows(token string) bool {
	n, ok := parseToken(token)
	if ok {
		_, ok = p.tokens[n]
	}
	return ok
}

// parseToken reads 16 hexadecimal digits in lower case.
func parseToken(s string) (token uint64, ok bool) {
	if len(s) != 16 {
		return 0, false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			token = token<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			token = token<<4 | uint64(c-'a'+10)
		default:
			return 0, false
		}
	}
	return token, true
}
