package scenario

import (
	"fmt"
	"time"
)

// api stop|start|kill|pause|resume: do that to the API server; after start and
// resume it answers again. api slow DURATION: every request to it arrives so much
// later, until api fast.
func api(r *run, args []string) error {
	if len(args) == 2 && args[0] == "slow" {
		return r.slowAPI(args[1])
	}
	if len(args) != 1 {
		return usage("api stop|start|kill|pause|resume|slow DURATION|fast")
	}
	back := map[string]string{"stop": "start", "kill": "start", "pause": "resume"}
	switch undo, ok := back[args[0]]; {
	case ok:
		if err := r.w.Cluster.Control(args[0], "kube-apiserver"); err != nil {
			return err
		}
		r.undo = append(r.undo, func() error { return r.w.Cluster.Revive(r.ctx, undo) })
		return nil
	case args[0] == "start", args[0] == "resume":
		return r.w.Cluster.Revive(r.ctx, args[0])
	case args[0] == "fast" && r.fastAPI != nil:
		return r.fastAPI()
	}
	return usage(fmt.Sprintf("api %s: unknown, or not in that state", args[0]))
}

func (r *run) slowAPI(text string) error {
	delay, err := time.ParseDuration(text)
	if err != nil {
		return usage(err.Error())
	}
	if r.fastAPI, err = r.w.Cluster.Slow(delay); err != nil {
		return err
	}
	r.undo = append(r.undo, r.fastAPI)
	return nil
}
