# SPDX-License-Identifier: Apache-2.0
# common.bash - what the bats files share: a store of their own with one image, and its removal
# shellcheck shell=bash

build=${HULL_TEST_BUILD:-$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/build}

# Once a file: a store below the build directory, busybox in it.
make_store() {
	mkdir -p "$build/tmp"
	store=$(mktemp -d "$build/tmp/bats.XXXXXX")
	chmod 755 "$store"
	mkdir "$store/host"
	export HULL_ROOT=$store/root HULL_RUN_ROOT=$store/run store build
	export PATH=$build/bin:$PATH
	python3 "$BATS_TEST_DIRNAME/../lib/leaks.py" save "$store/before" "$store"
	hull image bootstrap busybox >/dev/null
}

# Everything of the store goes; what stays on the machine fails the file.
remove_store() {
	local id
	for id in $(hull ps -aq); do hull rm -f "$id" >/dev/null 2>&1 || true; done
	hull volume prune --force >/dev/null 2>&1 || true
	hull images -q --no-trunc | sort -u | xargs -r hull image rm -f >/dev/null 2>&1 || true
	hull system check >&2
	python3 "$BATS_TEST_DIRNAME/../lib/leaks.py" check "$store/before" "$store" >&2
	rm -rf "$store"
}

# After each test: no container is left to the next one.
remove_containers() {
	local id
	for id in $(hull ps -aq); do hull rm -f "$id" >/dev/null 2>&1 || true; done
}

# expect_status N COMMAND...: run it as bats' run does and compare
expect_status() {
	local want=$1
	shift
	run "$@"
	if [ "$status" != "$want" ]; then
		echo "status $status instead of $want: $*"
		echo "$output"
		return 1
	fi
}

# expect_error: the last run failed, and it was Hull that did not do it
expect_error() {
	case $status in 1 | 125) ;; *)
		echo "status $status instead of 1 or 125"
		echo "$output"
		return 1
		;;
	esac
}

# expect TEXT: the output of the last run is exactly that
expect() {
	if [ "$output" != "$1" ]; then
		printf 'output is  %q\ninstead of %q\n' "$output" "$1"
		return 1
	fi
}

# expect_part TEXT: the output of the last run has it
expect_part() {
	case $output in *"$1"*) ;; *)
		printf 'output is %q\nwithout   %q\n' "$output" "$1"
		return 1
		;;
	esac
}

# await COMMAND...: until it succeeds, at most 20 s on the machines that tests are made for
await() {
	local deadline=$((SECONDS + ${AWAIT_S:-20} * ${HULL_TEST_SLOW:-1}))
	until "$@" >/dev/null 2>&1; do
		if [ $SECONDS -ge $deadline ]; then
			echo "never came true: $*"
			return 1
		fi
		sleep 0.02
	done
}

# make_initramfs FILE [MODULE...]: for $kernel, with busybox, the modules unless it has everything built in, and the
# init on stdin
make_initramfs() {
	local file=$1 module top=$1.d
	shift
	case $kernel in */vmlinux) set -- ;; esac
	rm -rf "$top"
	mkdir -p "$top/bin"
	cp "$(command -v busybox)" "$top/bin/busybox"
	for module in "$@"; do
		find "${kernel%/boot/*}/lib/modules/${kernel##*/vmlinuz-}" -name "$module.ko" -exec cp {} "$top" \;
		[ -e "$top/$module.ko" ]
	done
	{
		printf '%s\n' '#!/bin/busybox sh' 'export PATH=/bin' 'busybox mkdir -p /proc /sys /dev' \
			'busybox mount -t proc proc /proc' 'busybox mount -t sysfs sys /sys' \
			'busybox mount -t devtmpfs dev /dev'
		for module in "$@"; do echo "busybox insmod /$module.ko"; done
		cat
	} >"$top/init"
	chmod 755 "$top/init"
	(cd "$top" && find . | busybox cpio -o -H newc 2>/dev/null) >"$file"
}
