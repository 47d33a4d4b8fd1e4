package selftest

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

// serve is the program of image lab/web: an HTTP server that names its pod,
// becomes unready while the file /data/unready exists, crashes when told to,
// and says so when it is asked to stop. With GRPC it serves the standard health
// service on that port, too.
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
	if port := os.Getenv("GRPC"); port != "" {
		go serveHealth(port)
	}
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("listening on", port)
	http.Serve(l, nil)
}

// health knows the whole server, named "", and the service ready, which ends like
// /ready of the HTTP server.
type health struct {
	grpc_health_v1.UnimplementedHealthServer
}

func (health) Check(_ context.Context, r *grpc_health_v1.HealthCheckRequest) (*grpc_health_v1.HealthCheckResponse, error) {
	answer := &grpc_health_v1.HealthCheckResponse{Status: grpc_health_v1.HealthCheckResponse_SERVING}
	switch r.Service {
	case "":
		return answer, nil
	case "ready":
		if _, err := os.Stat("/data/unready"); err == nil {
			answer.Status = grpc_health_v1.HealthCheckResponse_NOT_SERVING
		}
		return answer, nil
	}
	return nil, status.Error(codes.NotFound, "unknown service")
}

func serveHealth(port string) {
	l, err := net.Listen("tcp", ":"+port)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	server := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(server, health{})
	server.Serve(l)
}
