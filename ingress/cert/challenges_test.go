package cert

import (
	"crypto/sha256"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

func orders(all ...config.Challenge) config.Table[config.Key, *config.Order] {
	return config.TableOf(map[config.Key]*config.Order{key("o"): {Key: key("o"), Challenges: all}})
}

func TestChallengesByHTTP(t *testing.T) {
	c, err := NewChallenges(orders(config.Challenge{Type: config.ChallengeHTTP, Host: "a.test", Token: "t0k", Answer: "t0k.print"}), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		method, host, path string
		ok                 bool
	}{
		{"GET", "a.test", ChallengePath + "t0k", true},
		{"HEAD", "A.test.:8080", ChallengePath + "t0k", true},
		{"POST", "a.test", ChallengePath + "t0k", false},
		{"GET", "b.test", ChallengePath + "t0k", false}, // a token is good for its host alone
		{"GET", "a.test", ChallengePath + "other", false},
		{"GET", "a.test", ChallengePath, false},
		{"GET", "a.test", "/x" + ChallengePath + "t0k", false},
		{"GET", "[::1]:80", ChallengePath + "t0k", false},
	} {
		answer, ok := c.Answer(q.method, q.host, q.path)
		if ok != q.ok || ok && answer != "t0k.print" {
			t.Errorf("%s %s%s: %q, %v", q.method, q.host, q.path, answer, ok)
		}
	}
	var none *Challenges
	if _, ok := none.Answer("GET", "a.test", ChallengePath+"t0k"); ok || none.Len() != 0 || none.Handshake(&tls.ClientHelloInfo{}) != nil {
		t.Error("nil answers")
	}
}

// A certificate authority that asks by TLS-ALPN-01 sees what RFC 8737 says, and
// nobody else sees it.
func TestChallengesByALPN(t *testing.T) {
	ask := config.Challenge{Type: config.ChallengeALPN, Host: "a.test", Token: "t0k", Answer: "t0k.print"}
	c, err := NewChallenges(orders(ask), nil, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, protos := range [][]string{nil, {"h2", "http/1.1"}, {"h2", ChallengeProto}} {
		if c.Handshake(&tls.ClientHelloInfo{ServerName: "a.test", SupportedProtos: protos}) != nil {
			t.Errorf("a browser that offers %v is shown the proof", protos)
		}
	}
	if c.Handshake(&tls.ClientHelloInfo{ServerName: "b.test", SupportedProtos: []string{ChallengeProto}}) != nil {
		t.Error("another host's proof is shown")
	}
	conf := c.Handshake(&tls.ClientHelloInfo{ServerName: "A.test", SupportedProtos: []string{ChallengeProto}})
	if conf == nil {
		t.Fatal("no proof")
	}
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	go func() { _ = tls.Server(far, conf).Handshake() }()
	client := tls.Client(near, &tls.Config{ServerName: "a.test", InsecureSkipVerify: true, NextProtos: []string{ChallengeProto}})
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	state := client.ConnectionState()
	leaf := state.PeerCertificates[0]
	if state.NegotiatedProtocol != ChallengeProto || len(leaf.DNSNames) != 1 || leaf.DNSNames[0] != "a.test" {
		t.Errorf("negotiated %q for %v", state.NegotiatedProtocol, leaf.DNSNames)
	}
	digest := sha256.Sum256([]byte(ask.Answer))
	found := false
	for _, e := range leaf.Extensions {
		if e.Id.Equal(idPeAcmeIdentifier) {
			found = e.Critical && strings.HasSuffix(string(e.Value), string(digest[:]))
		}
	}
	if !found {
		t.Error("no acmeIdentifier with the digest of the key authorization")
	}

	again, err := NewChallenges(orders(ask), c, now)
	if err != nil || again.certs["a.test"] != c.certs["a.test"] {
		t.Errorf("the same proof was made twice: %v", err)
	}
	ask.Answer = "another"
	if third, err := NewChallenges(orders(ask), c, now); err != nil || third.certs["a.test"] == c.certs["a.test"] {
		t.Errorf("an old proof for a new challenge: %v", err)
	}
}
