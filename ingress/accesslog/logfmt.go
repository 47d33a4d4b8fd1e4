package accesslog

import (
	"strconv"
	"time"
)

func appendLogfmt(dst []byte, r *Record) []byte {
	dst = append(dst, "level=info ts="...)
	dst = r.Time.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, " shell=access msg=request peer="...)
	dst = appendAddr(dst, r)
	dst = appendPair(dst, " method=", r.Method)
	dst = appendPair(dst, " host=", r.Host)
	dst = appendPair(dst, " path=", r.Target)
	dst = append(append(dst, " proto="...), r.Protocol.String()...)
	if r.Secure {
		dst = append(dst, " tls=true"...)
	}
	dst = strconv.AppendInt(append(dst, " code="...), int64(r.Status), 10)
	dst = strconv.AppendInt(append(dst, " bytes="...), r.Sent, 10)
	dst = appendMillis(append(dst, " ms="...), r.Took)
	dst = appendPair(dst, " id=", r.ID)
	if r.Rule != "" {
		dst = appendPair(dst, " ingress=", r.Rule)
	}
	if r.Pool != "" {
		dst = appendPair(dst, " svc=", r.Pool)
	}
	if r.Backend != "" {
		dst = append(append(dst, " addr="...), r.Backend...)
		dst = strconv.AppendInt(append(dst, " attempts="...), int64(r.Tries), 10)
	}
	if r.Fault != "" {
		dst = appendPair(dst, " err=", r.Fault)
	}
	return dst
}

// appendPair appends a key, its equals sign included, and a value in quotes if it
// needs them.
func appendPair[T text](dst []byte, key string, value T) []byte {
	dst = append(dst, key...)
	if isPlain(value) {
		return append(dst, value...)
	}
	return appendQuoted(dst, value)
}

func appendAddr(dst []byte, r *Record) []byte {
	if !r.Client.IsValid() {
		return append(dst, '-')
	}
	return r.Client.AppendTo(dst)
}

// appendMillis appends a time in milliseconds, with three digits of a fraction.
func appendMillis(dst []byte, d time.Duration) []byte {
	us := max(0, d.Microseconds())
	dst = strconv.AppendInt(dst, us/1000, 10)
	f := us % 1000
	return append(dst, '.', byte('0'+f/100), byte('0'+f/10%10), byte('0'+f%10))
}
