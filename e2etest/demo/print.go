package demo

import (
	"fmt"
	"time"
)

func (d *Demo) bold(text string) string { return d.paint("1", text) }

func (d *Demo) paint(code, text string) string {
	if !d.Colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// width of the text column, so that figures stand below each other.
const width = 68

// saw tells something that was seen and is as it must be, with its time.
func (d *Demo) saw(what string, took time.Duration) {
	fmt.Fprintf(d.Out, "  %s %-*s %s\n", d.paint("32", "✓"), width, what, d.paint("2", figure(took)))
}

// fact tells something that was seen and has no time of its own.
func (d *Demo) fact(format string, args ...any) {
	fmt.Fprintf(d.Out, "  %s %s\n", d.paint("32", "✓"), fmt.Sprintf(format, args...))
}

// tell says what is being done.
func (d *Demo) tell(what string) { fmt.Fprintf(d.Out, "  %s\n", d.paint("2", "$ "+what)) }

func (d *Demo) fail(err error) { fmt.Fprintf(d.Out, "  %s %v\n", d.paint("31", "✗"), err) }

// figure writes a duration with as many digits as mean something.
func figure(d time.Duration) string {
	switch {
	case d >= 10*time.Second:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d >= time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d >= 10*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	default:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
}
