package bgp

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// refusal is why a message of a router goes no further: the NOTIFICATION that says it
// to the router (RFC 4271 §6), and the words for a person.
type refusal struct {
	code, sub uint8
	data      []byte
	why       Reason
}

func (r *refusal) Error() string { return r.why.Text }

// notification is the message to the router.
func (r *refusal) notification() ([]byte, error) {
	return bgp.NewBGPNotificationMessage(r.code, r.sub, r.data).Serialize()
}

func malformed(code, sub uint8, data []byte, format string, args ...any) *refusal {
	return &refusal{code, sub, data, Reason{KindMalformed, "malformed message from the router: " + fmt.Sprintf(format, args...)}}
}

// leastLength is how long a message of a type is at least (RFC 4271 §6.1, RFC 2918 §3).
var leastLength = map[uint8]int{
	bgp.BGP_MSG_OPEN: 29, bgp.BGP_MSG_UPDATE: 23, bgp.BGP_MSG_NOTIFICATION: 21, bgp.BGP_MSG_KEEPALIVE: 19, bgp.BGP_MSG_ROUTE_REFRESH: 23,
}

// readMessage reads one whole message, header and all, into buf, which it returns,
// grown if it had to be. The error is a *refusal if what comes is no message.
func readMessage(r io.Reader, buf []byte) ([]byte, error) {
	buf = append(buf[:0], make([]byte, bgp.BGP_HEADER_LENGTH)...)
	if _, err := io.ReadFull(r, buf); err != nil {
		return buf, fmt.Errorf("read message: %w", err)
	}
	length, err := lengthIn(buf)
	if err != nil {
		return buf, err
	}
	buf = append(buf, make([]byte, length-len(buf))...)
	if _, err := io.ReadFull(r, buf[bgp.BGP_HEADER_LENGTH:]); err != nil {
		return buf, fmt.Errorf("read message: %w", err)
	}
	return buf, nil
}

// lengthIn is the length of the message that a header begins, in bytes; the error is a
// *refusal (RFC 4271 §6.1).
func lengthIn(header []byte) (int, error) {
	for _, b := range header[:16] {
		if b != 0xff {
			return 0, malformed(bgp.BGP_ERROR_MESSAGE_HEADER_ERROR, bgp.BGP_ERROR_SUB_CONNECTION_NOT_SYNCHRONIZED, nil, "no BGP header; is it a BGP router at all?")
		}
	}
	length, kind := int(binary.BigEndian.Uint16(header[16:])), header[18]
	least, known := leastLength[kind]
	switch {
	case !known:
		return 0, malformed(bgp.BGP_ERROR_MESSAGE_HEADER_ERROR, bgp.BGP_ERROR_SUB_BAD_MESSAGE_TYPE, []byte{kind}, "unknown message type %d", kind)
	case length < least, length > bgp.BGP_MAX_MESSAGE_LENGTH, kind == bgp.BGP_MSG_KEEPALIVE && length != least:
		return 0, malformed(bgp.BGP_ERROR_MESSAGE_HEADER_ERROR, bgp.BGP_ERROR_SUB_BAD_MESSAGE_LENGTH, header[16:18:18], "message of type %d with a length of %d", kind, length)
	}
	return length, nil
}

// another tells whether one more whole message is in r's buffer already, so that it
// can be read without waiting.
func another(r *bufio.Reader) bool {
	if r.Buffered() < bgp.BGP_HEADER_LENGTH {
		return false
	}
	header, err := r.Peek(bgp.BGP_HEADER_LENGTH)
	return err == nil && r.Buffered() >= int(binary.BigEndian.Uint16(header[16:]))
}

