# Steelyard. `make help` lists what there is.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
GO      ?= go
# Two heavy compilers at once are as many as a small machine bears.
JOBS    ?= 2
KUBE    := v1.36.3

export CGO_ENABLED ?= 0
SLIM    := -trimpath -ldflags "-s -w"
# The control plane is compiled with these very flags everywhere, so that its
# build cache is shared by build, vet and test; see e2etest/kube/build.sh.
KCPFLAGS := -p $(JOBS) -trimpath -gcflags=all=-dwarf=false

# Debian packages that tests and the demo use. The demo can do without the WISHES:
# where FRR cannot be had it uses a router made with GoBGP.
PACKAGES := nftables frr bird2 curl
WISHES   :=
demo: PACKAGES := nftables curl
demo: WISHES   := frr

SHELL   := bash

.PHONY: help build lab-tools demo test unit e2e test-kernel check format vet lint generated chart bench gobench fuzz soak generate deps clean
help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

build: bin/steelyard ## build the product

.PHONY: bin/steelyard bin/kcp bin/helm bin/pebble bin/lab bin/hello bin/bench bin/bgp.test bin/nft.test bin/engine.test
bin/steelyard:
	@echo "building steelyard"
	@$(GO) build -p $(JOBS) -trimpath -ldflags "-s -w -X main.version=$(VERSION)" -o $@ .
bin/kcp:
	@echo "building kcp: etcd and Kubernetes $(KUBE) in one binary (about 8 minutes the first time, seconds later)"
	@e2etest/kube/build.sh $(CURDIR)/$@
bin/helm:
	@echo "building helm"
	@cd e2etest/helm && $(GO) build -p $(JOBS) $(SLIM) -o ../../$@ helm.sh/helm/v3/cmd/helm
bin/pebble:
	@echo "building pebble, an ACME server"
	@cd e2etest/pebble && $(GO) build -p $(JOBS) $(SLIM) -o ../../$@ github.com/letsencrypt/pebble/v2/cmd/pebble
bin/lab bin/hello bin/bench:
	@echo "building $(@F)"
	@cd e2etest && $(GO) build -p $(JOBS) $(SLIM) -o ../$@ ./cmd/$(@F)

# A speaker without Kubernetes, for the bench: see speaker/bgp/main_linux_test.go.
bin/bgp.test:
	@echo "building bgp.test"
	@$(GO) test -c -p $(JOBS) $(SLIM) -o $@ ./speaker/bgp

# A forwarder without Kubernetes, for the bench: see l4proxy/nft/main_linux_test.go.
bin/nft.test:
	@echo "building nft.test"
	@$(GO) test -c -p $(JOBS) $(SLIM) -o $@ ./l4proxy/nft

# The HTTP engine by itself, for the bench: see docs/engine.md.
bin/engine.test:
	@echo "building engine.test"
	@$(GO) test -c -p $(JOBS) $(SLIM) -o $@ ./ingress/engine

lab-tools: deps bin/steelyard bin/hello bin/helm bin/pebble bin/lab bin/kcp ## build all that the lab needs

demo: lab-tools ## walk from external address to pod on a real cluster (ARGS=--exit ends after the walk)
	@bin/lab demo $(ARGS)

