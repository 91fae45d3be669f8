#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# vm.bats - hull vm run: kernels of the user's, their console, and how they end

load ../lib/common

setup_file() {
	mkdir -p "$build/tmp"
	place=$(mktemp -d "$build/tmp/bats.XXXXXX")
	chmod 755 "$place"
	export PATH=$build/bin:$PATH place build
	python3 "$BATS_TEST_DIRNAME/../lib/leaks.py" save "$place/before" "$place"
	cc -c -o "$place/tiny.o" "$BATS_TEST_DIRNAME/../lib/tiny_guest.S"
	ld -static -nostdlib -N --no-warn-rwx-segments --build-id=none -Ttext=0x100000 \
		-o "$place/tiny" "$place/tiny.o"
	find_kernels
}

# The default.
words='console=ttyS0 panic=-1 no_timer_check'

# The whole kernels that are here: Debian's (a bzImage with modules), and ours where it has been built.
find_kernels() {
	kernels=$(ls "${HULL_KERNEL_DIR:-$build/kernel}"/boot/vmlinuz-* | tail -n 1)
	[ -n "$kernels" ]
	if [ -e "$build/guest/vmlinux" ]; then
		kernels+=" $build/guest/vmlinux"
	else
		echo "# no guest/vmlinux (make guest-kernel): not with our kernel" >&3
	fi
	export kernels
}

teardown_file() {
	python3 "$BATS_TEST_DIRNAME/../lib/leaks.py" check "$place/before" "$place" >&2
	rm -rf "$place"
}

teardown() {
	[ -z "${pid:-}" ] || kill -9 "$pid" 2>/dev/null || true
}

# say TEXT OPTION...: boot the tiny guest, type TEXT once it has greeted, collect what it says
say() {
	local text=$1
	shift
	mkfifo "$place/in"
	rm -f "$place/out"
	exec 7<>"$place/in"
	hull vm run --kernel "$place/tiny" "$@" <"$place/in" >"$place/out" 2>"$place/err" 3>&- 7>&- &
	pid=$!
	await grep -q hello "$place/out"
	printf %s "$text" >&7
	finish
	exec 7>&-
	rm "$place/in"
}

# Wait for the end of $pid: $status
finish() {
	status=0
	wait $pid || status=$?
	unset pid
}

# ended_as STATUS TEXT: how the last machine ended, and what was said of it
ended_as() {
	[ "$status" = "$1" ]
	grep -q "the machine has ended: .*$2" "$place/err"
}

# The hypervisors that run the tiny guest here.
machines() {
	echo qemu
	if [ -w /dev/kvm ]; then echo hull-vmm; else echo "# no /dev/kvm: not on hull-vmm" >&3; fi
}

@test "a unikernel is heard and spoken to, and powers off" {
	for machine in $(machines); do
		say abco --machine "$machine" -m 128m
		[ "$status" = 0 ]
		[ "$(cat "$place/out")" = $'hello\nABC' ]
		[ ! -s "$place/err" ]
	done
}

@test "a reset is told by exit status 2" {
	for machine in $(machines); do
		say r --machine "$machine" -m 128m
		ended_as 2 "asked for a reset"
	done
}

@test "a triple fault is told by exit status 4, by QEMU as a reset" {
	for machine in $(machines); do
		say f --machine "$machine" -m 128m
		case $machine in
		qemu) ended_as 2 "asked for a reset" ;;
		*) ended_as 4 "triple fault" ;;
		esac
	done
}

@test "a panic that the guest tells of is told by exit status 3" {
	for machine in $(machines); do
		say p --machine "$machine" -m 128m
		ended_as 3 panic
	done
}

@test "long input arrives whole, however slowly it is read" {
	text=$(head -c 3000 /dev/zero | tr '\0' a)
	for machine in $(machines); do
		say "${text}o" --machine "$machine" -m 128m
		[ "$status" = 0 ]
		[ "$(tail -n 1 "$place/out" | tr -d '\n' | wc -c)" = 3000 ]
	done
}

