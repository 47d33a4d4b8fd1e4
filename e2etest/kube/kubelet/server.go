package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// kubeletPort is where the API server looks for kubelets.
const kubeletPort = 10250

const streamIdle = 4 * time.Hour

// serve answers the API server: logs, exec, attach and port-forward. Clients
// must hold a certificate of the cluster's CA.
func (k *kubelet) serve(ctx context.Context) error {
	cert, err := tls.LoadX509KeyPair(filepath.Join(k.opts.Dir, "serving.crt"), filepath.Join(k.opts.Dir, "serving.key"))
	if err != nil {
		return fmt.Errorf("load the serving certificate: %w", err)
	}
	ca, err := os.ReadFile(filepath.Join(k.opts.Dir, "ca.crt"))
	if err != nil {
		return fmt.Errorf("load the CA: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	server := &http.Server{
		Handler:  k.handler(),
		ErrorLog: log.New(io.Discard, "", 0), // handshakes that fail are the client's matter
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{cert}, ClientCAs: pool,
			ClientAuth: tls.RequireAndVerifyClientCert, NextProtos: []string{"http/1.1"}, // SPDY upgrades HTTP/1.1
		},
	}
	failed := make(chan error, len(k.opts.NodeIPs))
	for _, ip := range k.opts.NodeIPs {
		listener, err := net.Listen("tcp", net.JoinHostPort(ip.String(), strconv.Itoa(kubeletPort)))
		if err != nil {
			return fmt.Errorf("serve logs and exec: %w", err)
		}
		go func() { failed <- server.ServeTLS(listener, "", "") }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return server.Close()
	}
}

func (k *kubelet) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") })
	mux.HandleFunc("/containerLogs/{ns}/{pod}/{container}", k.serveLogs)
	mux.HandleFunc("/exec/{ns}/{pod}/{container}", k.serveExec)
	mux.HandleFunc("/attach/{ns}/{pod}/{container}", k.serveAttach)
	mux.HandleFunc("/portForward/{ns}/{pod}", k.serveForward)
	return mux
}

// target finds the container that a request names, and answers if there is none.
func (k *kubelet) target(w http.ResponseWriter, req *http.Request) *container {
	ns, pod, name := req.PathValue("ns"), req.PathValue("pod"), req.PathValue("container")
	r := k.find(ns, pod)
	if r == nil {
		http.Error(w, fmt.Sprintf("pod %s/%s is not on this node", ns, pod), http.StatusNotFound)
		return nil
	}
	for _, c := range r.all() {
		if c.spec.Name == name {
			return c
		}
	}
	http.Error(w, fmt.Sprintf("no container %q in pod %s/%s", name, ns, pod), http.StatusNotFound)
	return nil
}

func (k *kubelet) serveLogs(w http.ResponseWriter, req *http.Request) {
	c := k.target(w, req)
	if c == nil {
		return
	}
	opts, err := parseLogOptions(req)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	runs := logNumbers(c.logDir())
	if req.URL.Query().Get("previous") == "true" {
		runs = runs[:max(0, len(runs)-1)]
		opts.follow = false
	}
	if len(runs) == 0 {
		text := fmt.Sprintf("container %q in pod %q has no such log", c.spec.Name, req.PathValue("pod"))
		http.Error(w, text, http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	path := filepath.Join(c.logDir(), strconv.Itoa(runs[len(runs)-1])+".log")
	begun := c.process()
	ended := func() bool { return req.Context().Err() != nil || begun == nil || c.process() != begun }
	if err := copyLog(flusher{w}, path, opts, ended); err != nil && !errors.Is(err, io.EOF) {
		k.log("cannot send the log", "pod", c.pod.name(), "err", err)
	}
}

// flusher sends each piece at once, for those who follow.
type flusher struct{ w http.ResponseWriter }

func (f flusher) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	http.NewResponseController(f.w).Flush()
	return n, err
}

func parseLogOptions(req *http.Request) (logOptions, error) {
	q := req.URL.Query()
	o := logOptions{tail: -1, follow: q.Get("follow") == "true", timestamps: q.Get("timestamps") == "true"}
	var err error
	if v := q.Get("tailLines"); v != "" {
		if o.tail, err = strconv.Atoi(v); err != nil {
			return o, fmt.Errorf("tailLines: %w", err)
		}
	}
	if v := q.Get("limitBytes"); v != "" {
		if o.limit, err = strconv.ParseInt(v, 10, 64); err != nil {
			return o, fmt.Errorf("limitBytes: %w", err)
		}
	}
	if v := q.Get("sinceSeconds"); v != "" {
		seconds, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return o, fmt.Errorf("sinceSeconds: %w", err)
		}
		o.since = time.Now().Add(-time.Duration(seconds) * time.Second)
	}
	if v := q.Get("sinceTime"); v != "" {
		if o.since, err = time.Parse(time.RFC3339, v); err != nil {
			return o, fmt.Errorf("sinceTime: %w", err)
		}
	}
	return o, nil
}
