#!/usr/bin/env bash
# Builds the binary kcp at the path given, by default bin/kcp of the repository.
# The first build compiles Kubernetes (7 to 10 minutes on two cores), later ones
# link only. Use the same flags for tests: other flags fill another build cache.
set -euo pipefail
cd "$(dirname "$0")"
out=${1:-../../bin/kcp}
mkdir -p "$(dirname "$out")"
version=$(go list -m -f '{{.Version}}' k8s.io/kubernetes)
minor=${version#v1.}
v=k8s.io/component-base/version
CGO_ENABLED=0 go build -v -p 2 -trimpath -gcflags=all=-dwarf=false \
	-ldflags "-s -w -X $v.gitVersion=$version -X $v.gitMajor=1 -X $v.gitMinor=${minor%%.*}" \
	-o "$out.new" ./cmd/kcp 2>&1 |
	awk '/^[^ :]+$/ {if (++n % 200 == 0) {print "  " n " packages of about 2600 compiled"; fflush()} next} {print}'
mv "$out.new" "$out"
