#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# good.bats - images in every format: import, list, run, save; layers are what their tars say

load ../lib/common

setup_file() {
	make_store
	"$BATS_TEST_DIRNAME/../lib/images.py" good "$store/good"
}
teardown_file() { remove_store; }
teardown() { remove_containers; }

# Does a container of that image see what the two layers of images.py make?
sees_layers() {
	run hull run --rm "$1" sh -c 'cat /etc/keep /opaque/new /becomes-file; test -e /etc/gone ||
		echo; ls /opaque /odd/empty; stat -c "%a %u %g" /odd /odd/setuid; cat /implied/parent/file;
		stat -c %h /odd/block; ls /many | sha256sum'
	expect "145
/odd/empty

/opaque:
new
1770 7 8
4755 1000 100
parents that the archive does not name3
$(seq -f %04g 0 1499 | sha256sum)"
}

@test "OCI archives and layouts: none, gzip, zstd" {
	for form in oci-none.tar oci-gzip.tar oci-zstd.tar layout-none layout-gzip layout-zstd; do
		expect_status 0 hull image import --quiet "$store/good/$form" --name "form:$form"
		sees_layers "form:$form"
	done
}

@test "all of them share their layers" {
	[ "$(find "$HULL_ROOT/layers" -name '*.erofs' | wc -l)" = 3 ]
}

@test "Docker archives, with the manifest first and last" {
	for form in docker-first docker-last; do
		expect_status 0 hull image import --quiet "$store/good/$form.tar"
		run hull images --format '{{.Repository}}:{{.Tag}}'
		expect_part good:docker
		sees_layers good:docker
		hull image rm good:docker
	done
}

@test "plain root filesystems, with --change" {
	for form in rootfs.tar rootfs.tar.gz rootfs.tar.zst; do
		expect_status 0 hull image import --quiet "$store/good/$form" --name "plain:$form" \
			--change 'CMD ["sh", "-c", "echo from CMD $WORD"]' --change 'ENV WORD=set'
		run hull run --rm "plain:$form"
		expect "from CMD set"
	done
}

@test "what a layer holds is what GNU tar makes of it" {
	hull image import --quiet "$store/good/odd.tar" --name odd
	id=$(hull image inspect --format '{{index .RootFS.Layers 0}}' odd)
	file=$(find "$HULL_ROOT/layers" -name "*${id#sha256:}*.erofs")
	[ -f "$file" ]
	mkdir "$store/mnt"
	mount -t erofs -o ro,loop "$file" "$store/mnt"
	run "$BATS_TEST_DIRNAME/../lib/images.py" compare "$store/good/odd.tar" "$store/mnt"
	umount "$store/mnt"
	rmdir "$store/mnt"
	expect ""
}

@test "fsck.erofs accepts every layer" {
	find "$HULL_ROOT/layers" -name '*.erofs' >"$store/list"
	[ -s "$store/list" ]
	while read -r file; do
		expect_status 0 fsck.erofs "$file"
	done <"$store/list"
	rm "$store/list"
}

