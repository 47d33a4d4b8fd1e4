#!/bb/sh
# The first process of the second kernel: mounts the shares, runs /out/run.sh,
# and turns the machine off.
/bb/busybox --install -s /bb
export PATH=/bb:/usr/sbin:/usr/bin HOME=/root
mount -t proc proc /proc
mount -t proc proc /kmod/proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
for d in /dev/shm /tmp /run; do mount -t tmpfs tmpfs $d; done
mkdir -p /run/netns /var/tmp/frr
chmod 1777 /var/tmp/frr

# The kernel calls this to load a module.
printf '#!/bb/sh\nexec /bb/busybox chroot /kmod /busybox modprobe "$@"\n' >/bb/mp
chmod +x /bb/mp
echo /bb/mp >/proc/sys/kernel/modprobe
for m in crc32c_generic virtio_pci 9pnet_virtio 9p; do /bb/mp $m || echo "no module $m"; done
/bb/mp bonding max_bonds=0
# Of two tests that make the first link of a kind at once, one is refused while the
# module still loads.
for m in veth vrf 8021q; do /bb/mp $m || echo "no module $m"; done

share() { mount -t 9p -o "trans=virtio,version=9p2000.L,msize=524288,$3" "$1" "$2" || echo "no share $1"; }
src=$(sed -n 's/.* src=\([^ ]*\).*/\1/p' /proc/cmdline)
mkdir -p "$src"
share usr /usr ro,cache=loose
share src "$src" ro,cache=loose
share out /out rw,cache=none
ip link set lo up

sh /out/run.sh
: >/out/done
sync
echo o >/proc/sysrq-trigger
sleep 30
