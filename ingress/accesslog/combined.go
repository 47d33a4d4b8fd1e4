package accesslog

import "strconv"

func appendCombined(dst []byte, r *Record) []byte {
	dst = appendAddr(dst, r)
	dst = append(dst, " - - ["...)
	dst = r.Time.AppendFormat(dst, "02/Jan/2006:15:04:05 -0700")
	dst = append(dst, `] "`...)
	dst = appendEscaped(dst, r.Method)
	dst = append(dst, ' ')
	dst = appendEscaped(dst, r.Target)
	dst = append(append(dst, ' '), r.Protocol.String()...)
	dst = strconv.AppendInt(append(dst, `" `...), int64(r.Status), 10)
	dst = strconv.AppendInt(append(dst, ' '), r.Sent, 10)
	dst = appendOr(append(dst, ` "`...), r.Referer)
	dst = appendOr(append(dst, `" "`...), r.Agent)
	return append(dst, '"')
}

// appendOr appends a value, or a dash for none.
func appendOr(dst, value []byte) []byte {
	if len(value) == 0 {
		return append(dst, '-')
	}
	return appendEscaped(dst, value)
}
