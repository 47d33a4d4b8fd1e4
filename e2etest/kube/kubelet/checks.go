package kubelet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// port resolves a number or the name of a container port.
func port(p intstr.IntOrString, ports []v1.ContainerPort) (string, error) {
	if p.Type == intstr.Int {
		return strconv.Itoa(int(p.IntVal)), nil
	}
	for _, known := range ports {
		if known.Name == p.StrVal {
			return strconv.Itoa(int(known.ContainerPort)), nil
		}
	}
	if _, err := strconv.Atoi(p.StrVal); err == nil {
		return p.StrVal, nil
	}
	return "", fmt.Errorf("no container port named %q", p.StrVal)
}

// httpCheck counts every status from 200 to 399 as success. Certificates are
// not verified: probes go to addresses, not to names.
func httpCheck(ctx context.Context, a *v1.HTTPGetAction, ports []v1.ContainerPort, host string) error {
	number, err := port(a.Port, ports)
	if err != nil {
		return err
	}
	if a.Host != "" {
		host = a.Host
	}
	target, err := url.Parse(a.Path)
	if err != nil {
		target = &url.URL{Path: a.Path}
	}
	target.Scheme, target.Host = "http", net.JoinHostPort(host, number)
	if a.Scheme == v1.URISchemeHTTPS {
		target.Scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return err
	}
	req.Header.Set("User-Agent", "kube-probe/1.36")
	req.Header.Set("Accept", "*/*")
	for _, h := range a.HTTPHeaders {
		if http.CanonicalHeaderKey(h.Name) == "Host" {
			req.Host = h.Value
		}
		req.Header.Add(h.Name, h.Value)
	}
	return answers(req)
}

func answers(req *http.Request) error {
	transport := &http.Transport{
		DisableKeepAlives: true, // each probe tests a new connection
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	}
	client := &http.Client{Transport: transport, CheckRedirect: func(next *http.Request, via []*http.Request) error {
		if next.URL.Hostname() != via[0].URL.Hostname() || len(via) > 10 {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	if resp.StatusCode < 200 || resp.StatusCode >= 400 {
		return fmt.Errorf("HTTP probe failed with statuscode: %d: %s", resp.StatusCode, body)
	}
	return nil
}

func tcpCheck(ctx context.Context, a *v1.TCPSocketAction, ports []v1.ContainerPort, host string) error {
	number, err := port(a.Port, ports)
	if err != nil {
		return err
	}
	if a.Host != "" {
		host = a.Host
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, number))
	if err != nil {
		return err
	}
	return conn.Close()
}

// grpcCheck asks the standard health service.
func grpcCheck(ctx context.Context, a *v1.GRPCAction, host string) error {
	target := "passthrough:///" + net.JoinHostPort(host, strconv.Itoa(int(a.Port)))
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	service := ""
	if a.Service != nil {
		service = *a.Service
	}
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: service})
	if err != nil {
		return err
	}
	if answer.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		return errors.New("service unhealthy (responded with \"" + answer.Status.String() + "\")")
	}
	return nil
}
