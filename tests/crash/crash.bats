#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# crash.bats - SIGKILL to each of our processes at each of its stages: the next command shows the truth,
# rm -f works, system check finds nothing

load ../lib/common
load stages

setup_file() { make_store; }
teardown_file() { remove_store; }

teardown() {
	end_client
	remove_containers
}

setup() {
	python3 "$BATS_TEST_DIRNAME/../lib/leaks.py" save "$store/machine" "$store"
}

# What must hold after any crash: no lie, removable, nothing left.
recovers() {
	local id
	client_ends
	for id in $(hull ps -q); do
		# What is shown as running runs.
		kill -0 "$(hull inspect --format '{{.State.Pid}}' "$id")"
	done
	for id in $(hull ps -aq); do hull rm -f "$id"; done
	run hull system check
	[ "$status" = 0 ] || { echo "system check: $output"; return 1; }
	run python3 "$BATS_TEST_DIRNAME/../lib/leaks.py" check "$store/machine" "$store"
	expect ""
	expect_status 0 hull run --rm busybox echo works
	expect works
}

status_of() {
	hull inspect --format '{{.State.Status}}' "$1"
}

pid_of_monitor() {
	jq -r .monitorPid "$HULL_RUN_ROOT/$(hull inspect --format '{{.Id}}' "$1")/state"
}

# kill_at N CALL COMMAND...: SIGKILL when COMMAND enters CALL for the Nth time. Children are not
# followed: strace would wait for them.
kill_at() {
	local n=$1 call=$2
	shift 2
	strace -qq -o /dev/null -e trace="$call" -e inject="$call:signal=KILL:when=$n" "$@" >/dev/null 2>&1 || true
}

@test "hull and the monitor, killed at every failpoint of the sources" {
	"$BATS_TEST_DIRNAME/../lib/images.py" good "$store/good"
	for point in $(grep -rhoP 'failpoint\("\K[a-z-]+' "$BATS_TEST_DIRNAME/../../src" | sort -u); do
		export HULL_FAILPOINT=$point
		for command in "run -d --name victim -v $store/host:/x busybox sleep 1000000" "rm -f victim" \
			"run --rm busybox true" \
			"run --rm -v /anonymous busybox true" "image import --quiet $store/good/cover.tar --name half" \
			"image rm -f half" "volume create half" "volume rm half" "system prune --force"; do
			run hull $command
		done
		unset HULL_FAILPOINT
		hull volume rm half >/dev/null 2>&1 || true
		hull image rm -f half >/dev/null 2>&1 || true
		recovers || { echo "after $point"; return 1; }
	done
	rm -r "$store/good"
}

@test "hull, killed at system calls of a start" {
	for point in "1 clone3" "1 execve" "2 execve" "1 sendmsg" "2 sendmsg" "1 recvmsg" "1 fsmount" "1 poll" \
		"5 pwrite64" "9 pwrite64"; do
		kill_at $point hull run -d --name victim busybox sleep 1000000
		recovers || { echo "after $point"; return 1; }
	done
}

@test "hull, killed while it waits in the foreground" {
	for i in 1 2 3 4 5; do
		hull run --name "victim$i" busybox sh -c 'echo up; sleep 1000000' >"$store/out" 3>&- &
		client=$!
		await grep -q up "$store/out"
		kill -9 $client
		wait $client || true
		unset client
		[ "$(status_of "victim$i")" = running ]
		: >"$store/out"
	done
	rm "$store/out"
	recovers
}

@test "the monitor: the workload goes with it, and the next command says so" {
	for stage in idle exec paused attached stopping; do
		hull run -d --name victim busybox sh -c "$workload"
		init=$(hull inspect --format '{{.State.Pid}}' victim)
		monitor=$(pid_of_monitor victim)
		reach "$stage"
		kill -9 "$monitor"
		await sh -c '[ "$(hull inspect --format "{{.State.Status}}" victim)" = exited ]'
		run hull inspect --format '{{.State.ExitCode}} {{.State.Running}}' victim
		expect "137 false"
		await sh -c "! kill -0 $init"
		run hull ps -a --format '{{.Status}}'
		expect_part "Exited (137)"
		recovers
	done
}

@test "the workload: its end is told" {
	for stage in idle exec paused attached stopping; do
		hull run -d --name victim busybox sh -c "$workload"
		init=$(hull inspect --format '{{.State.Pid}}' victim)
		reach "$stage"
		kill -9 "$init"
		[ $stage != paused ] || hull unpause victim || true
		run hull wait victim
		expect 137
		recovers
	done
}

@test "all of them at once" {
	hull run -d --name victim busybox sleep 1000000
	init=$(hull inspect --format '{{.State.Pid}}' victim)
	kill -9 "$(pid_of_monitor victim)" "$init"
	await sh -c '[ "$(hull inspect --format "{{.State.Status}}" victim)" = exited ]'
	recovers
}

@test "hull rm, killed half way" {
	for point in "1 unlinkat" "2 unlinkat" "1 sendmsg" "5 pwrite64" "9 pwrite64"; do
		hull run -d --name victim busybox sleep 1000000
		kill_at $point hull rm -f victim
		recovers
	done
}

@test "hull image import, killed while it unpacks" {
	"$BATS_TEST_DIRNAME/../lib/images.py" good "$store/good"
	before=$(find "$HULL_ROOT/layers" "$HULL_ROOT/content" -type f | sort)
	for point in "1 linkat" "2 linkat" "1 fdatasync" "2 fdatasync" "20 write" "30 pwrite64"; do
		kill_at $point hull image import --quiet "$store/good/oci-gzip.tar" --name half
		hull image rm -f half >/dev/null 2>&1 || true
		recovers || { echo "after $point"; return 1; }
	done
	[ "$(find "$HULL_ROOT/layers" "$HULL_ROOT/content" -type f | sort)" = "$before" ]
	rm -r "$store/good"
}
