#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# run.bats - flags, messages and exit statuses of run, and what its defaults are

load ../lib/common

setup_file() { make_store; }
teardown_file() { remove_store; }
teardown() { remove_containers; }

@test "a status between 0 and 255 is the command's" {
	expect_status 42 hull run --rm busybox sh -c 'exit 42'
}

@test "without a command the image's own runs" {
	expect_status 0 hull run --rm -i busybox <<<'echo from the shell'
	expect "from the shell"
}

# Nothing of ours is in the host's mount table.
mounts_are_gone() {
	! grep -qF "$HULL_RUN_ROOT" /proc/self/mountinfo
}

@test "the last run lets go of its layers, with --rm and without" {
	for options in "--rm" ""; do
		# shellcheck disable=SC2086
		hull run -d $options --name first busybox sleep 1000000
		# shellcheck disable=SC2086
		hull run -d $options --name last busybox sleep 1000000
		grep -qF "$HULL_RUN_ROOT" /proc/self/mountinfo
		hull kill first
		hull wait first || true
		grep -qF "$HULL_RUN_ROOT" /proc/self/mountinfo
		hull kill last
		await mounts_are_gone
		hull rm -f first last >/dev/null 2>&1 || true
	done
}

@test "a flag that Docker has and Hull lacks is refused by name" {
	for flag in --gpus=all --publish=80:80 --link=x --log-driver=syslog --restart=always; do
		expect_status 125 hull run --rm "$flag" busybox true
		expect_part "hull: "
		expect_part "${flag%%=*}"
	done
}

@test "a flag that nobody has is refused with a way out" {
	expect_status 125 hull run --no-such-flag busybox true
	expect_part "--no-such-flag"
	expect_part "--help"
}

@test "an unknown image is refused with a hint" {
	expect_status 125 hull run --rm no-such-image true
	expect_part "no-such-image"
	expect_part "hint: "
}

@test "an unknown level is refused, none is ever put in its place" {
	expect_status 125 hull run --rm --isolation usermode busybox true
	expect_part "usermode"
	run hull ps -aq
	expect ""
}

@test "the host's network at level vm is refused with the reason" {
	expect_status 125 hull run --rm --isolation vm --network host busybox true
	expect_part "network"
}

@test "what a level cannot do is refused with the reason and the way out" {
	while read -r level flag value; do
		expect_status 125 hull create --isolation "$level" "$flag" "$value" busybox true
		expect_part "$flag"
		expect_part "at --isolation $level: "
		expect_part "hint: "
	done <<-LIST
		container --kernel /boot/vmlinuz
		container --storage-opt size=4g
		vm --device /dev/null
		vm --network host
		vm --pid host
		vm --ipc host
		vm --uts host
		vm --cgroupns host
	LIST
	run hull ps -aq
	expect ""
}

@test "malformed values are named" {
	while read -r flag value; do
		expect_status 125 hull run --rm "$flag" "$value" busybox true
		expect_part "$value"
	done <<-LIST
		-m 12q
		--cpus minus
		--pids-limit many
		--ulimit nofile=a:b
		--cap-add NO_SUCH_CAP
		-v relative/path:also/relative
		--mount type=magic,target=/x
		--network no-such-network
		--stop-signal SIGNOTHING
		--shm-size -5
		--hostname two/words
		--cpuset-cpus some
		--security-opt frobnicate
		--storage-opt colour=red
		--log-opt max-size=big
		--add-host nobody
		--stop-timeout soon
		--sysctl no-value
		--tmpfs relative
		--device relative
		--env-file /no/such/file
		--label-file /no/such/file
		--env =x
		--label =x
		--cap-drop NO_SUCH_CAP
		--pid nobody
		--ipc nobody
		--uts nobody
		--userns nobody
		--cgroupns nobody
		--pull often
		--detach-keys ctrl
		--memory-swap all
		--cpu-shares few
		--workdir relative
		--user a:b:c
	LIST
	run hull ps -aq
	expect ""
}

@test "a bind source that does not exist is named" {
	expect_status 125 hull run --rm --mount "type=bind,source=$store/nothing,target=/x" busybox true
	expect_part "$store/nothing"
}

@test "--name is unique, and free again after rm" {
	hull run -d --name twin busybox sleep 1000000
	expect_status 125 hull run -d --name twin busybox true
	expect_part "twin"
	hull rm -f twin
	expect_status 0 hull run --rm --name twin busybox true
}

