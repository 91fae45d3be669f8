#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# commands.bats - the other commands: names, listings, formats, errors

bats_require_minimum_version 1.5.0
load ../lib/common

setup_file() { make_store; }
teardown_file() { remove_store; }
teardown() { remove_containers; }

@test "every command answers --help with its usage" {
	commands=$(hull --help | sed -nE 's/^  ([a-z]+) .*/\1/p')
	[ "$(echo "$commands" | wc -l)" -ge 30 ]
	for command in $commands; do
		expect_status 0 hull "$command" --help
		expect_part "hull $command"
	done
}

@test "commands exist in both spellings" {
	hull run -d --name both busybox sleep 1000000
	run hull container ls --format '{{.Names}}'
	expect both
	run hull container inspect --format '{{.Name}}' both
	expect /both
	run hull image ls -q
	expect "$(hull images -q)"
}

@test "an unknown command is refused" {
	run hull no-such-command
	[ "$status" != 0 ]
	expect_part "no-such-command"
}

@test "an unknown container is refused by every command that takes one" {
	for command in start stop kill restart rm logs wait inspect top stats pause unpause diff; do
		[ $command != stats ] || command="stats --no-stream"
		run hull $command no-such-container
		expect_error
		expect_part "no-such-container"
	done
	for command in "exec no-such-container true" "attach no-such-container" \
		"rename no-such-container x" "export no-such-container"; do
		run hull $command
		[ "$status" != 0 ]
		expect_part "no-such-container"
	done
}

@test "errors are one line each, hints one more" {
	run --separate-stderr hull inspect nothing
	[ "$(echo "$stderr" | grep -c '^hull: ')" = 1 ]
	[ "$(echo "$stderr" | grep -vc '^hull: \|^hint: ')" = 0 ]
}

@test "ps: running ones, all, ids, JSON" {
	hull run -d --name runs busybox sleep 1000000
	hull run -d --name ended busybox sh -c 'exit 3'
	await sh -c '[ "$(hull inspect --format "{{.State.Status}}" ended)" = exited ]'
	run hull ps --format '{{.Names}}'
	expect runs
	run hull ps -a --format '{{.Names}}: {{.Status}}'
	expect_part "ended: Exited (3)"
	expect_part "runs: Up"
	run hull ps -aq
	[ "${#lines[@]}" = 2 ]
	[ "${#lines[0]}" = 12 ]
	run bash -c 'hull ps -a --format json | jq -r .Names | sort | xargs'
	expect "ended runs"
	run hull ps
	[ "$(echo "${lines[0]}" | tr -s ' ')" = \
		"CONTAINER ID IMAGE COMMAND CREATED STATUS PORTS ISOLATION NAMES" ]
	run hull ps -a --format '{{.Names}} {{.Size}}'
	[[ $output =~ runs\ [0-9.]+[kM]?B ]]
}

@test "ps: each filter shows some and hides others" {
	hull create --name first -l kind=a --volume kept:/x busybox true
	hull create --name second -l kind=b --network host busybox sh -c 'exit 3'
	hull run -d --name third --isolation container busybox sleep 1000000
	hull start -a second || true
	while read -r filter names; do
		expect_status 0 bash -c "hull ps -a --filter '$filter' --format '{{.Names}}' | xargs"
		expect "$names"
	done <<-LIST
		name=econ second
		id=$(hull inspect --format '{{.Id}}' first) first
		label=kind second first
		label=kind=b second
		status=created first
		status=running third
		exited=3 second
		ancestor=busybox third second first
		volume=kept first
		network=host second
		before=second first
		since=second third
		isolation=container third second first
		isolation=vm
	LIST
	hull rm first
	hull volume rm kept
	expect_status 1 hull ps --filter before=nobody
	expect_part "no such container"
	expect_status 1 hull ps --filter colour=red
	expect_part "hint: filters are "
}

@test "stats: the columns and what is measured" {
	hull run -d --name works -m 64m busybox sh -c 'while :; do :; done'
	run hull stats --no-stream
	[ "$(echo "${lines[0]}" | tr -s ' ')" = \
		"CONTAINER ID NAME CPU % MEM USAGE / LIMIT MEM % NET I/O BLOCK I/O PIDS ISOLATION" ]
	run hull stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.PIDs}}' works
	[[ $output =~ ^works\ [0-9]+\.[0-9]+%\ [0-9.]+[KM]iB\ /\ 64MiB\ 1$ ]]
	[[ ! $output =~ \ 0.00% ]]
}

@test "a container goes by name, id and a unique prefix of it" {
	id=$(hull run -d --name handle busybox sleep 1000000)
	for handle in handle "$id" "${id:0:12}" "${id:0:4}"; do
		run hull inspect --format '{{.Id}}' "$handle"
		expect "$id"
	done
}

@test "rename" {
	hull run -d --name before busybox sleep 1000000
	hull rename before after
	run hull ps --format '{{.Names}}'
	expect after
	run hull inspect before
	[ "$status" != 0 ]
}

