package daemon

import (
	"fmt"
	"io"

	"github.com/go-kit/log"
	"github.com/go-kit/log/level"
)

// NewLogger makes a logger that writes lines of format "logfmt" or "json" to w
// and drops what is below lvl: "debug", "info", "warn", "error" or "none".
func NewLogger(w io.Writer, format, lvl string) (log.Logger, error) {
	allow, ok := map[string]level.Option{
		"all": level.AllowAll(), "debug": level.AllowDebug(), "info": level.AllowInfo(),
		"warn": level.AllowWarn(), "error": level.AllowError(), "none": level.AllowNone(),
	}[lvl]
	if !ok {
		return nil, fmt.Errorf("log level %q: use debug, info, warn, error or none", lvl)
	}
	w = log.NewSyncWriter(w)
	var logger log.Logger
	switch format {
	case "logfmt":
		logger = log.NewLogfmtLogger(w)
	case "json":
		logger = log.NewJSONLogger(w)
	default:
		return nil, fmt.Errorf("log format %q: use logfmt or json", format)
	}
	logger = level.NewFilter(logger, allow)
	return log.With(logger, "ts", log.DefaultTimestampUTC, "caller", log.DefaultCaller), nil
}
