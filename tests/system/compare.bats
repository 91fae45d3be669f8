#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# compare.bats - hull compare: every level measured, what it prints and draws, nothing left behind

load ../lib/common

setup_file() { make_store; }
teardown_file() { remove_store; }

teardown() {
	[ -z "${pid:-}" ] || kill -9 "$pid" 2>/dev/null || true
	remove_containers
}

@test "process, container and machine are measured side by side" {
	hull compare --repeat 1 --format json --plot "$store/plot.svg" busybox -- uname -r >"$store/json"
	run python3 - "$store/json" "$(uname -r)" <<-'END'
	import json, sys
	rows = {row["name"]: row for row in json.load(open(sys.argv[1]))["rows"]}
	assert list(rows) == ["process", "container", "vm"], list(rows)
	keys = ["start_ns", "run_cpu_ns", "rest_bytes", "beyond_bytes", "call_ps", "write_bps", "read_bps"]
	for name, row in rows.items():
	    assert row["measured"], (name, row["why"])
	    for key in keys:
	        assert row[key]["median"] > 0, (name, key)
	        assert len(row[key]["values"]) == 1
	    assert row["beyond_bytes"]["median"] < row["rest_bytes"]["median"]
	for name in "process", "container":
	    assert rows[name]["kernel"] == sys.argv[2]
	    assert rows[name]["shared"].startswith("kernel, page cache")
	assert "mnt" not in rows["process"]["shared"] and "net" in rows["process"]["shared"]
	assert "net" not in rows["container"]["shared"]
	vm = rows["vm"]
	assert vm["shared"] == "hardware" and vm["machine"] and vm["kernel"] != sys.argv[2]
	assert vm["rest_bytes"]["median"] > rows["container"]["rest_bytes"]["median"]
	END
	[ "$status" = 0 ] || { echo "$output"; return 1; }
	python3 -c 'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' "$store/plot.svg"
	grep -q 'busybox: uname -r' "$store/plot.svg"
	run hull ps -aq
	expect ""
}

@test "a level that this host cannot run is named with the reason" {
	run env HULL_MACHINE=bochs hull compare -n 1 busybox true
	[ "$status" = 0 ]
	expect_part "Not measured: vm: "
	expect_part "no hypervisor 'bochs'"
	expect_part "container"
}

@test "a command that says nothing, and one that does not end, are measured too" {
	HULL_MACHINE=bochs expect_status 0 hull compare -n 1 busybox true
	[[ $output =~ "Start to first output"\ +[0-9] ]]
	HULL_MACHINE=bochs expect_status 0 hull compare -n 1 busybox -- sh -c 'echo here; sleep 1000000'
	[[ $output =~ "Start to first output"\ +[0-9] ]]
	HULL_MACHINE=bochs expect_status 0 hull compare -n 2 --limit 2 busybox sleep 1000000
	[[ $output =~ "Start to first output"\ +-- ]]
	[[ $output =~ "System call (getppid)"\ +[0-9] ]]
	run hull ps -aq
	expect ""
}

@test "a command that the image does not have ends it with its exit status" {
	HULL_MACHINE=bochs expect_status 127 hull compare -n 1 busybox nonesuch
	expect_part "'nonesuch' cannot be run in the image"
	HULL_MACHINE=bochs expect_status 126 hull compare -n 1 busybox -- /etc/passwd
	expect_part "cannot be run"
}

@test "how a command ends is its own affair" {
	for code in 1 126 127; do
		HULL_MACHINE=bochs expect_status 0 hull compare -n 1 busybox -- sh -c "exit $code"
		[[ $output =~ "Start to first output"\ +[0-9] ]]
	done
}

# The yardstick's files are held only while it is measured: the command's container has no company.
@test "a container is measured alone" {
	HULL_MACHINE=bochs hull compare -n 1 --limit 5 busybox -- sleep 1000000 3>&- &
	pid=$!
	await sh -c "hull ps --no-trunc >'$store/ps' && grep -q -e --hold '$store/ps'"
	[ "$(grep -c compare- "$store/ps")" = 1 ]
	kill -TERM $pid
	wait $pid || true
	unset pid
}

# In the background of this shell SIGINT comes ignored, which hull compare leaves so.
@test "a signal ends it and leaves nothing" {
	for signal in HUP INT TERM KILL; do
		HULL_MACHINE=bochs env --default-signal=INT hull compare -n 99 busybox -- sleep 1000000 3>&- &
		pid=$!
		await sh -c 'hull ps | grep -q compare-'
		kill -$signal $pid
		status=0
		wait $pid || status=$?
		[ "$status" = $((128 + $(kill -l $signal))) ]
		unset pid
		await sh -c '[ -z "$(hull ps -aq)" ]'
	done
}

@test "bad input is refused" {
	expect_status 125 hull compare
	expect_status 125 hull compare nonesuch
	expect_part "no such image"
	expect_status 125 hull compare --repeat 0 busybox
	expect_part "invalid --repeat"
	expect_status 125 hull compare --limit 0 busybox
	expect_part "invalid --limit"
	expect_status 125 hull compare --format yaml busybox
	expect_part "invalid --format"
	echo old >"$store/plot.svg"
	expect_status 125 hull compare --plot "$store/plot.svg" nonesuch
	[ "$(cat "$store/plot.svg")" = old ]
	[ "$(echo "$store"/plot.svg*)" = "$store/plot.svg" ]
	mknod "$store/null" c 1 3
	expect_status 125 hull compare --plot "$store/null" nonesuch
	[ -c "$store/null" ]
	expect_status 125 hull compare --plot "$store/none/plot.svg" busybox
	expect_part "write '$store/none/plot.svg'"
}
