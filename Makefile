# SPDX-License-Identifier: Apache-2.0
# A thin front to meson and to the scripts in tools/, tests/ and bench/.

B = build
PREFIX = /usr/local
DESTDIR =
MESON_OPTIONS =

all: $(B)/build.ninja
	@ninja -C $(B)

$(B)/build.ninja:
	@tools/configure $(B) --prefix=$(PREFIX) $(MESON_OPTIONS)

demo:
	@tools/setup build run
	@$(MAKE) --no-print-directory all
	@tools/demo $(B)

test:
	@tools/setup build run test
	@$(MAKE) --no-print-directory all
	@tools/test $(B)

test-long:
	@tools/setup build run test
	@$(MAKE) --no-print-directory all
	@tools/test --long $(B)

test-host:
	@tools/setup build run test host
	@$(MAKE) --no-print-directory all
	@ls $(B)/newest-kernel/boot/vmlinuz-* >/dev/null 2>&1 || tools/newest-kernel $(B)/newest-kernel
	@tools/test --long --only host $(B)

bench:
	@tools/setup build run test bench
	@$(MAKE) --no-print-directory all
	@bench/run $(B)

bench-vmm: guest-kernel
	@tools/setup build run test host bench-vmm
	@$(MAKE) --no-print-directory all
	@bench/vmm/run $(B)

guest-kernel:
	@tools/setup build guest-kernel
	@guest/build $(B)

check:
	@tools/setup build run test check
	@$(MAKE) --no-print-directory all
	@tools/check $(B)

fuzz:
	@tools/setup build test check
	@tests/fuzz/run

install: $(B)/build.ninja
	@meson configure $(B) --prefix=$(PREFIX)
	@$(MAKE) --no-print-directory all
	@DESTDIR=$(DESTDIR) meson install -C $(B) --no-rebuild --quiet

clean:
	rm -rf $(B) build-*

.PHONY: all demo test test-long test-host bench bench-vmm guest-kernel check fuzz install clean
