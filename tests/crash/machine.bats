#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# machine.bats - SIGKILL around a virtual machine: hypervisor, virtiofsd, monitor, client, the workload inside

load ../lib/common
load stages

setup_file() { make_store; }
teardown_file() { remove_store; }

teardown() {
	end_client
	remove_containers
}

# How the programs that may run the machine are called.
hypervisors='qemu-system|/hull-vmm'

setup() {
	python3 "$BATS_TEST_DIRNAME/../lib/leaks.py" save "$store/machine" "$store"
}

recovers() {
	local id
	client_ends
	for id in $(hull ps -aq); do hull rm -f "$id"; done
	run hull system check
	[ "$status" = 0 ] || { echo "system check: $output"; return 1; }
	run python3 "$BATS_TEST_DIRNAME/../lib/leaks.py" check "$store/machine" "$store"
	expect ""
}

# start_machine OPTIONS...: one that shares a directory, so that it has a virtiofsd, too
start_machine() {
	hull run -d --name victim --isolation vm -v "$store/host:/host" "$@" busybox sh -c "$workload"
	id=$(hull inspect --format '{{.Id}}' victim)
	monitor=$(jq -r .monitorPid "$HULL_RUN_ROOT/$id/state")
	vmm=$(child_named "$hypervisors")
	fsd=$(child_named virtiofsd)
	[ -n "$vmm" ]
	[ -n "$fsd" ]
}

# A descendant of the monitor, or a process in the workload's cgroup, with that program.
child_named() {
	local pid
	for pid in $(pgrep -f "$1"); do
		if grep -q "hull-$id" "/proc/$pid/cgroup" 2>/dev/null || [ "$(ps -o ppid= -p "$pid" | tr -d ' ')" = "$monitor" ]; then
			echo "$pid"
			return
		fi
	done
}

ended_with_137() {
	AWAIT_S=40 await sh -c '[ "$(hull inspect --format "{{.State.Status}}" victim)" = exited ]'
	run hull inspect --format '{{.State.ExitCode}}' victim
	expect 137
}

@test "the hypervisor killed: idle, during exec, paused, attached, stopping" {
	for stage in idle exec paused attached stopping; do
		start_machine
		reach "$stage"
		kill -9 "$vmm"
		ended_with_137
		recovers
	done
}

@test "the monitor killed: the machine goes with it, and the next command says so" {
	for stage in idle exec paused attached stopping; do
		start_machine
		reach "$stage"
		kill -9 "$monitor"
		ended_with_137
		run hull ps -a --format '{{.Status}}'
		expect_part "Exited (137)"
		await sh -c "! kill -0 $vmm"
		await sh -c "! kill -0 $fsd"
		recovers
	done
}

@test "virtiofsd killed: the machine ends rather than hangs" {
	start_machine
	kill -9 "$fsd"
	ended_with_137
	recovers
}

@test "the agent's workload killed: idle, during exec, after a pause, attached, stopping" {
	for stage in idle exec unpaused attached stopping; do
		start_machine
		reach "$stage"
		hull kill --signal KILL victim
		ended_with_137
		recovers
	done
}

# Not by hull, and by no process that the workload's namespace knows: SysRq's "i" is a SIGKILL from the
# guest's kernel to every process but the agent.
@test "the agent's workload killed by the guest's kernel: idle, during exec, after a pause, attached, stopping" {
	for stage in idle exec unpaused attached stopping; do
		start_machine --privileged
		reach "$stage"
		hull exec victim sh -c 'echo i >/proc/sysrq-trigger' >/dev/null 2>&1 || true
		ended_with_137
		run hull ps -a --format '{{.Status}}'
		expect_part "Exited (137)"
		recovers
	done
}

@test "all that the workload may kill, killed from inside" {
	start_machine
	hull exec --privileged victim sh -c 'kill -9 -1' >/dev/null 2>&1 || true
	expect_status 0 hull exec victim true
	hull kill victim
	ended_with_137
	recovers
}

@test "the client killed while the machine boots" {
	for ms in 0.1 0.5 1 1.5 2; do
		hull run --isolation vm --name victim busybox sleep 1000000 >/dev/null 2>&1 3>&- &
		client=$!
		sleep $ms # how far it has come is the point; any is right
		kill -9 $client
		wait $client || true
		unset client
		recovers
	done
}

# descendant PID NAMES: a process below PID whose command line matches
descendant() {
	local child
	for child in $(pgrep -P "$1"); do
		if pgrep -P "$1" -f "$2" | grep -x "$child" || descendant "$child" "$2"; then
			return
		fi
	done
	return 1
}

# What comes first is up to the machine: with the client, either the start has failed or it runs.
@test "the hypervisor and the monitor killed while the machine starts" {
	for program in "$hypervisors" hull-monitor; do
		for delay in 0 0.2 0.5 1 2; do
			hull run -d --isolation vm --name victim -v "$store/host:/host" busybox \
				sleep 1000000 >"$store/out" 2>&1 3>&- &
			client=$!
			await descendant $client "$program"
			pid=$(descendant $client "$program" | head -n 1)
			sleep $delay # how far it has come is the point; any is right
			kill -9 "$pid"
			status=0
			wait $client || status=$?
			unset client
			[ $status = 0 ] || [ $status = 125 ]
			[ $status = 0 ] || grep -q '^hull: ' "$store/out"
			rm "$store/out"
			recovers
		done
	done
}
