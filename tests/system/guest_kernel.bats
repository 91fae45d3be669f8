#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# guest_kernel.bats - the kernel that make guest-kernel builds: it carries machines, and has what guest/config says

load ../lib/common

kernel=$build/guest/vmlinux

setup_file() {
	[ -e "$kernel" ] || return 0
	make_store
}

teardown_file() {
	[ -e "$kernel" ] || return 0
	remove_store
}

setup() { [ -e "$kernel" ] || skip "there is no $kernel; make guest-kernel builds it"; }

teardown() {
	[ -e "$kernel" ] || return 0
	remove_containers
}

on_it() { hull run --rm --isolation vm --kernel "$kernel" "$@"; }

@test "a machine runs on it, without any module" {
	expect_status 0 on_it busybox sh -c 'uname -r; ls /proc/modules 2>/dev/null; id -u'
	[[ ${lines[0]} =~ ^6\.1\.[0-9]+$ ]]
	[ "${lines[1]}" = 0 ]
	[ "${#lines[@]}" = 2 ]
}

@test "the kernel that runs has what guest/config asks for" {
	on_it busybox zcat /proc/config.gz >"$store/config"
	grep '^CONFIG' "$BATS_TEST_DIRNAME/../../guest/config" >"$store/wanted"
	[ "$(wc -l <"$store/wanted")" -gt 100 ]
	run grep -vxFf "$store/config" "$store/wanted"
	expect ""
	run grep -c '=m$' "$store/config"
	expect 0
}

@test "a relative path names it as well, also for a start that comes later" {
	cd "$build/guest"
	hull create --name later --isolation vm --kernel vmlinux busybox uname -r
	cd /
	expect_status 0 hull start -a later
	[[ $output =~ ^6\.1\.[0-9]+$ ]]
}

@test "volumes, bind mounts and the disk are written to on it" {
	expect_status 0 on_it -v "$store/host:/host" -v kernelvol:/volume busybox \
		sh -c 'echo host >/host/said && echo volume >/volume/said && echo disk >/said && cat /volume/said /said'
	expect $'volume\ndisk'
	run cat "$store/host/said"
	expect host
	expect_status 0 on_it -v kernelvol:/volume busybox cat /volume/said
	expect volume
	hull volume rm kernelvol
}

@test "limits hold on it: memory, processes" {
	expect_status 137 on_it -m 128m busybox sh -c 'tail /dev/zero'
	expect_status 2 on_it --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done'
	expect_part "can't fork"
}

@test "a machine on it has the loopback interface and no other" {
	expect_status 0 on_it busybox ls /sys/class/net
	expect lo
}

@test "a workload on it is under a seccomp filter, and the kernel has all kinds of namespaces" {
	expect_status 0 on_it busybox sh -c 'grep -c "^Seccomp:.2" /proc/self/status; ls /proc/self/ns'
	[ "${lines[0]}" = 1 ]
	for name in cgroup ipc mnt net pid time user uts; do expect_part "$name"; done
}