@test "SIGKILL of hull ends the machine, SIGTERM too" {
	for signal in KILL TERM; do
		rm -f "$place/out"
		hull vm run --kernel "$place/tiny" -m 128m </dev/null >"$place/out" 3>&- &
		pid=$!
		await grep -q hello "$place/out"
		machine=$(pgrep -P $pid)
		[ -n "$machine" ]
		kill -$signal $pid
		finish
		[ "$status" = $((128 + $(kill -l $signal))) ]
		await sh -c "! kill -0 $machine"
	done
}

@test "a terminal is raw meanwhile, ^] ends the machine, and the terminal is as before" {
	run python3 - "$place/tiny" <<-'END'
	import os, pty, sys, termios, time
	pid, fd = pty.fork()
	if pid == 0:
	    os.execvp("hull", ["hull", "vm", "run", "-m", "128m", "--kernel", sys.argv[1]])
	before = termios.tcgetattr(fd)
	said = b""
	while b"hello" not in said:
	    said += os.read(fd, 4096)
	assert not termios.tcgetattr(fd)[3] & termios.ICANON
	os.write(fd, b"x\x03y")
	while b"Y" not in said:
	    said += os.read(fd, 4096)
	os.write(fd, b"\x1d")
	status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
	assert termios.tcgetattr(fd) == before
	print(status)
	END
	[ "$status" = 0 ]
	expect 130
}

@test "a reader that goes away ends it" {
	run bash -c "hull vm run -m 128m --kernel '$place/tiny' </dev/null | head -c 1; echo \${PIPESTATUS[0]}"
	expect h141
}

@test "a whole kernel boots with an initramfs and disks, one of them read-only" {
	for kernel in $kernels; do
		make_initramfs "$place/initramfs" virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci virtio_blk <<-'END'
		echo "cmdline: $(busybox cat /proc/cmdline)"
		echo "cpus: $(busybox nproc)"
		for disk in /sys/block/vd*; do
			name=$(busybox cat $disk/serial)
			dev=/dev/${disk##*/}
			echo "$name: $(busybox cat $disk/size) sectors, read-only $(busybox cat $disk/ro), says $(busybox head -n 1 $dev)"
			echo "here was the guest" | busybox dd of=$dev bs=512 conv=notrunc,fsync 2>/dev/null
		done
		busybox poweroff -f
		END
		echo "first" >"$place/disk"
		echo "second" >"$place/disk.ro"
		truncate -s 1m "$place/disk"
		truncate -s 2m "$place/disk.ro"
		expect_status 0 hull vm run --kernel "$kernel" --initrd "$place/initramfs" -m 256m --cpus 2 \
			--disk "$place/disk" --disk "$place/disk.ro:ro" --cmdline "$words quiet word=1" \
			</dev/null
		expect_part "cmdline: $words quiet word=1"
		expect_part "cpus: 2"
		expect_part "disk0: 2048 sectors, read-only 0, says first"
		expect_part "disk1: 4096 sectors, read-only 1, says second"
		[ "$(head -n 1 "$place/disk")" = "here was the guest" ]
		[ "$(head -n 1 "$place/disk.ro")" = second ]
	done
}

@test "a whole kernel's reset is told by exit status 2, its panic by 3" {
	for kernel in $kernels; do
		make_initramfs "$place/initramfs" pvpanic pvpanic-mmio <<-'END'
		for word in $(busybox cat /proc/cmdline); do
			case $word in
			end=*) echo "${word#end=}" >/proc/sysrq-trigger ;;
			esac
		done
		END
		for end in b:2:"asked for a reset" c:3:panic; do
			IFS=: read -r trigger want text <<<"$end"
			status=0
			hull vm run --kernel "$kernel" --initrd "$place/initramfs" -m 256m </dev/null \
				--cmdline "$words end=$trigger" >"$place/out" 2>"$place/err" || status=$?
			ended_as "$want" "$text"
			grep -q 'Linux version' "$place/out"
		done
	done
}

