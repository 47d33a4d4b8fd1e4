package selftest

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// serve is the program of image lab/web: an HTTP server that names its pod,
// becomes unready while the file /data/unready exists, crashes when told to,
// and says so when it is asked to stop.
func serve(port string) {
	if os.Getenv("DIE") != "" {
		fmt.Println("dying as told")
		os.Exit(3)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		fmt.Println("SIGTERM: good bye")
		time.Sleep(100 * time.Millisecond)
		os.Exit(0)
	}()
	http.HandleFunc("/", func(rw http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(rw, "%s %s\n", os.Getenv("POD"), r.RemoteAddr)
	})
	http.HandleFunc("/ready", func(rw http.ResponseWriter, _ *http.Request) {
		if _, err := os.Stat("/data/unready"); err == nil {
			http.Error(rw, "unready", http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("/exit", func(http.ResponseWriter, *http.Request) { os.Exit(4) })
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening on", port)
	http.Serve(l, nil)
}
