# shellcheck shell=bash
# The second kernel, unpacked from Debian's package into the user's cache.

# Modules that are put in, with all that they need. The kernel loads them itself
# when they are asked for, except for the first four, which bring the shares.
basic="crc32c_generic virtio_pci 9pnet_virtio 9p"
modules="$basic vrf 8021q bonding dummy veth bridge br_netfilter macvlan ipvlan vxlan ipip ip_gre tun
	sch_netem sch_ingress sch_fq sch_htb sch_tbf cls_bpf cls_flower cls_u32 cls_matchall act_mirred
	ip_vs ip_vs_rr ip_vs_wrr ip_vs_sh ip_vs_mh tls sctp
	nf_flow_table_inet nf_conntrack_netlink nft_flow_offload nft_ct nft_nat nft_masq nft_redir nft_chain_nat
	nft_fib_inet nft_numgen nft_hash nft_limit nft_log nft_reject_inet nft_tproxy nft_socket nft_quota
	nft_reject_ipv4 nft_reject_ipv6 nft_dup_ipv4 nft_dup_ipv6
	nft_connlimit nft_objref nft_compat inet_diag tcp_diag udp_diag af_packet_diag xfrm_user mpls_router"

# image prints the directory that has vmlinux and init.cpio, made if it is not
# there yet. It is named after the package and what the image is made from.
image() {
	local name dir work
	[ "$(dpkg --print-architecture)" = amd64 ] || { echo "only amd64 is provided for" >&2; return 1; }
	name=$(apt-cache depends linux-image-amd64 | awk '/Depends:/ {print $2; exit}')
	[ -n "$name" ] || { echo "apt knows no package linux-image-amd64: run apt-get update" >&2; return 1; }
	name+=-$(cat "$here/image.sh" "$here/init.sh" | sha256sum | cut -c1-8)
	dir=${XDG_CACHE_HOME:-$HOME/.cache}/steelyard/kernel/$name
	if [ ! -e "$dir" ]; then
		mkdir -p "${dir%/*}"
		work=$(mktemp -d "${dir%/*}/making-XXXXXX")
		echo "unpacking ${name%-*} for tests" >&2
		make_image "$work" "${name%-*}" >&2 || { rm -rf "$work"; return 1; }
		rm -rf "${dir%/*}"/linux-image-*
		mv "$work/image" "$dir"
		rm -rf "$work"
	fi
	echo "$dir"
}

make_image() { # DIRECTORY PACKAGE
	local root=$1/root version
	mkdir "$1/image" "$root" && (cd "$1" && apt-get download -qq -o APT::Sandbox::User=root "$2") &&
		dpkg-deb -x "$1"/*.deb "$root" || return
	version=$(ls "$root/lib/modules") && depmod -b "$root" "$version" &&
		unpack_kernel "$root/boot/vmlinuz-$version" "$1/image/vmlinux" &&
		make_initramfs "$root" "$version" "$1/init" "$1/image/init.cpio"
}

# unpack_kernel takes the ELF file out of a bzImage: to unpack it under
# emulation takes 5 s.
unpack_kernel() { # VMLINUZ VMLINUX
	local at
	at=$(LC_ALL=C grep -abo -m1 -P '\xFD7zXZ\x00' "$1" | head -1 | cut -d: -f1)
	[ -n "$at" ] || { echo "$1 is not packed by xz"; return 1; }
	tail -c +$((at + 1)) "$1" | xz -dc >"$2" 2>/dev/null || true # what follows the kernel is an error to xz
	[ "$(head -c 4 "$2" | tail -c 3)" = ELF ] || { echo "no ELF file in $1"; return 1; }
}

make_initramfs() { # ROOT VERSION DIRECTORY CPIO
	local kmod=$3/kmod/lib/modules/$2 m file
	mkdir -p "$3"/{bb,proc,sys,dev,run,tmp,usr,src,out,var,etc,root,kmod/proc} "$kmod" || return
	for m in bin sbin lib lib64; do ln -s "usr/$m" "$3/$m"; done
	ln -s /run "$3/var/run"
	for m in passwd group nsswitch.conf ld.so.cache alternatives iproute2 services protocols hosts pam.d pam.conf security; do
		[ ! -e "/etc/$m" ] || cp -a "/etc/$m" "$3/etc/"
	done
	mkdir -p "$3/etc/frr" && : >"$3/etc/frr/vtysh.conf" || return # FRR's vtysh wants it, and pam
	cp /bin/busybox "$3/bb/" && cp /bin/busybox "$3/kmod/" && ln -s busybox "$3/bb/sh" && cp "$here/init.sh" "$3/init" && chmod +x "$3/init" || return
	for m in $modules; do
		modprobe -d "$1" -S "$2" -D "$m" || { echo "no module $m" >&2; return 1; }
	done | awk '$1 == "insmod" {print $2}' | sort -u >"$3.modules"
	while read -r file; do
		(cd "$1" && cp --parents ".${file#"$1"}" "$3/kmod/") || return
	done <"$3.modules"
	cp "$1/lib/modules/$2"/modules.{order,builtin,builtin.modinfo} "$kmod/" && depmod -b "$3/kmod" "$2" &&
		(cd "$3" && find . | LC_ALL=C sort | busybox cpio -o -H newc -R 0:0) >"$4"
}

# boot runs out/run.sh under the second kernel, for ten minutes at most. QEMU's
# own status says nothing; out/done is there if the script came to its end.
boot() { # IMAGE OUT REPOSITORY
	share() { echo "-fsdev local,id=$1,path=$2,security_model=none,multidevs=remap$3 -device virtio-9p-pci,fsdev=$1,mount_tag=$1"; }
	# shellcheck disable=SC2046
	timeout 600 qemu-system-x86_64 -accel tcg,thread=multi -M q35 -cpu qemu64 -smp 2 -m 1024 \
		-nodefaults -no-user-config -nic none -display none -no-reboot -serial stdio \
		-kernel "$1/vmlinux" -initrd "$1/init.cpio" -append "console=ttyS0 quiet panic=-1 mitigations=off src=$3" \
		$(share usr /usr ,readonly=on) $(share src "$3" ,readonly=on) $(share out "$2" "") </dev/null
}