// parse has GoBGP read a message as it will when it gets it. What GoBGP refuses in an
// orderly way is no refusal here: it knows what of it costs the session (RFC 7606).
// What it would fall over is, at once or later.
func parse(message []byte) (m *bgp.BGPMessage, err error) {
	kind := message[18]
	defer func() {
		if recover() != nil {
			m, err = nil, unreadable(kind)
		}
	}()
	var header bgp.BGPHeader
	if err := header.DecodeFromBytes(message); err != nil {
		return nil, unreadable(kind)
	}
	// Without room after its end, as GoBGP has it: where it reads too far depends on it.
	m, err = bgp.ParseBGPBody(&header, slices.Clip(message[bgp.BGP_HEADER_LENGTH:]))
	var orderly *bgp.MessageError
	switch {
	case m == nil, err != nil && !errors.As(err, &orderly): // GoBGP takes either for impossible
		return nil, unreadable(kind)
	case err != nil && orderly.ErrorHandling == bgp.ERROR_HANDLING_AFISAFI_DISABLE:
		// The other way that RFC 7606 §7.11 leaves: GoBGP would write to a map that it
		// reads elsewhere meanwhile, which ends a process.
		return nil, unreadable(kind)
	}
	switch body := m.Body.(type) {
	case *bgp.BGPOpen:
		if c := untold(body); c != nil {
			return nil, malformed(bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, 0, nil, "unreadable capability %d in its OPEN", c.Code())
		}
	case *bgp.BGPUpdate:
		if as4First(body) {
			return nil, unreadable(kind)
		}
	}
	return m, nil
}

// untold is a capability that GoBGP is not able to tell of, nil if there is none: a name
// that is not UTF-8, for one. It would find no peer to tell of, and not expect that.
func untold(open *bgp.BGPOpen) bgp.ParameterCapabilityInterface {
	for _, c := range capabilitiesIn(open) {
		data, err := c.Serialize()
		if err != nil {
			return c
		}
		again, _ := bgp.DecodeCapability(data) // whose error GoBGP passes over
		if _, err := apiutil.MarshalCapability(again); err != nil {
			return c
		}
	}
	return nil
}

func capabilitiesIn(open *bgp.BGPOpen) (list []bgp.ParameterCapabilityInterface) {
	for _, parameter := range open.OptParams {
		if capabilities, ok := parameter.(*bgp.OptionParameterCapability); ok {
			list = append(list, capabilities.Capability...)
		}
	}
	return list
}

// as4First tells whether AS4_PATH comes before AS_PATH. GoBGP takes AS4_PATH out, and
// looks for AS_PATH where it was before.
func as4First(update *bgp.BGPUpdate) bool {
	first := func(kind bgp.BGPAttrType) int {
		return slices.IndexFunc(update.PathAttributes, func(a bgp.PathAttributeInterface) bool { return a.GetType() == kind })
	}
	four := first(bgp.BGP_ATTR_TYPE_AS4_PATH)
	return four >= 0 && four < first(bgp.BGP_ATTR_TYPE_AS_PATH)
}

// stage is how far the opening of a session has come, by what the router has said.
type stage int

const (
	stageOpenSent stage = iota
	stageOpenConfirm
	stageEstablished
)

// after is the stage after a message of a type. The error is a *refusal: that there is
// an order in what is said GoBGP takes for granted (RFC 4271 §8.2.2, RFC 6608 §3).
func (s stage) after(kind uint8) (stage, error) {
	switch {
	case kind == bgp.BGP_MSG_NOTIFICATION:
		return s, nil
	case s == stageOpenSent && kind == bgp.BGP_MSG_OPEN:
		return stageOpenConfirm, nil
	case s == stageOpenConfirm && kind == bgp.BGP_MSG_KEEPALIVE:
		return stageEstablished, nil
	case s == stageEstablished && kind != bgp.BGP_MSG_OPEN:
		return s, nil
	}
	// The subcodes are the stages, from 1 on.
	return s, malformed(bgp.BGP_ERROR_FSM_ERROR, uint8(s)+1, []byte{kind}, "unexpected message of type %d", kind)
}

func unreadable(kind uint8) *refusal {
	switch kind {
	case bgp.BGP_MSG_OPEN:
		return malformed(bgp.BGP_ERROR_OPEN_MESSAGE_ERROR, 0, nil, "unreadable OPEN")
	case bgp.BGP_MSG_UPDATE:
		return malformed(bgp.BGP_ERROR_UPDATE_MESSAGE_ERROR, bgp.BGP_ERROR_SUB_MALFORMED_ATTRIBUTE_LIST, nil, "unreadable UPDATE")
	}
	return malformed(bgp.BGP_ERROR_CEASE, 0, nil, "unreadable message of type %d", kind)
}

// asnIn is the AS number of the router that sends an OPEN (RFC 6793 §4.1).
func asnIn(open *bgp.BGPOpen) uint32 {
	for _, c := range capabilitiesIn(open) {
		if four, ok := c.(*bgp.CapFourOctetASNumber); ok {
			return four.CapValue
		}
	}
	return uint32(open.MyAS)
}
