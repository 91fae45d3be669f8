#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# evil.bats - hostile archives: each refused with its reason, the store unchanged, nothing outside touched

load ../lib/common

setup_file() {
	make_store
	mkdir "$store/outside"
	echo secret >"$store/outside/secret"
	"$BATS_TEST_DIRNAME/../lib/images.py" evil "$store/evil"
}
teardown_file() { remove_store; }

# Everything in the store but the database's log and folders that only spread the layers, with sizes.
store_state() {
	hull image ls --no-trunc
	find "$HULL_ROOT" -path "$HULL_ROOT/db.sqlite*" -prune -o -path "$HULL_ROOT/layers/??" -o -printf '%p %s %y %m\n' | sort
}

outside_state() {
	find "$store/outside" -printf '%p %s %T@ %m %n\n' | sort
	sha256sum "$store/outside/secret"
}

# refused NAME...: import fails with the reason in NAME.why and leaves no trace
refused() {
	local name before outside
	for name; do
		before=$(store_state) outside=$(outside_state)
		run hull image import --quiet "$store/evil/$name.tar" --name evil
		if [ "$status" = 0 ]; then echo "$name was taken"; return 1; fi
		[ "$status" -lt 126 ]
		expect_part "hull: "
		[ -s "$store/evil/$name.why" ]
		expect_part "$(cat "$store/evil/$name.why")"
		[ "$(store_state)" = "$before" ] || { echo "$name changed the store"; return 1; }
		[ "$(outside_state)" = "$outside" ]
		[ ! -e "$store/escaped" ]
		[ ! -e /escaped ]
	done
}

@test "names with .." { refused dotdot dotdot-inside dotdot-oci dotdot-inside-oci; }
@test "absolute names" { refused absolute absolute-oci; }
@test "a parent that is a symlink" { refused symlinked-parent symlinked-parent-oci; }
@test "hardlinks out of the tree" {
	refused hardlink-out hardlink-absolute hardlink-through-link hardlink-out-oci \
		hardlink-absolute-oci hardlink-through-link-oci
}
@test "3,000 levels" { refused levels levels-oci; }
@test "a bomb of 256 MiB" { refused bomb; }
@test "a bomb that its owner trusts" {
	run hull image import --quiet "$store/evil/bomb.tar" --name zeroes
	expect_part "hint: "
	expect_part --max-ratio
	expect_status 0 hull image import --quiet --max-ratio 2000 "$store/evil/bomb.tar" --name zeroes
	expect_status 0 hull image rm zeroes
	run hull image import --quiet --max-ratio x "$store/evil/bomb.tar" --name zeroes
	[ "$status" != 0 ]
}
@test "a layer that hides all layers below it" { refused opaque-root; }
@test "hard links to what no layer has, and to a folder below" {
	refused hardlink-nowhere hardlink-folder hardlink-rootfs
}
@test "duplicate keys" { refused duplicate-key-config duplicate-key-manifest duplicate-key-index; }
@test "wrong digests" { refused wrong-layer-digest wrong-config-digest wrong-diff-id short-digest; }
@test "archives that end early or lack a layer" { refused truncated truncated-gzip missing-layer; }

@test "afterwards the store is whole and works" {
	expect_status 0 hull system check
	expect_status 0 hull run --rm busybox true
}