@test "a whole kernel's console is the terminal: lines are typed, ^C is the guest's, ^] ends it" {
	for kernel in $kernels; do
		make_initramfs "$place/initramfs" <<-'END'
		busybox dmesg -n 1 # no line of the kernel's in the middle of ours
		echo "ready <$(busybox cat /proc/cmdline)>"
		while read -r line; do echo "<$line>"; done
		END
		run timeout $((120 * ${HULL_TEST_SLOW:-1})) python3 - "$kernel" "$place/initramfs" "$words" <<-'END'
		import os, pty, sys, termios
		pid, fd = pty.fork()
		if pid == 0:
		    os.execvp("hull", ["hull", "vm", "run", "-m", "256m", "--kernel", sys.argv[1], "--initrd", sys.argv[2]])
		before, said = termios.tcgetattr(fd), b""
		for typed, answer in (None, b"ready <" + sys.argv[3].encode()), (b"one\r", b"<one>"), (b"\x03\rtwo\r", b"<two>"):
		    os.write(fd, typed or b"")
		    while answer not in said:
		        said += os.read(fd, 4096)
		os.write(fd, b"\x1d")
		status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
		assert termios.tcgetattr(fd) == before
		print(status)
		END
		expect 130
	done
}

@test "SIGTERM presses the power button, and a whole kernel tells its process 1" {
	for kernel in $kernels; do
		make_initramfs "$place/initramfs" evdev button <<-'END'
		event=$(busybox grep -A 4 '"Power Button"' /proc/bus/input/devices | busybox grep -o 'event[0-9]*')
		exec 3<"/dev/input/$event"
		echo press it
		busybox head -c 1 <&3 >/dev/null
		echo it was pressed
		busybox poweroff -f
		END
		rm -f "$place/out"
		hull vm run --kernel "$kernel" --initrd "$place/initramfs" -m 256m \
			--cmdline "$words quiet" </dev/null >"$place/out" 3>&- &
		pid=$!
		AWAIT_S=${AWAIT_S:-60} await grep -q "press it" "$place/out"
		kill -TERM $pid
		finish
		[ "$status" = 0 ]
		grep -q "it was pressed" "$place/out"
	done
}

@test "a whole kernel that does not look at its power button is ended all the same" {
	for kernel in $kernels; do
		make_initramfs "$place/initramfs" <<<'echo deaf; while :; do busybox sleep 1000; done'
		rm -f "$place/out"
		hull vm run --kernel "$kernel" --initrd "$place/initramfs" -m 256m \
			--cmdline "$words quiet" </dev/null >"$place/out" 3>&- &
		pid=$!
		AWAIT_S=${AWAIT_S:-60} await grep -q deaf "$place/out"
		kill -TERM $pid
		finish
		[ "$status" = $((128 + $(kill -l TERM))) ]
	done
}

@test "a disk that a machine writes to is not given to another" {
	truncate -s 1m "$place/disk"
	exec 8<>"$place/disk"
	flock -n 8
	expect_status 125 hull vm run --kernel "$place/tiny" --disk "$place/disk" </dev/null
	expect_part "is in use"
	exec 8>&-
}

@test "what cannot be booted is refused with the reason" {
	expect_status 125 hull vm run
	expect_part "no kernel is named"
	expect_status 125 hull vm run --kernel "$place/none"
	expect_part "open the kernel '$place/none': No such file"
	expect_status 125 hull vm run --kernel /etc/passwd
	expect_part "is no kernel"
	expect_status 125 hull vm run --kernel "$place"
	expect_part "the kernel '$place' is no file"
	expect_status 125 hull vm run --kernel "$place/tiny" --initrd "$place/none"
	expect_part "open the initramfs"
	expect_status 125 hull vm run --kernel "$place/tiny" --disk "$place/none:ro"
	expect_part "open the disk '$place/none': No such file"
	expect_status 125 hull vm run --kernel "$place/tiny" --disk /dev/null
	expect_part "is no file or block device"
	expect_status 125 hull vm run --kernel "$place/tiny" --machine bochs
	expect_part "no hypervisor 'bochs'"
	expect_status 125 hull vm run --kernel "$place/tiny" --cpus 0
	expect_part "1 to 128 processors"
	expect_status 125 hull vm run --kernel "$place/tiny" -m 10k
	expect_part "less than 1 MiB"
	expect_status 5 hull vm run --kernel "$build/bin/hull" --machine qemu </dev/null
	expect_part "without PVH ELF Note"
}
