package proxying

import (
	"fmt"
	"runtime"
)

// mostConns is how many connections a proxy has to bear.
const mostConns = 6000

// originConfig is that of the nginx behind the proxies, which never ends a
// connection.
func originConfig(dir string) string {
	return fmt.Sprintf(`daemon off;
user root;
worker_processes 1;
pid %[1]s/origin.pid;
error_log stderr;
events { worker_connections %[2]d; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  server { listen %[3]s backlog=4096; listen %[4]s backlog=4096; root %[1]s; }
}
`, dir, mostConns, origin1, origin2)
}

// nginxConfig is that of a reverse proxy as its manual has it: connections to
// endpoints are kept, those of clients do not end after some requests, workers have
// listeners of their own, and lines of the log are written many at a time. Its
// buffers hold the larger body, so that it writes none to a file.
func nginxConfig(dir string, s speech, log accessLog) string {
	how, also := "", ""
	if s.tls {
		how, also = "ssl http2", fmt.Sprintf("ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:10m; ssl_certificate %[1]s; ssl_certificate_key %[1]s;", identity(dir))
	}
	module, pass := "proxy", "proxy_pass http://origin; proxy_http_version 1.1; proxy_buffers 8 16k; proxy_read_timeout 1h;"+
		" proxy_set_header Connection $hop; proxy_set_header Upgrade $http_upgrade;"
	if s.grpc {
		module, pass = "grpc", "grpc_pass grpc://origin;"
	}
	return fmt.Sprintf(`daemon off;
user root;
worker_processes %d;
pid %s/nginx.pid;
error_log stderr;
events { worker_connections %d; }
http {
  access_log %s combined buffer=64k flush=1s;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000000;
  map $http_upgrade $hop { default upgrade; "" ""; }
  upstream origin {
    server %s;
    server %s;
    keepalive 256;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
  }
  server {
    listen %s %s reuseport backlog=4096;
    %s
    location / {
      %s
      %[11]s_set_header Host $http_host;
      %[11]s_set_header X-Forwarded-For $remote_addr;
      %[11]s_set_header X-Forwarded-Proto $scheme;
      %[11]s_set_header X-Forwarded-Host $http_host;
      %[11]s_set_header X-Forwarded-Port $server_port;
      %[11]s_set_header X-Real-Ip $remote_addr;
      %[11]s_set_header X-Request-Id $request_id;
    }
  }
}
`, runtime.NumCPU(), dir, mostConns, log, origin1, origin2, nginxAt, how, also, pass, module)
}

// haproxyConfig is that of a reverse proxy as its manual has it: threads have
// listeners of their own, connections to endpoints are shared, and bodies are
// spliced where HAProxy thinks that it pays. It writes its log to its standard
// output, line by line: to a file it has no other way.
func haproxyConfig(dir string, s speech) string {
	how := ""
	if s.tls {
		how = "ssl crt " + identity(dir) + " alpn h2,http/1.1"
	}
	speaks := ""
	if s.grpc {
		speaks = " proto h2"
	}
	return fmt.Sprintf(`global
  nbthread %d
  maxconn %d
  log stdout format raw local0 info
defaults
  mode http
  log global
  option httplog
  option dontlognull
  option splice-auto
  option forwardfor
  http-reuse aggressive
  timeout connect 3s
  timeout client 75s
  timeout server 60s
  timeout tunnel 1h
frontend clients
  bind %s %s shards by-thread backlog 4096
  http-request set-header X-Forwarded-Proto %%[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %%[req.hdr(host)]
  http-request set-header X-Forwarded-Port %%[dst_port]
  http-request set-header X-Real-Ip %%[src]
  http-request set-header X-Request-Id %%[uuid()]
  default_backend origin
backend origin
  balance roundrobin
  server one %[5]s%[7]s
  server two %[6]s%[7]s
`, runtime.NumCPU(), mostConns, haproxyAt, how, origin1, origin2, speaks)
}

// caddyConfig is that of a reverse proxy that keeps as many connections to endpoints
// as it has clients. X-Forwarded-For, -Proto and -Host are its default.
func caddyConfig(dir string, s speech, log accessLog) string {
	scheme, also := "http", ""
	if s.tls {
		scheme, also = "https", fmt.Sprintf("tls %[1]s %[1]s", identity(dir))
	}
	transport := "keepalive_idle_conns_per_host 256"
	if s.grpc {
		transport = "versions h2c 2"
	}
	return fmt.Sprintf(`{
	admin off
	auto_https off
	log {
		level ERROR
	}
}
%s://%s {
	%s
	log {
		output file %s {
			roll_disabled
		}
	}
	reverse_proxy %s %s {
		lb_policy round_robin
		transport http {
			%s
		}
		header_up X-Forwarded-Port {http.request.port}
		header_up X-Real-Ip {http.request.remote.host}
		header_up X-Request-Id {http.request.uuid}
	}
}
`, scheme, caddyAt, also, log, origin1, origin2, transport)
}