@test "rm refuses what runs, rm -f does not" {
	hull run -d --name runs busybox sleep 1000000
	run hull rm runs
	[ "$status" = 1 ]
	expect_part "-f"
	run hull rm -f runs
	expect runs
	run hull ps -aq
	expect ""
}

@test "inspect is JSON with what was asked for" {
	hull run -d --name seen -m 64m -e A=b -v "$store/host:/data:ro" --label l=v busybox sleep 1000000
	run hull inspect --format '{{.HostConfig.Memory}} {{index .Config.Labels "l"}}' seen
	expect "67108864 v"
	run bash -c "hull inspect seen | jq -r '.[0] | .Config.Env[], .Mounts[0].Destination, .State.Status'"
	expect_part "A=b"
	expect_part "/data"
	expect_part running
}

@test "logs: tail, since, times, follow" {
	hull run -d --name talks busybox sh -c 'for i in 1 2 3 4 5; do echo line$i; done'
	hull wait talks
	run hull logs --tail 2 talks
	expect "$(printf 'line4\nline5')"
	run hull logs -t --tail 1 talks
	[[ $output =~ ^20[0-9-]+T[0-9:.]+Z\ line5$ ]]
	run hull logs --since 1h talks
	[ "${#lines[@]}" = 5 ]
	for later in 2099-01-01T00:00:00Z 2099-01-01T00:00 2099-01-01 4070908800; do
		expect_status 0 hull logs --since $later talks
		expect ""
		run hull logs --until $later talks
		[ "${#lines[@]}" = 5 ]
	done
	expect_status 1 hull logs --since yesterday talks
	expect_part "invalid --since 'yesterday'"
}

@test "a long log is rotated and keeps its end" {
	hull run -d --name floods busybox sh -c 'i=0; while [ $i -lt 700000 ]; do
		echo "line $i ......................................................"; i=$((i+1)); done'
	AWAIT_S=120 await sh -c '[ "$(hull inspect --format "{{.State.Status}}" floods)" = exited ]'
	run hull logs --tail 1 floods
	expect_part "line 699999 "
	[ "$(du -cm "$HULL_ROOT"/logs/*/log* | tail -n 1 | cut -f1)" -le 32 ]
}

@test "volumes: create, ls, inspect, rm, prune" {
	run hull volume create mine
	expect mine
	run hull volume ls -q
	expect mine
	run hull volume inspect --format '{{.Name}}' mine
	expect mine
	hull run -d --name uses -v mine:/data busybox sleep 1000000
	run hull volume rm mine
	[ "$status" = 1 ]
	expect_part "mine"
	hull rm -f uses
	run hull volume rm mine
	expect mine
	hull volume create unused
	hull volume prune --all --force
	run hull volume ls -q
	expect ""
}

@test "rm -v takes anonymous volumes along, and only those" {
	hull run -d --name holds -v /anonymous -v named:/named busybox true
	hull wait holds
	[ "$(hull volume ls -q | wc -l)" = 2 ]
	hull rm -v holds
	run hull volume ls -q
	expect named
	hull volume rm named
}

@test "info: the levels of this host, its kernel, the store, how many containers are in what state" {
	hull run -d --name runs busybox sleep 1000000
	hull create --name waits busybox true
	run hull info --format '{{json .Levels}}'
	[ "$(jq -c '[.[] | [.Name, .Usable]]' <<<"$output")" = '[["container",true],["vm",true]]' ]
	run hull info --format '{{.Containers}} {{.ContainersRunning}} {{.ContainersStopped}} {{.Images}} {{.Root}} {{.KernelVersion}}'
	expect "2 1 1 1 $HULL_ROOT $(uname -r)"
	expect_status 0 hull info
	expect_part " container: works on this host"
	expect_part " Running: 1"
}

@test "version is told, and system df has a row of each kind" {
	run hull version --format '{{.Version}}'
	[ "hull version $output" = "$(hull --version)" ]
	run hull version --format '{{.Client.Version}} {{.Server.Version}} {{.Server.Os}}'
	[ "hull version ${output%% *}" = "$(hull --version)" ]
	[ "$output" = "${output%% *} ${output%% *} linux" ]
	expect_status 0 hull system df
	for kind in Images Containers "Local Volumes" Other; do expect_part "$kind  "; done
}

@test "system df equals du" {
	hull run -d --name fills busybox sh -c 'dd if=/dev/zero of=/file bs=1M count=3; sync'
	hull wait fills
	run bash -c "hull system df --format json | jq -s '[.[] | .SizeBytes] | add'"
	du=$(du -s --block-size=1 "$HULL_ROOT" | cut -f1)
	[ "$output" = "$du" ]
}

@test "completion for bash knows commands" {
	run bash -c "source <(cat '$BATS_TEST_DIRNAME'/../../src/cli/*.bash) && complete -p hull"
	expect_part hull
}

@test "two users of one store at a time do not disturb each other" {
	for i in $(seq 8); do hull run --rm busybox echo "$i" >"$store/out.$i" & done
	wait
	for i in $(seq 8); do [ "$(cat "$store/out.$i")" = "$i" ]; done
	rm "$store"/out.*
}
