package config

import (
	"fmt"
	"strings"
)

// Template is text with variables of a request in it.
type Template []TemplatePart

// TemplatePart is some text, and the variable after it; "" is none.
type TemplatePart struct {
	Text string
	Then Variable
}

// Variable is a part of a request, by the name that nginx gives it.
type Variable string

// The variables that there are.
const (
	VarScheme        Variable = "scheme"         // http or https
	VarHost          Variable = "host"           // without the port
	VarHTTPHost      Variable = "http_host"      // with it
	VarRequestURI    Variable = "request_uri"    // path and query as the client sent them
	VarURI           Variable = "uri"            // the path in normal form
	VarArgs          Variable = "args"           // the query
	VarIsArgs        Variable = "is_args"        // ? if there is a query, else nothing
	VarRequestMethod Variable = "request_method" // such as GET
	VarRemoteAddr    Variable = "remote_addr"    // of the client
)

// variables are the names of all, with those that mean the same.
var variables = map[string]Variable{
	"scheme": VarScheme, "host": VarHost, "server_name": VarHost, "http_host": VarHTTPHost, "best_http_host": VarHTTPHost,
	"request_uri": VarRequestURI, "uri": VarURI, "document_uri": VarURI, "args": VarArgs, "query_string": VarArgs,
	"is_args": VarIsArgs, "request_method": VarRequestMethod, "remote_addr": VarRemoteAddr,
}

// ParseTemplate reads text with variables such as $host or ${host}. The error
// names one that there is not.
func ParseTemplate(text string) (Template, error) {
	var out Template
	for text != "" {
		before, after, found := strings.Cut(text, "$")
		if !found {
			return append(out, TemplatePart{Text: text}), nil
		}
		name, rest := cutName(after)
		v, known := variables[name]
		if !known {
			return nil, fmt.Errorf("there is no variable $%s", name)
		}
		out, text = append(out, TemplatePart{before, v}), rest
	}
	return out, nil
}

// cutName takes the name of a variable off the front of text.
func cutName(text string) (name, rest string) {
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		if name, rest, ok = strings.Cut(inner, "}"); ok {
			return name, rest
		}
	}
	end := strings.IndexFunc(text, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9')
	})
	if end < 0 {
		end = len(text)
	}
	return text[:end], text[end:]
}
