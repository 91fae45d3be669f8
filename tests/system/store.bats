#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
#
# store.bats - images, volumes and system commands, as Docker's users know them

bats_require_minimum_version 1.5.0
load ../lib/common.bash

setup_file() {
	make_store
}

teardown_file() {
	remove_store
}

teardown() {
	remove_containers
}

# One more image with a layer of its own: a file system of one file.
import_small() {
	mkdir -p "$store/small"
	echo "$1" >"$store/small/file"
	tar --mtime=@0 -C "$store/small" -cf "$store/small.tar" .
	hull image import -q --name "$1" "$store/small.tar"
}

@test "images: table, quiet, json, template, reference" {
	expect_status 0 hull images
	expect_part "REPOSITORY"
	expect_part "busybox"
	id=$(hull images -q busybox)
	[ ${#id} = 12 ]
	expect_status 0 hull image ls --no-trunc -q busybox:latest
	expect_part "sha256:$id"
	expect_status 0 hull images --format '{{.Repository}}:{{.Tag}} {{.ID}}'
	expect "busybox:latest $id"
	[ "$(hull images --format json | python3 -c 'import json,sys; print(json.load(sys.stdin)["Tag"])')" = latest ]
	expect_status 0 hull images --digests
	expect_part "DIGEST"
	expect_status 0 hull images -q nothing
	expect ""
}

@test "images: filters" {
	import_small alpha
	id=$(hull images -q alpha)
	expect_status 0 hull images -q --filter reference='al*'
	expect "$id"
	expect_status 0 hull images -q --filter since=busybox
	expect "$id"
	expect_status 0 hull images -q --filter dangling=true
	expect ""
	import_small beta
	hull tag beta alpha
	expect_status 0 hull images -q --filter dangling=true
	expect "$id"
	expect_status 1 hull images --filter colour=red
	expect_part "invalid filter 'colour=red'"
	hull image prune -f
	expect_status 0 hull images -q --filter dangling=true
	expect ""
	hull rmi alpha beta
}

@test "image prune: dangling=false takes those with a name, too; label chooses" {
	import_small plain
	tar -C "$store/host" -cf - . | hull import -c 'LABEL kind=prunable' - prunable
	hull image prune -f --filter dangling=true --filter label=kind
	expect_status 0 hull images -q prunable
	[ -n "$output" ]
	hull image prune -f --filter dangling=false --filter label=kind
	expect_status 0 hull images -q prunable
	expect ""
	expect_status 1 hull system prune -f --filter dangling=true
	expect_part "keys here: until, label, label!"
	expect_status 1 hull volume prune -f --filter until=1h
	expect_part "keys here: label, label!"
	hull rmi plain
}

@test "tag, then remove names before the image" {
	import_small gamma
	hull tag gamma example.com:5000/x/gamma:1
	expect_status 0 hull rmi gamma
	expect "Untagged: gamma:latest"
	id=$(hull images --no-trunc -q example.com:5000/x/gamma:1)
	expect_status 0 hull image rm example.com:5000/x/gamma:1
	expect_part "Untagged: example.com:5000/x/gamma:1"
	expect_part "Deleted: $id"
	expect_status 1 hull rmi gamma
	expect_part "no such image: gamma"
	expect_status 1 hull tag busybox Wrong/Name
	expect_part "invalid reference format"
}

@test "rmi: an image in use is refused, a forced one goes with its last container" {
	import_small delta
	hull create --name user delta /file >/dev/null
	expect_status 1 hull rmi delta
	expect_part "is being used by stopped container"
	expect_part "hint: remove the container first"
	expect_status 0 hull rmi -f delta
	expect "Untagged: delta:latest"
	expect_status 0 hull images -q --filter dangling=true
	[ -n "$output" ]
	hull rm user
	hull image prune -f
	expect_status 0 hull images -q --filter dangling=true
	expect ""
}

@test "rmi -f: the name of an image that runs goes, the image does not" {
	hull tag busybox only
	hull rmi busybox
	hull run -d --name runs only sleep 1000000
	id=$(hull images -q --no-trunc only)
	expect_status 1 hull rmi -f "$id"
	expect_part "cannot be forced"
	expect_status 0 hull rmi -f only
	expect "Untagged: only:latest"
	expect_status 0 hull exec runs true
	hull tag "$id" busybox
	hull rm -f runs
}

@test "image inspect: array, template, absent" {
	expect_status 0 hull image inspect busybox --format '{{.Os}}/{{index .RepoTags 0}}'
	expect "linux/busybox:latest"
	layers=$(hull image inspect busybox | python3 -c 'import json,sys; print(len(json.load(sys.stdin)[0]["RootFS"]["Layers"]))')
	[ "$layers" = 1 ]
	run --separate-stderr hull image inspect nothing
	[ "$status" = 1 ]
	expect "[]"
}

@test "history: one line a step, newest first" {
	expect_status 0 hull history busybox
	expect_part "CREATED BY"
	expect_status 0 hull history -q busybox
	expect "$(hull images -q busybox)"
}

@test "volume: create, list, inspect, use, remove" {
	expect_status 0 hull volume create --label a=b data
	expect data
	expect_status 0 hull volume ls -q --filter label=a=b
	expect data
	expect_status 0 hull volume ls -q --filter label=a=c
	expect ""
	expect_status 0 hull volume inspect data --format '{{.Labels.a}} {{.Driver}}'
	expect "b local"
	path=$(hull volume inspect data --format '{{.Mountpoint}}')
	[ -d "$path" ]
	hull create --name user -v data:/data busybox true >/dev/null
	expect_status 1 hull volume rm data
	expect_part "volume is in use"
	expect_status 0 hull volume ls -q --filter dangling=true
	expect ""
	hull rm user
	expect_status 0 hull volume rm data
	[ ! -e "$path" ]
	expect_status 1 hull volume rm data
	expect_part "no such volume: data"
	expect_status 0 hull volume rm -f data
	expect_status 1 hull volume create a/b
	expect_part "is not a volume name"
	expect_status 125 hull volume create -o size=1 data
}

@test "volume prune: anonymous ones, with -a all" {
	hull volume create kept >/dev/null
	hull volume create >/dev/null
	expect_status 0 hull volume prune -f
	expect_part "Total reclaimed space"
	expect_status 0 hull volume ls -q
	expect kept
	expect_status 0 hull volume prune -af
	expect_part kept
	expect_status 0 hull volume ls -q
	expect ""
}

@test "system df: the sum is du's" {
	hull volume create data >/dev/null
	hull run --name full -v data:/data busybox dd if=/dev/zero of=/data/big bs=64k count=3
	sync
	sum=0
	for n in $(hull system df --format '{{.SizeBytes}}'); do sum=$((sum + n)); done
	[ "$sum" = "$(du -s -B1 "$HULL_ROOT" | cut -f1)" ]
	expect_status 0 hull system df
	expect_part "Local Volumes   1"
	expect_status 0 hull system df -v
	expect_part "Containers space usage:"
	expect_part "full"
	hull rm full
	hull volume rm data
}

@test "system prune: asks, then removes stopped containers and images without a name" {
	import_small epsilon
	import_small zeta
	hull tag zeta epsilon
	hull create --name idle busybox true >/dev/null
	run hull system prune <<<n
	[ "$status" = 0 ]
	expect_status 0 hull ps -aq --filter name=idle
	[ -n "$output" ]
	run hull system prune <<<y
	[ "$status" = 0 ]
	expect_part "Deleted Containers:"
	expect_part "Total reclaimed space:"
	expect_status 0 hull ps -aq
	expect ""
	expect_status 0 hull images -q --filter dangling=true
	expect ""
	hull rmi epsilon zeta
}

@test "system check: finds damage, says what mends it" {
	expect_status 0 hull system check
	import_small eta
	diff_id=$(hull image inspect eta --format '{{index .RootFS.Layers 0}}')
	hex=${diff_id#sha256:}
	file=$HULL_ROOT/layers/${hex:0:2}/$hex.v2.erofs
	# The content of /file, wherever it lies in the layer.
	at=$(grep -obUa eta "$file" | head -1 | cut -d: -f1)
	printf 'ETA' | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
	expect_status 0 hull system check -q
	expect_status 1 hull system check --repair
	expect_part "its content is damaged: import its image again"
	run hull run --rm eta /file
	[ "$status" = 125 ]
	expect_part "is not in the store"
	import_small eta
	expect_status 0 hull system check --repair
	hull rmi eta
}

@test "layers are mounted only while they are used, and not in the host's mount table" {
	hull run -d --name one busybox sleep 1000 >/dev/null
	hull run -d --name two busybox sleep 1000 >/dev/null
	run ! grep -q " erofs .*$HULL_ROOT" /proc/self/mountinfo
	[ "$(find "$HULL_RUN_ROOT/layers" -mindepth 1 -maxdepth 1 -type d | wc -l)" = 1 ]
	hull rm -f one >/dev/null
	mountpoint -q "$HULL_RUN_ROOT/layers"
	hull rm -f two >/dev/null
	run ! mountpoint -q "$HULL_RUN_ROOT/layers"
}

@test "a command in the foreground has mounts of its own while it is the only one" {
	mkfifo "$store/in"
	hull run --rm --name alone -i busybox cat <"$store/in" >"$store/out" 3>&- &
	exec 7>"$store/in"
	echo up >&7
	await grep -q up "$store/out"
	run ! mountpoint -q "$HULL_RUN_ROOT/layers"
	[ "$(hull run --rm busybox sh -c 'echo more')" = more ]
	hull run -d --name other busybox sleep 1000 >/dev/null
	mountpoint -q "$HULL_RUN_ROOT/layers"
	hull rm -f other >/dev/null
	exec 7>&-
	wait $!
	run ! mountpoint -q "$HULL_RUN_ROOT/layers"
	expect_status 0 hull system check
	rm "$store/in" "$store/out"
}

# synced COMMAND...: how often it waits for the disk; "failed" if it does
synced() {
	strace -f -qq -o "$store/calls" -e trace=execve,fsync,fdatasync,sync,syncfs,msync,sync_file_range "$@" >/dev/null &&
		grep -q execve "$store/calls" || { echo failed; return; }
	grep -c 'sync.*(' "$store/calls" || true
}

@test "runs never wait for the disk, however many; what has to be durable waits once" {
	for _ in $(seq 60); do
		[ "$(synced hull run --rm busybox true)" = 0 ]
	done
	# The next command that changes something takes the log of all of them along.
	[ "$(stat -c %s "$HULL_ROOT/db.sqlite-wal")" -gt 1048576 ]
	hull volume create taken
	[ "$(stat -c %s "$HULL_ROOT/db.sqlite-wal")" -le 1048576 ]
	# Also right behind that.
	[ "$(synced hull run --rm busybox true)" = 0 ]
	import_small durable
	# The log, and the directory that it is in.
	[ "$(synced hull image rm durable)" -le 2 ]
	hull volume rm taken
	rm "$store/calls"
}

@test "save and load: file, stdin and stdout" {
	hull save -o "$store/a.tar" busybox
	hull save busybox >"$store/b.tar"
	hull save busybox | cat >"$store/c.tar"
	cmp "$store/a.tar" "$store/b.tar"
	cmp "$store/a.tar" "$store/c.tar"
	expect_status 0 hull load -q <"$store/a.tar"
	expect_status 0 hull load -q -i "$store/a.tar"
	hull import -q - saved:1 <"$store/a.tar"
	[ "$(hull images -q saved:1)" = "$(hull images -q busybox)" ]
	hull rmi saved:1
	expect_status 1 hull save -o "$store/none.tar" nothing
	[ ! -e "$store/none.tar" ]
}

@test "save several images, and one under several names; what they share is there once" {
	import_small one
	hull tag busybox box:2
	hull save -o "$store/many.tar" busybox one box:2 one
	tar -tf "$store/many.tar" | sort >"$store/members"
	[ -z "$(uniq -d "$store/members")" ]
	[ "$(grep -c 'blobs/sha256/.' "$store/members")" = 6 ]
	run sh -c 'tar -xOf "$1" index.json | jq -r ".manifests[].annotations[\"org.opencontainers.image.ref.name\"]"' \
		sh "$store/many.tar"
	expect "busybox:latest
box:2
one:latest"
	ids=$(hull images -q --no-trunc busybox one | sort)
	hull rmi one box:2
	expect_status 0 hull load -i "$store/many.tar"
	expect_part "Loaded image: one:latest"
	expect_part "Loaded image: box:2"
	[ "$(hull images -q --no-trunc busybox one | sort)" = "$ids" ]
	expect_status 1 hull save -o "$store/none.tar" one nothing
	[ ! -e "$store/none.tar" ]
	hull rmi one box:2
	rm "$store/many.tar" "$store/members"
}

@test "save -o writes to a fifo or a link and leaves it what it is" {
	hull save -o "$store/a.tar" busybox
	mkfifo "$store/fifo"
	cat "$store/fifo" >"$store/b.tar" 3>&- &
	reader=$!
	hull save -o "$store/fifo" busybox
	wait "$reader"
	[ -p "$store/fifo" ]
	cmp "$store/a.tar" "$store/b.tar"
	echo old >"$store/target"
	ln -s target "$store/link"
	hull save -o "$store/link" busybox
	[ -L "$store/link" ]
	cmp "$store/a.tar" "$store/target"
	rm "$store/fifo" "$store/link" "$store/target"
}

@test "a command that fails ends with 1, one that is misspelt with 125" {
	local command
	for command in "rmi nosuch" "volume rm nosuch" "volume inspect nosuch" "image inspect nosuch" \
		"history nosuch" "tag nosuch x" "system prune -f --filter x=y" "save nosuch" \
		"load -i nosuch" "import nosuch" "image bootstrap nosuch" "inspect nosuch" \
		"rm nosuch" "start nosuch" "start -a nosuch" "attach nosuch" "cp nosuch:/x y" "logs nosuch" "image rm"; do
		# shellcheck disable=SC2086
		expect_status 1 hull $command
		expect_part "hull: "
	done
	for command in "rmi --nosuch" "volume rm --nosuch" "create nosuch" "exec nosuch x" "start --nosuch x"; do
		# shellcheck disable=SC2086
		expect_status 125 hull $command
	done
}

@test "a container is gone with rm, its files with the next command if rm is killed" {
	hull run --name many busybox sh -c 'mkdir /d && touch /d/1 /d/2'
	run env HULL_FAILPOINT=container-removed hull rm many
	[ "$status" = 137 ]
	expect_status 0 hull ps -aq
	expect ""
	[ -n "$(ls "$HULL_ROOT/removed")" ]
	hull volume create next
	[ -z "$(ls "$HULL_ROOT/removed")" ]
	hull volume rm next
	hull run --name many busybox touch /file
	run env HULL_FAILPOINT=rw-discarded hull rm many
	hull rm many
	[ -z "$(ls "$HULL_ROOT/removed")" ]
}

@test "system check tells of files of a removed container that cannot be removed" {
	hull run --name first busybox touch /file
	hull run --name second busybox touch /file
	run env HULL_FAILPOINT=container-removed hull rm first
	[ "$status" = 137 ]
	left=$HULL_ROOT/removed/$(ls "$HULL_ROOT/removed")
	mount -t tmpfs tmpfs "$left/upper"
	expect_status 0 hull volume create next
	run hull rm second
	expect_status 1 hull system check --repair
	expect_part "is removed, its files cannot be"
	[ "$(ls "$HULL_ROOT/removed")" = "${left##*/}" ]
	umount "$left/upper"
	# Without --repair it only looks.
	expect_status 0 hull system check
	[ "$(ls "$HULL_ROOT/removed")" = "${left##*/}" ]
	expect_status 0 hull system check --repair
	[ -z "$(ls "$HULL_ROOT/removed")" ]
	hull volume rm next
}
