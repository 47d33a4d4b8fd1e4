package controller

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/steelyard-lb/steelyard/config"
)

// sessionWorld has nodes n1 n2 n3 and one peer for them all; reports maps a
// node to the state and the last drop of its session.
func sessionWorld(reports map[string][2]string) *config.Snapshot {
	nodes := map[string]*config.Node{}
	speakers := map[string]*config.SpeakerStatus{}
	for _, name := range []string{"n1", "n2", "n3"} {
		nodes[name] = &config.Node{Name: name}
		if r, ok := reports[name]; ok {
			speakers[name] = &config.SpeakerStatus{Node: name, Sessions: []config.SessionReport{
				{Peer: "other", State: "Idle", LastDrop: "not asked for"},
				{Peer: "tor", State: r[0], LastDrop: r[1]},
			}}
		}
	}
	return &config.Snapshot{
		Nodes: config.TableOf(nodes), Speakers: config.TableOf(speakers),
		Peers: []*config.Peer{{Name: "tor", Addr: netip.MustParseAddr("192.0.2.1")}},
	}
}

func TestEstablishedCondition(t *testing.T) {
	up, idle := [2]string{"Established", "old trouble"}, [2]string{"Connect", ""}
	refused := [2]string{"Active", "connection refused"}
	for _, c := range []struct {
		name     string
		reports  map[string][2]string
		status   bool
		reason   string
		message  string
		problems int
	}{
		{"all up, whatever was before", map[string][2]string{"n1": up, "n2": up, "n3": up}, true, "Established", "3 of 3 nodes have a session", 0},
		{"no report yet", nil, false, "Connecting", "0 of 3 nodes have a session; connecting: n1, n2, n3", 0},
		{"one connecting", map[string][2]string{"n1": up, "n2": idle, "n3": up}, false, "Connecting", "2 of 3 nodes have a session; connecting: n2", 0},
		{"two refused", map[string][2]string{"n1": refused, "n2": up, "n3": refused}, false, "SessionDown", "1 of 3 nodes have a session; n1, n3: connection refused", 1},
		{"two reasons", map[string][2]string{"n1": refused, "n2": {"Idle", "AS mismatch"}, "n3": up}, false, "SessionDown", "1 of 3 nodes have a session; n2: AS mismatch; n1: connection refused", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			snap := sessionWorld(c.reports)
			got := sessionsOf(snap.Peers[0], snap).condition()
			want := config.Condition{Type: config.ConditionEstablished, Status: c.status, Reason: c.reason, Message: c.message}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
			problems := sessionProblems(snap, "system")
			if len(problems) != c.problems {
				t.Fatalf("problems = %v, want %d", problems, c.problems)
			}
			for _, p := range problems {
				if p.Object.String() != "BGPPeer system/tor" || !strings.Contains(p.Message, "192.0.2.1") || p.Remedy == "" {
					t.Errorf("problem %+v does not name object, address and remedy", p)
				}
			}
		})
	}
}

func TestPeerThatNoNodeIsChosenFor(t *testing.T) {
	snap := sessionWorld(nil)
	snap.Peers[0].NodeSelectors = []config.Selector{{Requirements: []config.Requirement{{Key: "rack", Op: config.Exists}}}}
	if c := sessionsOf(snap.Peers[0], snap).condition(); c.Status || c.Reason != "NoNode" {
		t.Errorf("condition = %+v", c)
	}
}
