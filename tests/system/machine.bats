#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine.bats - what only level vm has: a disk that outlives its machine, a clock, a console, neighbours

load ../lib/common

setup_file() { make_store; }
teardown_file() { remove_store; }
teardown() { remove_containers; }

@test "what was synced to the disk outlives a killed machine, and is read without one" {
	hull run -d --name box --isolation vm busybox sh -c 'sleep 1000000'
	hull exec box sh -c 'echo kept >/kept && sync'
	kill -9 "$(hull inspect --format '{{.State.Pid}}' box)"
	await sh -c '[ "$(hull inspect --format "{{.State.Status}}" box)" = exited ]'
	run hull diff box
	expect "A /kept"
	run sh -c 'hull cp box:/kept - | tar -xO'
	expect kept
	run sh -c 'hull export box | tar -xO kept'
	expect kept
	echo given >"$store/host/given"
	hull cp "$store/host/given" box:/given
	hull start box
	run hull exec box cat /kept /given
	expect $'kept\ngiven'
}

@test "time passes in a machine as outside, on one processor and on two" {
	for cpus in 1 2; do
		hull run -d --name "clock$cpus" --isolation vm --cpus "$cpus" busybox sleep 1000000
		run hull exec "clock$cpus" sh -c 'nproc; cut -d. -f1 /proc/uptime; sleep 3; cut -d. -f1 /proc/uptime'
		read -rd '' seen before after <<<"$output" || true
		[ "$seen" = "$cpus" ]
		[ $((after - before)) -ge 2 ]
		[ $((after - before)) -le 20 ]
		before=$(date +%s)
		run hull exec "clock$cpus" date +%s
		echo "$output, between $before and $(date +%s)"
		[ "$output" -ge $((before - 2)) ]
		[ "$output" -le "$(date +%s)" ]
		hull rm -f "clock$cpus"
	done
}

@test "the kernel's log goes to the file that HULL_VM_CONSOLE names" {
	expect_status 0 env HULL_VM_CONSOLE="$store/console" hull run --rm --isolation vm busybox true
	grep -q 'Linux version' "$store/console"
	grep -q 'Run /init as init process' "$store/console"
}

@test "paths in the environment are seen from where the user is" {
	local dir
	dir=$(ls -d "${HULL_KERNEL_DIR:-$build/kernel}")
	ln -s "$dir" "$store/host/kernels"
	ln -s "$build/bin" "$store/host/programs"
	cd "$store/host"
	export HULL_KERNEL_DIR=kernels HULL_LIBEXEC=programs HULL_VM_CONSOLE=console.here
	expect_status 0 hull run --rm --isolation vm busybox echo booted
	expect booted
	grep -q 'Linux version' "$store/host/console.here"
	HULL_KERNEL_DIR=none run hull info
	expect_part "HULL_KERNEL_DIR '$store/host/none'"
}

@test "a guest's panic and its reset are told as what they are" {
	# A workload that does it at once may be faster than the agent, which tells that it runs.
	expect_status 137 hull run --name panics --isolation vm --privileged busybox \
		sh -c 'sleep 1; echo c >/proc/sysrq-trigger; sleep 1000000'
	expect_part "hull: the machine has ended: guest panic: "
	run hull inspect --format '{{.State.Status}} {{.State.Error}}' panics
	expect_part "exited the machine has ended: guest panic: "
	expect_status 137 hull run --name resets --isolation vm --privileged busybox \
		sh -c 'sleep 1; echo b >/proc/sysrq-trigger; sleep 1000000'
	run hull inspect --format '{{.State.Status}} {{.State.Error}}' resets
	expect_part "reset: "
}

# never_boots FILE: a kernel (ELF, PVH) that does nothing at all
never_boots() {
	python3 - "$1" <<'EOF'
import struct, sys
note = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", 0x100000)
head = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0x100000, 64, 0, 0, 64, 56, 2, 0, 0, 0)
load = struct.pack("<IIQQQQQQ", 1, 5, 0x200, 0x100000, 0x100000, 2, 2, 1)
what = struct.pack("<IIQQQQQQ", 4, 4, 0x100, 0, 0, len(note), len(note), 4)
file = (head + load + what).ljust(0x100, b"\0") + note
open(sys.argv[1], "wb").write(file.ljust(0x200, b"\0") + b"\xeb\xfe")
EOF
}

@test "a guest that never boots ends within its time limit, and says so" {
	never_boots "$store/host/stuck"
	expect_status 125 env HULL_VM_BOOT_LIMIT=3 \
		hull run --rm --isolation vm --kernel "$store/host/stuck" busybox true
	expect_part "the guest has not booted in time"
	for limit in 0 3601 3s; do
		expect_status 125 env HULL_VM_BOOT_LIMIT=$limit hull run --rm --isolation vm busybox true
		expect_part "HULL_VM_BOOT_LIMIT is '$limit', not 1 to 3600 seconds"
	done
	run hull ps -aq
	expect ""
}

@test "memory that update takes from a machine is missed inside, and comes back" {
	hull run -d --name box --isolation vm -m 512m busybox sleep 1000000
	hull update -m 200m box
	await sh -c '[ "$(hull exec box free -m | awk "/^Mem/ { print \$4 }")" -lt 200 ]'
	run hull inspect --format '{{.HostConfig.Memory}}' box
	expect 209715200
	hull update -m 512m box
	await sh -c '[ "$(hull exec box free -m | awk "/^Mem/ { print \$4 }")" -gt 300 ]'
}

@test "ten machines start at a time" {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		hull run --rm --isolation vm -m 96m busybox echo "machine $i" >"$store/host/said.$i" 3>&- &
	done
	wait
	for i in 1 2 3 4 5 6 7 8 9 10; do
		run cat "$store/host/said.$i"
		expect "machine $i"
	done
	run hull ps -aq
	expect ""
}
