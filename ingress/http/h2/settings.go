package h2

import "encoding/binary"

// The settings (RFC 9113 section 6.5.2, RFC 8441 section 3).
const (
	settingTableSize       = 1
	settingPush            = 2
	settingStreams         = 3
	settingWindow          = 4
	settingFrameSize       = 5
	settingListSize        = 6
	settingExtendedConnect = 8
)

type setting struct {
	id    uint16
	value uint32
}

func appendSettings(dst []byte, list ...setting) []byte {
	dst = header{uint32(6 * len(list)), typeSettings, 0, 0}.append(dst)
	for _, s := range list {
		dst = binary.BigEndian.AppendUint16(dst, s.id)
		dst = binary.BigEndian.AppendUint32(dst, s.value)
	}
	return dst
}

// settings are what the other side said.
type settings struct {
	table    uint32 // of our encoder
	least    uint32 // that table was in between, while they were read
	streams  uint32 // most that we may open at once
	window   uint32 // of a new stream
	extended bool   // extended CONNECT
}

// startSettings are in force until something is said.
func startSettings() settings {
	return settings{table: 4096, streams: maxStream, window: startWindow}
}

// take reads the payload of a SETTINGS frame. Of settings that come more than
// once the last counts; all have to be valid.
func (s *settings) take(payload []byte, fromServer bool) *Error {
	s.least = s.table
	for ; len(payload) > 0; payload = payload[6:] {
		v := binary.BigEndian.Uint32(payload[2:])
		switch binary.BigEndian.Uint16(payload) {
		case settingTableSize:
			s.table, s.least = v, min(s.least, v)
		case settingPush:
			if v > 1 || v == 1 && fromServer {
				return &Error{ProtocolError, "SETTINGS_ENABLE_PUSH is neither 0 nor a client's 1"}
			}
		case settingStreams:
			s.streams = v
		case settingWindow:
			if v > maxWindow {
				return &Error{FlowControlError, "SETTINGS_INITIAL_WINDOW_SIZE is too great"}
			}
			s.window = v
		case settingFrameSize:
			if v < maxFrame || v > 1<<24-1 { // we send none that is larger than the least
				return &Error{ProtocolError, "SETTINGS_MAX_FRAME_SIZE is out of bounds"}
			}
		case settingExtendedConnect:
			if v > 1 || v == 0 && s.extended {
				return &Error{ProtocolError, "SETTINGS_ENABLE_CONNECT_PROTOCOL is neither 0 nor 1, or taken back"}
			}
			s.extended = v == 1
		}
	}
	return nil
}
