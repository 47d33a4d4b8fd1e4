package proxying

import "time"

// watcher looks at a proxy's memory from time to time.
type watcher struct{ stop, most chan float64 }

// watch begins to look at a proxy's memory; somebody has to end it.
func watch(p *proxy) watcher {
	w := watcher{make(chan float64), make(chan float64)}
	go func() {
		most := 0.0
		for {
			if now, err := p.Share(); err == nil { // or the proxy is gone, which others notice
				most = max(most, now)
			}
			select {
			case <-w.stop:
				w.most <- most
				return
			case <-time.After(250 * time.Millisecond):
			}
		}
	}()
	return w
}

// end returns the most that there was, in MB.
func (w watcher) end() float64 {
	close(w.stop)
	return <-w.most
}
