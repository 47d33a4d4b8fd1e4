#!/usr/bin/env bash
# Runs tests under a second kernel, Debian's, in QEMU without any privilege:
# this host's kernel may lack VLAN, bond, VRF and more.
#
#   test.sh [PACKAGE...]     without any: those that have tests for it
#
# Tests for it are in files with the build tag "testkernel" and are called
# TestKernel…; $RUN chooses among them. Each must run in there and pass: one
# that is skipped, or does not run at all, is a failure. The repository is
# there read-only, at the same path. Status 0: all passed.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
repo=$(readlink -f "$here/../..")
run=${RUN:-^TestKernel}
cd "$repo"
# shellcheck source=image.sh
. "$here/image.sh"

packages=("$@")
if [ ${#packages[@]} = 0 ]; then
	mapfile -t packages < <(grep -rl --include='*_test.go' '^//go:build testkernel$' . | xargs -r -n1 dirname | sort -u)
fi
[ ${#packages[@]} -gt 0 ] || { echo "no package has tests for the second kernel"; exit 1; }

image=$(image)
out=$(mktemp -d "${TMPDIR:-/tmp}/steelyard-kernel-XXXXXX")
trap 'rm -rf "$out"' EXIT

# build compiles the tests of a package, lists those that must run, and adds
# them to what the guest does.
build() { # NUMBER PACKAGE
	CGO_ENABLED=0 ${GO:-go} test -tags testkernel -c -o "$out/$1.test" "$2"
	"$out/$1.test" -test.list "$run" >"$out/$1.list"
	[ -s "$out/$1.list" ] || { echo "$2: no test is called $run"; return 1; }
	echo "cd $repo/$2 && /out/$1.test -test.v -test.timeout 5m -test.run '$run' >/out/$1.log 2>&1; echo \$? >/out/$1.rc" >>"$out/run.sh"
}

# judge prints what a package's tests said and tells whether all of them passed.
judge() { # NUMBER PACKAGE
	local rc=0 name
	cat "$out/$1.log" 2>/dev/null || true
	[ "$(cat "$out/$1.rc" 2>/dev/null)" = 0 ] || rc=1
	while read -r name; do
		grep -q "^--- PASS: $name " "$out/$1.log" 2>/dev/null || { echo "$name did not pass under the second kernel"; rc=1; }
	done <"$out/$1.list"
	! grep -q '^ *--- SKIP: ' "$out/$1.log" 2>/dev/null || { echo "a test was skipped under the second kernel"; rc=1; }
	if [ $rc = 0 ]; then echo "ok      $2 ($(wc -l <"$out/$1.list") tests under ${image##*/})"; else echo "FAIL    $2"; fi
	return $rc
}

for i in "${!packages[@]}"; do build "$i" "${packages[$i]}"; done
boot "$image" "$out" "$repo" >"$out/console" 2>&1 || true
bad=0
for i in "${!packages[@]}"; do judge "$i" "${packages[$i]}" || bad=1; done
if [ ! -e "$out/done" ]; then
	echo "the second kernel did not come to the end; its console:"
	tail -n 40 "$out/console"
	bad=1
fi
exit $bad
