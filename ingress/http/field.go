package http

// Field is one field line. Its slices are of the buffer that it was read from.
type Field struct {
	Name, Value []byte // as they came; no blanks around the value
	ID          ID     // which field it is, of those known here
	hop         bool   // a Connection field names it: it is for us alone
}

// NewField is a field to be sent, whose slices are the caller's.
func NewField(name, value []byte) Field {
	id, _ := identify(name)
	return Field{Name: name, Value: value, ID: id}
}

// Named tells whether a field has this name, in upper case or lower.
func (f *Field) Named(name []byte) bool { return sameFold(f.Name, name) }

// ID names a field that matters here; [Other] is every other one.
type ID uint8

// The fields that matter.
const (
	Other ID = iota
	Connection
	ContentLength
	Date
	Expect
	Forwarded
	Host
	HTTP2Settings
	KeepAlive
	Proxy
	ProxyAuthenticate
	ProxyAuthorization
	ProxyConnection
	Referer
	ServerName // the field Server
	TE
	TransferEncoding
	Upgrade
	UserAgent
	XForwardedFor
	XForwardedHost
	XForwardedPort
	XForwardedPrefix
	XForwardedProto
	XRealIP
	XRequestID
)

// Set is a set of fields.
type Set uint64

// SetOf is the set of these.
func SetOf(ids ...ID) (s Set) {
	for _, id := range ids {
		s |= 1 << id
	}
	return s
}

// Has tells whether id is in the set; [Other] is in none.
func (s Set) Has(id ID) bool { return s>>id&1 != 0 }

// ours are the fields that end at this hop, or that we write ourselves from what
// was understood of them (RFC 9110 section 7.6.1). Proxy would be taken for the
// variable HTTP_PROXY by CGI programs.
const ours = Set(1<<Connection | 1<<ContentLength | 1<<Expect | 1<<Host | 1<<HTTP2Settings | 1<<KeepAlive |
	1<<Proxy | 1<<ProxyAuthenticate | 1<<ProxyAuthorization | 1<<ProxyConnection | 1<<TE | 1<<TransferEncoding | 1<<Upgrade)

// once are the fields that must not come twice, because two readers might
// choose differently.
const once = Set(1<<ContentLength | 1<<Host | 1<<TransferEncoding)

// known lists the fields by the length of their names, in lower case.
var known = byLength(map[ID]string{
	Connection: "connection", ContentLength: "content-length", Date: "date", Expect: "expect",
	Forwarded: "forwarded", Host: "host", HTTP2Settings: "http2-settings", KeepAlive: "keep-alive",
	Proxy: "proxy", ProxyAuthenticate: "proxy-authenticate", ProxyAuthorization: "proxy-authorization",
	ProxyConnection: "proxy-connection", Referer: "referer", ServerName: "server", TE: "te", TransferEncoding: "transfer-encoding",
	Upgrade: "upgrade", UserAgent: "user-agent", XForwardedFor: "x-forwarded-for", XForwardedHost: "x-forwarded-host",
	XForwardedPort: "x-forwarded-port", XForwardedPrefix: "x-forwarded-prefix", XForwardedProto: "x-forwarded-proto", XRealIP: "x-real-ip",
	XRequestID: "x-request-id",
})

type named struct {
	name string
	id   ID
}

func byLength(names map[ID]string) (t [20][]named) {
	for id := ID(1); int(id) <= len(names); id++ { // in order, so that look-ups are the same in every run
		n := names[id]
		t[len(n)] = append(t[len(n)], named{n, id})
	}
	return t
}

// identify tells which field a name is. Underscored are names that programs that
// read fields from environment variables could not tell from a known one.
func identify(name []byte) (id ID, underscored bool) {
	if len(name) >= len(known) {
		return Other, false
	}
	for _, k := range known[len(name)] {
		if name[0]|0x20 != k.name[0] {
			continue
		}
		if same, underscored := fold(name, k.name); same {
			return k.id, underscored
		}
	}
	return Other, false
}