@test "save gives back the bytes that came in" {
	hull image import --quiet "$store/good/oci-none.tar" --name back
	hull image save -o "$store/saved.tar" back
	mkdir "$store/saved"
	tar -xf "$store/saved.tar" -C "$store/saved"
	for digest in $(hull image inspect back | jq -r '.[0].RootFS.Layers[]'); do
		[ "$(sha256sum <"$store/saved/blobs/sha256/${digest#sha256:}" | cut -d' ' -f1)" = "${digest#sha256:}" ]
	done
	expect_status 0 hull image import --quiet "$store/saved.tar" --name again
	expect "$(hull image inspect --format '{{.Id}}' back)"
	rm -r "$store/saved" "$store/saved.tar"
}

@test "save of kept blobs gives back the archive's own manifest" {
	export HULL_ROOT=$store/kept
	hull image import --quiet --keep-blobs "$store/good/oci-gzip.tar" --name kept
	hull image save -o "$store/kept.tar" kept
	mkdir "$store/came" "$store/went"
	tar -xf "$store/good/oci-gzip.tar" -C "$store/came"
	tar -xf "$store/kept.tar" -C "$store/went"
	diff -r "$store/came/blobs" "$store/went/blobs"
	hull image rm kept
	[ -z "$(find "$HULL_ROOT/layers" -type f)" ]
	rm -r "$store/came" "$store/went" "$store/kept.tar" "$HULL_ROOT"
}

@test "blobs are kept of layers that are there, and of Docker archives" {
	export HULL_ROOT=$store/kept
	hull image import --quiet "$store/good/oci-none.tar" --name plain
	hull image import --quiet --keep-blobs "$store/good/oci-gzip.tar" --name kept
	hull image save -o "$store/kept.tar" kept
	mkdir "$store/came" "$store/went"
	tar -xf "$store/good/oci-gzip.tar" -C "$store/came"
	tar -xf "$store/kept.tar" -C "$store/went"
	diff -r "$store/came/blobs" "$store/went/blobs"
	hull image rm plain kept
	hull image import --quiet --keep-blobs "$store/good/docker-gzip.tar" --name kept
	hull image save -o "$store/kept.tar" kept
	rm -r "$store/came" "$store/went"
	mkdir "$store/came" "$store/went"
	tar -xf "$store/good/docker-gzip.tar" -C "$store/came"
	find "$store/came" -name layer.tar -exec sha256sum {} + >"$store/sums"
	tar -xf "$store/kept.tar" -C "$store/went"
	# Its layers, as they were compressed; the manifest is made up.
	for digest in $(jq -r '.manifests[0].digest' "$store/went/index.json"); do
		jq -r '.layers[] | .mediaType, .digest' "$store/went/blobs/sha256/${digest#sha256:}" >"$store/layers"
	done
	[ "$(grep -c 'tar+gzip$' "$store/layers")" = 2 ]
	for digest in $(grep '^sha256:' "$store/layers"); do
		grep -q "^${digest#sha256:} " "$store/sums"
		[ "$(sha256sum <"$store/went/blobs/sha256/${digest#sha256:}" | cut -d' ' -f1)" = "${digest#sha256:}" ]
	done
	expect_status 0 hull system check
	hull image rm kept
	[ -z "$(find "$HULL_ROOT/layers" -type f)" ]
	rm -r "$store/came" "$store/went" "$store/kept.tar" "$store/layers" "$store/sums" "$HULL_ROOT"
}

@test "an image that has a layer twice" {
	export HULL_ROOT=$store/twice
	expect_status 0 hull image import --quiet "$store/good/twice.tar" --name twice
	run hull image inspect --format '{{json .RootFS.Layers}}' twice
	[ "$(jq 'length' <<<"$output")" = 5 ]
	[ "$(find "$HULL_ROOT/layers" -name '*.erofs' | wc -l)" = 3 ]
	hull image rm twice
	rm -r "$HULL_ROOT"
}

@test "folders that layers imply are as the layers below say" {
	hull image import --quiet "$store/good/cover.tar" --name cover
	run hull run --rm cover stat -c '%n %a %u %g %Y' /tmp /home /home/user /plain /gone /hidden /again
	expect "/tmp 1777 0 0 1700000000
/home 755 0 0 1700000000
/home/user 700 1000 100 1700000000
/plain 755 0 0 0
/gone 755 0 0 0
/hidden 755 0 0 0
/again 711 0 0 1700000000"
	run hull run --rm cover ls /tmp /hidden /again
	expect "/again:
f

/hidden:
f

/tmp:
x
y"
}

@test "hard links to files of layers below" {
	run hull run --rm cover sh -c 'cd /links; stat -c "%n %h %a %u" *; cat one two three old /data/replaced;
		sha256sum <large; cat /data/twin; test /data/file -ef one && test two -ef /data/twin && echo same'
	expect "large 2 644 0
link 2 777 0
old 1 644 0
one 5 640 7
sparse 2 644 0
three 5 640 7
two 5 640 7
contentcontentcontentoldnew$(python3 -c 'import sys; sys.stdout.buffer.write(bytes(range(256)) * 4000)' | sha256sum)
contentsame"
}

@test "a hard link to a sparse file of a layer below: 100 GiB, of which hardly a byte is there" {
	run hull run --rm cover sh -c 'stat -c %s links/sparse; head -c 5 links/sparse
		dd if=links/sparse bs=1M skip=101376 count=1 2>/dev/null | head -c 3; test links/sparse -ef data/sparse'
	[ "$status" = 0 ]
	expect "107374182400
startend"
	[ "$(du -s -BM "$HULL_ROOT" | cut -dM -f1)" -lt 100 ]
}

@test "a folder, then a hard link to a layer below, then a folder again: nothing of the first shows" {
	run hull run --rm cover ls -la /turns
	expect_part new
	[[ $output != *below* ]]
	run hull run --rm cover stat -c '%n %a' /turns
	expect "/turns 755"
}

@test "what covers an image is a layer like others, and no part of the image" {
	[ "$(hull image inspect cover | jq '.[0].RootFS.Layers | length')" = 3 ]
	[ "$(hull image history -q cover | wc -l)" = 3 ]
	before=$(find "$HULL_ROOT/layers" -name '*.erofs' | sort)
	for file in $before; do
		expect_status 0 fsck.erofs "$file"
	done
	hull image save -o "$store/saved.tar" cover
	mkdir "$store/saved"
	tar -xf "$store/saved.tar" -C "$store/saved"
	[ "$(find "$store/saved/blobs" -type f | wc -l)" = 5 ]
	for digest in $(hull image inspect cover | jq -r '.[0].RootFS.Layers[]'); do
		[ "$(sha256sum <"$store/saved/blobs/sha256/${digest#sha256:}" | cut -d' ' -f1)" = "${digest#sha256:}" ]
	done
	expect_status 0 hull image import --quiet "$store/saved.tar" --name again
	expect "$(hull image inspect --format '{{.Id}}' cover)"
	[ "$(find "$HULL_ROOT/layers" -name '*.erofs' | sort)" = "$before" ]
	expect_status 0 hull system check --repair
	hull image rm cover again
	[ "$(find "$HULL_ROOT/layers" -name '*.erofs' | wc -l)" = $(($(wc -l <<<"$before") - 4)) ]
	rm -r "$store/saved" "$store/saved.tar"
}

@test "a lowest layer that hides all below it, which is nothing" {
	expect_status 0 hull image import --quiet "$store/good/opaque-base.tar" --name opaque
	run hull run --rm opaque cat /upper
	expect 6
	hull image rm opaque
}

@test "many imports of the same layers at once" {
	export HULL_ROOT=$store/many
	local pids=() pid
	for form in oci-none oci-gzip oci-zstd docker-first twice docker-gzip; do
		timeout 60 hull image import --quiet "$store/good/$form.tar" --name "many:$form" 3>&- &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
	[ "$(find "$HULL_ROOT/layers" -name '*.erofs' | wc -l)" = 3 ]
	expect_status 0 hull system check
	hull images -q --no-trunc | sort -u | xargs hull image rm -f
	rm -r "$HULL_ROOT"
}

@test "a terminal has a bar for each layer, and is left clean" {
	export HULL_ROOT=$store/bars
	run script -qec "hull image import $store/good/oci-none.tar --name bars" /dev/null
	[ "$status" = 0 ]
	expect_part $'\r\e[J'
	expect_part ", "
	# The last that is drawn is taken off before the last line is printed.
	[[ ${output##*$'\e[J'} != *"["*"]"* ]]
	expect_part "Loaded image: bars:latest"
	hull image rm bars
	rm -r "$HULL_ROOT"
}

@test "tag, history, inspect, rm" {
	hull image import --quiet "$store/good/oci-gzip.tar" --name one
	hull image tag one two:v2
	run hull image history --format '{{.CreatedBy}}' two:v2
	expect "$(printf 'layer 1\nlayer 0')"
	run hull image inspect --format '{{index .Config.Labels "made"}}' one
	expect by-test
	run hull image rm one
	expect_part one
	expect_status 0 hull run --rm two:v2 true
}

@test "an image in use is not removed" {
	hull run -d --name uses busybox sleep 1000000
	run hull image rm busybox
	[ "$status" = 1 ]
	expect_part "image is being used by running container"
	expect_status 0 hull run --rm busybox true
}

@test "rm of all images leaves no layer" {
	for id in $(hull images -q --no-trunc | sort -u); do hull image rm -f "$id"; done
	[ -z "$(find "$HULL_ROOT/layers" "$HULL_ROOT/content" -type f)" ]
	expect_status 0 hull system check
	hull image bootstrap busybox
}
