package kubelet

import "strings"

// expand replaces $(NAME) by the variable's value. $$ stands for one dollar
// sign, and what names no known variable stays as it is written.
func expand(text string, vars map[string]string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '$' || i+1 == len(text) {
			out.WriteByte(text[i])
			continue
		}
		switch text[i+1] {
		case '$':
			out.WriteByte('$')
			i++
		case '(':
			end := strings.IndexByte(text[i+2:], ')')
			if end < 0 {
				out.WriteString(text[i:])
				return out.String()
			}
			name := text[i+2 : i+2+end]
			if value, ok := vars[name]; ok {
				out.WriteString(value)
			} else {
				out.WriteString(text[i : i+3+end])
			}
			i += 2 + end
		default:
			out.WriteByte('$')
		}
	}
	return out.String()
}

func expandAll(texts []string, vars map[string]string) []string {
	out := make([]string, len(texts))
	for i, text := range texts {
		out[i] = expand(text, vars)
	}
	return out
}