@test "-d prints the id, and --cidfile keeps it" {
	run hull run -d --cidfile "$store/cid" busybox true
	[ ${#output} = 64 ]
	expect "$(cat "$store/cid")"
	expect_status 125 hull run -d --cidfile "$store/cid" busybox true
	expect_part "$store/cid"
}

@test "--env-file and -e without a value" {
	printf '# comment\nFROM_FILE=one\nGIVEN_ON\n' >"$store/env"
	export GIVEN_ON=two PASSED=three
	expect_status 0 hull run --rm --env-file "$store/env" -e PASSED -e NOT_SET_HERE busybox \
		sh -c 'echo $FROM_FILE $GIVEN_ON $PASSED; env | grep -c NOT_SET_HERE || true'
	expect_part "one two three"
}

@test "--entrypoint replaces the image's" {
	expect_status 0 hull run --rm --entrypoint echo busybox a b
	expect "a b"
}

@test "--rm removes at the end, also when detached" {
	hull run -d --rm --name brief busybox true
	await sh -c '! hull inspect brief'
}

@test "--label and ps --filter" {
	hull run -d --label colour=red --name red busybox sleep 1000000
	hull run -d --label colour=blue --name blue busybox sleep 1000000
	run hull ps --filter label=colour=red --format '{{.Names}}'
	expect "red"
	run hull ps --filter name=blue --format '{{.Names}}'
	expect "blue"
}

@test "stdout of run is the command's alone" {
	run bash -c 'hull run --rm busybox echo one 2>/dev/null'
	expect "one"
}

@test "the container's root is not the host's, unless asked for" {
	run hull run --rm busybox sh -c 'cat /proc/self/uid_map'
	[ "$(echo $output | cut -d' ' -f2)" != 0 ]
	run hull run --rm --userns host busybox sh -c 'cat /proc/self/uid_map'
	[ "$(echo $output | cut -d' ' -f2)" = 0 ]
}

@test "containers have ranges of ids that do not meet" {
	for _ in 1 2 3; do hull run -d busybox sleep 1000000; done
	run bash -c 'for id in $(hull ps -q); do hull exec $id cat /proc/self/uid_map; done |
		awk "{print \$2}" | sort -u | wc -l'
	expect "3"
}

@test "--network host sees the host's interfaces, none sees lo" {
	run hull run --rm --network host busybox ls /sys/class/net
	expect "$(ls /sys/class/net)"
	run hull run --rm --network none busybox ls /sys/class/net
	expect "lo"
}

@test "--privileged has all capabilities and devices" {
	run hull run --rm --privileged busybox sh -c 'grep CapEff /proc/self/status; ls /dev | wc -l'
	expect_part "$(grep CapEff /proc/self/status | cut -f2)"
}

@test "--device brings one device in" {
	run hull run --rm --userns host --device /dev/full:/dev/mine busybox sh -c 'echo x >/dev/mine'
	[ "$status" != 0 ]
	expect_part "No space left"
}

@test "a seccomp profile is followed" {
	cat >"$store/profile" <<-JSON
		{"defaultAction": "SCMP_ACT_ALLOW",
		 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]}
	JSON
	run hull run --rm --security-opt "seccomp=$store/profile" busybox mkdir /tmp/x
	[ "$status" != 0 ]
	expect_part "not implemented"
}

@test "a killed client leaves the workload running" {
	hull run --name lives busybox sleep 1000000 3>&- &
	local client=$!
	await sh -c 'hull inspect --format "{{.State.Running}}" lives | grep true'
	kill -9 $client
	wait $client || true
	run hull inspect --format '{{.State.Running}}' lives
	expect true
}

@test "the input of a workload ends when its client is killed" {
	# An input that never ends by itself, and that nobody else holds.
	mkfifo "$store/in"
	exec 8<>"$store/in"
	hull run -i --name reads busybox cat <"$store/in" 3>&- 8>&- &
	local client=$!
	await sh -c 'hull inspect --format "{{.State.Running}}" reads | grep true'
	kill -9 $client
	wait $client || true
	await sh -c 'hull inspect --format "{{.State.ExitCode}} {{.State.Status}}" reads | grep "0 exited"'
	exec 8>&-
	rm "$store/in"
}

# CVE-2019-5736: with the host's user namespace only the read-only mount stands in the way.
@test "what runs inside cannot write to the programs of Hull" {
	local sums=$BATS_TEST_TMPDIR/sums
	sha256sum "$build"/bin/hull "$build"/bin/hull-monitor "$build"/bin/hull-init >"$sums"
	printf '#!/proc/self/exe\n' >"$store/host/trap"
	chmod 755 "$store/host/trap"
	hull run -d --name writer --init --userns host -v "$store/host:/h:ro" busybox sh -c \
		'while :; do for exe in /proc/[0-9]*/exe; do echo x >>$exe; done; done 2>/dev/null'
	for _ in 1 2 3 4 5; do
		run hull exec writer /h/trap
		[ "$status" != 0 ]
	done
	run hull run --rm --userns host -v "$store/host:/h:ro" --entrypoint /h/trap busybox
	[ "$status" != 0 ]
	hull rm -f writer
	sha256sum --check --quiet "$sums"
}

@test "--ipc container: shares /dev/shm with it, and nobody else does" {
	hull run -d --name owner --userns host busybox sleep 1000000
	hull exec owner touch /dev/shm/of-owner
	run hull run --rm --ipc container:owner busybox sh -c 'touch /dev/shm/of-guest; ls /dev/shm'
	expect $'of-guest\nof-owner'
	run hull exec owner ls /dev/shm
	expect $'of-guest\nof-owner'
	run hull run --rm busybox ls /dev/shm
	expect ""
	expect_status 125 hull run --rm --ipc container:owner --userns private busybox true
	expect_part "hint: joining it needs --userns host"
	hull stop -t 0 owner
	expect_status 125 hull run --rm --ipc container:owner busybox true
	expect_part "it is not running"
	hull run -d --name private busybox sleep 1000000
	expect_status 125 hull run --rm --ipc container:private busybox true
	expect_part "hint: run private with --userns host"
}

@test "limits that no start could meet are refused, also later" {
	expect_status 125 hull create --isolation vm -m 32m busybox true
	expect_part "--memory must be at least 96m at --isolation vm"
	hull create --name machine --isolation vm -m 128m busybox true
	expect_status 1 hull update -m 95m machine
	expect_part "at least 96m"
	run hull inspect --format '{{.HostConfig.Memory}}' machine
	expect 134217728
	expect_status 0 hull update -m 96m machine
	run hull inspect --format '{{.HostConfig.Memory}}' machine
	expect 100663296
}

@test "an invalid name is refused with those that are allowed" {
	for name in x -x 'a b' é; do
		expect_status 125 hull create "--name=$name" busybox true
		expect_part "invalid container name '$name'"
		expect_part "[a-zA-Z0-9][a-zA-Z0-9_.-]+"
	done
}

# What both levels show in the same way; one boot of a machine for all of it.
@test "limits, capabilities and names are seen by the workload, at both levels" {
	local script='grep -w db /etc/hosts; cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_forward;
		cat /proc/sys/kernel/shmmax; ulimit -n; hostname; cat /etc/hostname; id -G; nproc
		sed -n "s/CapBnd:.0*//p; s/Cpus_allowed_list:.//p" /proc/self/status
		df -k /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2'
	for level in container vm; do
		expect_status 0 hull run --rm --isolation $level --add-host db:10.1.2.3 --oom-score-adj 123 \
			--sysctl net.ipv4.ip_forward=1 --sysctl kernel.shmmax=4096000 --ulimit nofile=99:99 \
			--hostname here --group-add 77 --cap-drop ALL --cap-add NET_RAW --cpuset-cpus 0 \
			--cpu-shares 512 --cpus 0.5 -m 128m --memory-swap 200m --shm-size 9m \
			--pids-limit 50 busybox sh -c "$script"
		expect $'10.1.2.3\tdb\n123\n1\n4096000\n99\nhere\nhere\n0 77\n1\n2000\n0\n9216'
	done
}

@test "a machine's disk has the size asked for" {
	expect_status 0 hull run --rm --isolation vm --storage-opt size=1g busybox sh -c \
		'df -m / | tail -n 1 | tr -s " " | cut -d" " -f2'
	[ "$output" -gt 900 ]
	[ "$output" -le 1024 ]
}

@test "options that the engine keeps are shown and followed" {
	printf 'from=file\n# comment\nother=x\n' >"$store/labels"
	hull run -d --name keeps --label-file "$store/labels" --label from=option --stop-timeout 0 \
		--stop-signal USR1 --log-opt max-size=1m --log-opt max-file=2 --cpu-shares 512 \
		--memory-swap 200m -m 100m --pull never busybox sh -c 'trap "" USR1; while :; do sleep 1; done'
	run hull inspect --format '{{index .Config.Labels "from"}} {{index .Config.Labels "other"}}
		{{- " "}}{{.Config.StopTimeout}} {{.Config.StopSignal}} {{.HostConfig.CpuShares}}
		{{- " "}}{{.HostConfig.MemorySwap}}' keeps
	expect "option x 0 USR1 512 209715200"
	# Its stop signal is ignored, and it is given no time.
	expect_status 0 timeout 8 hull stop keeps
	run hull inspect --format '{{.State.ExitCode}}' keeps
	expect 137
	expect_status 125 hull run --rm --pull always busybox true
	expect_part "hint: hull image import"
}

@test "an end that another command records first is told as it is" {
	for options in "" "--rm"; do
		# shellcheck disable=SC2086
		hull run $options --name ends busybox sh -c \
			'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done' >"$store/out" 2>&1 3>&- &
		local client=$!
		await grep -q ready "$store/out"
		kill -STOP $client
		hull kill -s TERM ends
		await sh -c '[ -z "$(hull ps -q)" ]'
		kill -CONT $client
		status=0
		wait $client || status=$?
		[ "$status" = 7 ]
		[ "$(cat "$store/out")" = ready ]
		hull rm -f ends >/dev/null 2>&1 || true
	done
}

@test "--sig-proxy passes signals on, unless it is off" {
	hull run --name proxied busybox sh -c \
		'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done' >"$store/out" 3>&- &
	local client=$!
	await grep -q ready "$store/out"
	kill -TERM $client
	status=0
	wait $client || status=$?
	[ "$status" = 7 ]
	hull run --name alone --sig-proxy=false busybox sh -c \
		'trap "exit 7" TERM; echo ready; while :; do sleep 0.05; done' >"$store/out2" 3>&- &
	client=$!
	await grep -q ready "$store/out2"
	kill -TERM $client
	wait $client || true
	run hull inspect --format '{{.State.Status}}' alone
	expect running
}
