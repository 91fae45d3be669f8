#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bootstrap.bats - bootstrap debian: what mmdebstrap is asked for, what users are told, ^C; with HULL_TEST_LONG a real one

load ../lib/common

setup_file() {
	make_store
	mkdir "$store/bin" "$store/rootfs"
	echo content >"$store/rootfs/file"
	# A stand-in: notes how it is called, then does what $FAKE says.
	cat >"$store/bin/mmdebstrap" <<-'END'
		#!/bin/sh
		printf '%s\n' "$@" >"$store/args"
		echo "I: running apt-get update..." >&2
		case $FAKE in
		good) tar -C "$store/rootfs" --mtime=@1000000000 --owner=0 --group=0 -cf - . ;;
		suite) printf 'Err:2 http://x Release\n  404  Not Found\nE: mmdebstrap failed to run\n' >&2; exit 25 ;;
		network) printf 'E: Failed to fetch http://x  Could not connect to x\n' >&2; exit 25 ;;
		half) tar -C "$store/rootfs" -cf - . | head -c 1024; echo "E: disk full" >&2; exit 25 ;;
		wait) trap 'rm "$store/temporary"; exit 25' INT
			touch "$store/temporary"
			while :; do sleep 0.05; done ;;
		esac
	END
	chmod 755 "$store/bin/mmdebstrap"
}
teardown_file() { remove_store; }

fake() {
	FAKE=$1 PATH=$store/bin:$PATH run hull image bootstrap "${@:2}"
}

store_files() { find "$HULL_ROOT/layers" "$HULL_ROOT/content" -type f | sort; }

@test "packages and suite reach mmdebstrap, and nothing that is none" {
	fake good debian:sid --include curl,jq --include vim --name d:1
	[ "$status" = 0 ]
	expect_part "d:1"
	for arg in --include=procps --include=curl,jq --include=vim sid -; do
		grep -qxe "$arg" "$store/args"
	done
	for bad in debian:-x debian:a/b 'debian:a b' debian:; do
		rm "$store/args"
		fake good "$bad"
		expect_error
		[ ! -e "$store/args" ]
		touch "$store/args"
	done
	fake good debian --include '?essential'
	expect_error
	expect_part "no list of packages"
}

@test "SOURCE_DATE_EPOCH makes the same image of the same files" {
	export SOURCE_DATE_EPOCH=1234567890
	fake good debian:sid --quiet --name same:1
	id=$output
	fake good debian:sid --quiet --name same:2
	expect "$id"
	run hull image inspect --format '{{.Created}}' same:1
	expect_part 2009-02-13T23:31:30
}

@test "a failure has its reason, and leaves nothing" {
	before=$(store_files)
	fake suite debian:nosuch
	expect_error
	expect_part "no suite nosuch in the archive"
	expect_part "hint:"
	fake network debian:sid
	expect_error
	expect_part "cannot be reached"
	fake half debian:sid
	expect_error
	expect_part "disk full"
	FAKE=good PATH=$build/bin run hull image bootstrap debian:sid
	expect_error
	expect_part "install the package mmdebstrap"
	[ "$(store_files)" = "$before" ]
}

@test "an interrupt waits for mmdebstrap to clean up, and leaves nothing" {
	before=$(store_files)
	FAKE=wait PATH=$store/bin:$PATH setsid -f bash -c \
		'trap "" TERM; trap - INT; echo $$ >"$store/leader"
		hull image bootstrap debian:sid; echo $? >"$store/ended"' >/dev/null 2>&1 3>&-
	await test -e "$store/temporary"
	kill -INT -- "-$(cat "$store/leader")"
	await test -e "$store/ended"
	[ "$(cat "$store/ended")" != 0 ]
	[ ! -e "$store/temporary" ]
	[ "$(store_files)" = "$before" ]
	rm "$store/leader" "$store/ended"
}

@test "a real one, at both levels: ps, apt-get, bash, stty" {
	[ "${HULL_TEST_LONG:-}" ] || skip "long"
	hull image bootstrap --quiet debian
	for level in container vm; do
		run hull run --rm --isolation "$level" debian ps -C ps -o comm=
		expect ps
		run hull run --rm --isolation "$level" debian sh -c 'apt-get --version >/dev/null && bash --version >/dev/null &&
			stty --version >/dev/null && ls /var/lib/apt/lists /var/cache/apt/archives | grep -c deb'
		expect 0
	done
}
