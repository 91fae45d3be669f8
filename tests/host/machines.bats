#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machines.bats - hull-vmm on a working KVM: Debian's kernels on 1 and 4 processors, their devices and
# complaints, the generation id, and 30 machines at once

load ../lib/common

setup_file() { make_store; }
teardown_file() { remove_store; }
teardown() { remove_containers; }

# Where the newest kernel of Debian's archive is unpacked, if it is: see tools/newest-kernel.
newest=$build/newest-kernel

# What a kernel warns of that no hypervisor can help: bugs of the processor that the host has, and that it is
# slow.
excused='Speculative Return Stack Overflow|clocksource: |hrtimer: interrupt took'

# boot CPUS: a machine that sees this host's programs, and can read what root can
boot() {
	hull run -d --name box --isolation vm --privileged --cpus "$1" -m 256m -v /usr:/usr:ro \
		-v /lib:/lib:ro -v /lib64:/lib64:ro busybox sleep 1000000
	expect_status 0 hull exec box nproc
	expect "$1"
}

# Its log has what the kernel is expected to say, and nothing at level warning or above.
check_log() {
	hull exec --privileged box dmesg -r >"$store/dmesg"
	grep -q 'Linux version' "$store/dmesg"
	! grep '^<[0-4]>' "$store/dmesg" | grep -vE "$excused"
}

# Two disks (layer, what it writes), console, entropy, balloon, three shared directories and the host bridge,
# and no other device; all but the bridge have a driver and MSI-X that is on.
devices='2 1af4:1042 1 1af4:1043 1 1af4:1044 1 1af4:1045 3 1af4:105a 1 1b36:0008'
check_devices() {
	hull exec --privileged box /usr/bin/lspci -n -vvv >"$store/lspci"
	cat "$store/lspci"
	[ "$(sed -n 's/^[0-9a-f].*: \(....:....\).*/\1/p' "$store/lspci" | sort | uniq -c | xargs)" = "$devices" ]
	[ "$(grep -c 'MSI-X: Enable+' "$store/lspci")" = 8 ]
	[ "$(grep -c 'Kernel driver in use: virtio-pci' "$store/lspci")" = 8 ]
}

check_kernel() {
	for cpus in 1 4; do
		boot $cpus
		check_log
		check_devices
		hull rm -f box
	done
}

@test "Debian's 6.1 kernel on 1 and 4 processors: devices and log without a complaint" {
	check_kernel
}

@test "the newest kernel of Debian's archive on 1 and 4 processors: devices and log without a complaint" {
	[ -d "$newest" ] || skip "tools/newest-kernel has not been run"
	export HULL_KERNEL_DIR=$newest
	check_kernel
}

# Debian's cloud kernel has no driver for it.
@test "our guest kernel finds the generation id, and reseeds its random numbers whenever it changes" {
	kernel=$build/guest/vmlinux
	[ -e "$kernel" ] || skip "make guest-kernel has not been run"
	make_initramfs "$store/initramfs" <<-'END'
	reseeded() { busybox dmesg | busybox grep -c 'crng reseeded due to virtual machine fork'; }
	echo "driver: $(busybox ls -d /sys/bus/acpi/drivers/vmgenid/HULLVGID:*)"
	for i in 1 2 3; do
		echo again
		until [ "$(reseeded)" -ge $i ]; do busybox usleep 10000; done
	done
	echo "reseeded $(reseeded) times"
	busybox poweroff -f
	END
	run timeout 300 "$build/tests/host/generation" "$kernel" "$store/initramfs"
	echo "$output"
	[ "$status" = 0 ]
	expect_part "driver: /sys/bus/acpi/drivers/vmgenid/HULLVGID:00"
	expect_part "reseeded 3 times"
}

@test "30 machines, started 4 at a time: all answer, all go" {
	seq 30 | xargs -P 4 -I{} hull run -d --name "many{}" --isolation vm -m 96m busybox sleep 1000000
	[ "$(hull ps -q | wc -l)" = 30 ]
	[ "$(pgrep -fc '^/hull-vmm')" = 30 ]
	for i in $(seq 30); do
		run hull exec "many$i" sh -c "echo $i; hostname"
		expect "$i"$'\n'"$(hull inspect --format '{{.Config.Hostname}}' "many$i")"
	done
	seq 30 | xargs -P 4 -I{} hull rm -f "many{}"
	run hull ps -aq
	expect ""
	! pgrep -f '^/hull-vmm'
}
