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
		run hull exec "clock$cpus" date +%s
		[ $(($(date +%s) - output)) -le 20 ]
		hull rm -f "clock$cpus"
	done
}

@test "the kernel's log goes to the file that HULL_VM_CONSOLE names" {
	expect_status 0 env HULL_VM_CONSOLE="$store/console" hull run --rm --isolation vm busybox true
	grep -q 'Linux version' "$store/console"
	grep -q 'Run /init as init process' "$store/console"
}

@test "ten machines start at a time" {
	for i in 1 2 3 4 5 6 7 8 9 10; do
		hull run --rm --isolation vm -m 96m busybox echo "machine $i" >"$store/host/said.$i" &
	done
	wait
	for i in 1 2 3 4 5 6 7 8 9 10; do
		run cat "$store/host/said.$i"
		expect "machine $i"
	done
	run hull ps -aq
	expect ""
}
