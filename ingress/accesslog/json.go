package accesslog

import (
	"strconv"
	"time"
)

func appendJSON(dst []byte, r *Record) []byte {
	dst = append(dst, `{"level":"info","ts":"`...)
	dst = r.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, `","shell":"access","msg":"request","peer":"`...)
	dst = appendAddr(dst, r)
	dst = append(dst, '"')
	dst = appendMember(dst, `,"method":`, r.Method)
	dst = appendMember(dst, `,"host":`, r.Host)
	dst = appendMember(dst, `,"path":`, r.Target)
	dst = append(append(dst, `,"proto":"`...), r.Protocol.String()...)
	dst = strconv.AppendBool(append(dst, `","tls":`...), r.Secure)
	dst = strconv.AppendInt(append(dst, `,"code":`...), int64(r.Status), 10)
	dst = strconv.AppendInt(append(dst, `,"bytes":`...), r.Sent, 10)
	dst = appendMillis(append(dst, `,"ms":`...), r.Took)
	dst = appendMember(dst, `,"id":`, r.ID)
	dst = appendMember(dst, `,"agent":`, r.Agent)
	dst = appendMember(dst, `,"referer":`, r.Referer)
	dst = appendMember(dst, `,"ingress":`, r.Rule)
	dst = appendMember(dst, `,"svc":`, r.Pool)
	dst = appendMember(dst, `,"addr":`, r.Backend)
	dst = strconv.AppendInt(append(dst, `,"attempts":`...), int64(r.Tries), 10)
	dst = appendMember(dst, `,"err":`, r.Fault)
	return append(dst, '}')
}

// appendMember appends a member with its colon, unless its value is empty.
func appendMember[T text](dst []byte, key string, value T) []byte {
	if len(value) == 0 {
		return dst
	}
	return appendQuoted(append(dst, key...), value)
}
