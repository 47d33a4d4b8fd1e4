package bgp

import "fmt"

// errorNames are the NOTIFICATION error codes of RFC 4271 §4.5.
var errorNames = map[uint8]string{
	1: "message header error", 2: "OPEN message error", 3: "UPDATE message error",
	4: "hold timer expired", 5: "finite state machine error", 6: "cease",
	7: "ROUTE-REFRESH message error",
}

// subcodeNames are the subcodes worth words: of OPEN (RFC 4271 §6.2) and of
// Cease (RFC 4486, RFC 8538, RFC 9384).
var subcodeNames = map[[2]uint8]string{
	{2, 1}: "unsupported version number", {2, 2}: "bad peer AS", {2, 3}: "bad BGP identifier",
	{2, 4}: "unsupported optional parameter", {2, 6}: "unacceptable hold time", {2, 7}: "unsupported capability",
	{6, 1}: "maximum number of prefixes reached", {6, 2}: "administrative shutdown", {6, 3}: "peer de-configured",
	{6, 4}: "administrative reset", {6, 5}: "connection rejected", {6, 6}: "other configuration change",
	{6, 7}: "connection collision resolution", {6, 8}: "out of resources", {6, 9}: "hard reset", {6, 10}: "BFD down",
}

// notificationText puts an error code and subcode into words.
func notificationText(code, sub uint8) string {
	if code == 6 {
		if name, ok := subcodeNames[[2]uint8{code, sub}]; ok {
			return name
		}
	}
	name, ok := errorNames[code]
	if !ok {
		return fmt.Sprintf("error %d/%d", code, sub)
	}
	if detail, ok := subcodeNames[[2]uint8{code, sub}]; ok {
		return name + ": " + detail
	}
	if sub != 0 {
		return fmt.Sprintf("%s %d/%d", name, code, sub)
	}
	return name
}