test: ## unit tests with the race detector, then scenarios in the lab, one summary
	@rm -rf .test && mkdir .test && begin=$$SECONDS; rc=0; \
	for stage in unit e2e; do \
		$(MAKE) --no-print-directory $$stage 2>&1 | tee .test/$$stage.log; \
		[ $${PIPESTATUS[0]} = 0 ] || rc=1; \
	done; \
	echo; echo "summary of $$((SECONDS - begin)) s"; \
	awk '/^ok  \t/ {ok++} /^FAIL\t/ {bad++; print "  FAIL " $$2} END {printf "packages: %d passed, %d failed\n", ok, bad}' .test/*.log; \
	awk '/^  ok    / {ok++} /^  FAIL  / {bad++; print} END {printf "scenarios: %d passed, %d failed\n", ok, bad; exit !ok}' .test/e2e.log || rc=1; \
	[ $$rc = 0 ] && echo "all tests passed" || { echo "some tests failed"; exit 1; }

UNITFLAGS ?= -count=1
unit: deps
	@echo "unit tests, race detector on"
	@rc=0; CGO_ENABLED=1 $(GO) test -p $(JOBS) -race $(UNITFLAGS) $$($(GO) list ./... | grep -vE '/speaker/(bfd|member|pulse)$$') || rc=1; \
	echo "the tests of liveness, which need the processors for themselves"; \
	CGO_ENABLED=1 $(GO) test -p 1 -race $(UNITFLAGS) ./speaker/bfd ./speaker/member ./speaker/pulse || rc=1; exit $$rc
	@echo "the test that GoBGP's own variables keep from the race detector (speaker/bgp/plans_test.go)"
	@$(GO) test $(UNITFLAGS) -run '^TestSpeakerFollowsPlans$$' ./speaker/bgp

e2e: lab-tools
	@rc=0; echo "the lab's own Kubernetes"; \
	(cd e2etest/kube && $(GO) test -vet=off $(KCPFLAGS) $(UNITFLAGS) ./...) || rc=1; \
	echo "scenarios in the lab"; \
	(cd e2etest && $(GO) test -trimpath -count=1 -timeout 40m) || rc=1; \
	echo "certificates by ACME, from Pebble"; \
	(cd e2etest/pebble && $(GO) test $(UNITFLAGS) ./...) || rc=1; \
	(cd e2etest && $(GO) test -p 1 -trimpath -count=1 $$($(GO) list ./... | grep -v '/e2etest$$')) || rc=1; \
	exit $$rc

# Tests with the build tag testkernel need what this host's kernel may lack. They
# run under Debian's kernel in QEMU, which emulates: no privilege is needed. The
# unpacked kernel is kept in the user's cache.
KERNELTESTS ?=
test-kernel: PACKAGES := qemu-system-x86 kmod busybox-static xz-utils frr bird2
test-kernel: deps ## tests of VLANs, bonds, VRFs and what else this kernel may lack, in a second one (KERNELTESTS="PACKAGE...")
	@e2etest/kernel/test.sh $(KERNELTESTS)

check: format vet lint generated chart ## format, vet, lint, generated files, chart
	@echo "all checks passed"

format:
	@out=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$out" ]; then echo "not gofmt-ed:"; echo "$$out"; exit 1; fi
vet:
	@$(GO) vet -p $(JOBS) -tags testkernel ./...
	@cd e2etest && $(GO) vet -p $(JOBS) -trimpath ./...
	@cd e2etest/kube && $(GO) vet $(KCPFLAGS) ./...
	@cd e2etest/pebble && $(GO) vet -p $(JOBS) ./...
lint:
	@bin=$$(cd tools && $(GO) tool -n staticcheck) && "$$bin" -tags testkernel ./...

CONTROLLERGEN = $$(cd tools && $(GO) tool -n controller-gen)
generate: ## write deepcopy functions and the chart's CRDs from the Go types
	@$(CONTROLLERGEN) object paths=./config/v1beta1/...
	@$(CONTROLLERGEN) crd paths=./config/v1beta1/... output:crd:dir=charts/steelyard/files/crds
generated:
	@rm -rf .generated && mkdir -p .generated && trap 'rm -rf .generated' EXIT && \
	$(CONTROLLERGEN) crd paths=./config/v1beta1/... output:crd:dir=.generated && \
	diff -r .generated charts/steelyard/files/crds >/dev/null || { echo "the chart's CRDs are stale: run make generate"; exit 1; }
	@cp config/v1beta1/zz_generated.deepcopy.go .deepcopy.before && trap 'mv -f .deepcopy.before config/v1beta1/zz_generated.deepcopy.go' EXIT && \
	$(CONTROLLERGEN) object paths=./config/v1beta1/... && \
	cmp -s .deepcopy.before config/v1beta1/zz_generated.deepcopy.go || { echo "deepcopy functions are stale: run make generate"; exit 1; }
chart: bin/helm
	@bin/helm lint --strict --quiet --kube-version $(KUBE) charts/steelyard
	@bin/helm template steelyard charts/steelyard --kube-version $(KUBE) --namespace steelyard-system >/dev/null
	@bin/helm template steelyard charts/steelyard --kube-version $(KUBE) --namespace steelyard-system \
		--set-string 'loadBalancerClass=\,lan' >/dev/null
	@bin/helm template steelyard charts/steelyard --kube-version $(KUBE) --namespace steelyard-system \
		--set networkPolicies.enabled=true,namespace.create=true,metrics.tls=true,speaker.realtime=true,speaker.minReadySeconds=5,bfd.enabled=false,relay.enabled=false,ingress.enabled=false,'podCIDRs={10.244.0.0/16}','externalIPs.allowed={203.0.113.0/28,2001:db8::/64}' >/dev/null
	@bin/helm template steelyard charts/steelyard --kube-version $(KUBE) --namespace steelyard-system \
		--set networkPolicies.enabled=true,ingress.acme.enabled=true,ingress.acme.acceptTerms=true,ingress.acme.default=true,ingress.acme.directory=https://ca.test:14000/dir,ingress.acme.caBundle.configMap=ca,ingress.acme.externalAccount.keyID=k,ingress.acme.externalAccount.secret=eab >/dev/null

# What is measured: "area", "area/name", or several of them; empty: all areas.
# ROUNDS cuts the rounds of every figure down, for a quick look. keepalived, FRR and
# BIRD are measured beside us.
BENCH  ?=
ROUNDS ?=
bench: bin/bench ## measure the figures and hold them against their bars (BENCH=area|area/name ROUNDS=n)
	@if bin/bench -lab $(BENCH); then $(MAKE) --no-print-directory lab-tools bin/bgp.test bin/nft.test PACKAGES="nftables iptables keepalived frr bird2 haproxy nginx-light libnginx-mod-stream"; fi
	@if bin/bench -proxies $(BENCH); then $(MAKE) --no-print-directory deps bin/engine.test PACKAGES="nginx-light haproxy caddy nghttp2-client"; fi
	@bin/bench $(if $(ROUNDS),-rounds $(ROUNDS)) $(BENCH)

GOBENCH ?= .
gobench: ## plain Go benchmarks of the hot paths (GOBENCH=regexp)
	@$(GO) test -p 1 -run '^$$' -bench '$(GOBENCH)' -benchmem ./...

FUZZTIME ?= 30s
fuzz: ## each fuzz target for FUZZTIME
	@for pkg in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
		echo "$$pkg $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; done; done

SOAK_STEPS  ?= 100000
SOAK_FAULTS ?= 50
soak: lab-tools ## random model tests and the leader storm in full (CI runs 1/20 of them), ten minutes of neighbour checks, then each fuzz target for a while
	@STEELYARD_MODEL_STEPS=$(SOAK_STEPS) $(GO) test -count=1 -timeout 60m -run Model ./ipam
	@cd e2etest && STEELYARD_STORM_FAULTS=$(SOAK_FAULTS) $(GO) test -trimpath -count=1 -timeout 60m -v -run LeaderStorm ./storm
	@bin/lab run -v e2etest/scenarios/soak/*.txtar
	@$(MAKE) --no-print-directory fuzz

deps: ## install the Debian packages that tests and the demo use
	@missing=$$(for p in $(PACKAGES); do dpkg-query -W -f '$${Status}' $$p 2>/dev/null | grep -q '^install ok installed' || echo $$p; done); \
	if [ -n "$$missing" ]; then \
		echo "installing Debian packages:" $$missing; \
		[ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; mine=1; }; \
		{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; } >/tmp/steelyard-apt.log 2>&1; rc=$$?; \
		[ -z "$$mine" ] || rm -f /usr/sbin/policy-rc.d; \
		[ $$rc = 0 ] || { cat /tmp/steelyard-apt.log; echo "could not install" $$missing; $(if $(IFPOSSIBLE),exit 0,exit $$rc); }; \
	fi
	@[ -z "$(WISHES)" ] || $(MAKE) --no-print-directory deps PACKAGES="$(WISHES)" WISHES= IFPOSSIBLE=1

clean: ## remove what was built
	@rm -rf bin dist .generated .test
