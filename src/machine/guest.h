/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.h - the kernel and initramfs that machines boot, found on the host and prepared once, and
 * what the kernel is told
 */
#ifndef MACHINE_GUEST_H
#define MACHINE_GUEST_H

#include <limits.h>

#include "base/err.h"

/*
 * What each kernel is told. No self-tests, end rather than wait when it panics. Nothing is prepared
 * for those who trace the kernel from inside the machine, which takes a third of the start of
 * Debian's: the tracer's ten thousand files, names for its constants, the name of each function.
 */
#define GUEST_WORDS                                                \
	"cryptomgr.notests audit=0 nowatchdog panic=-1"            \
	" initcall_blacklist=trace_eval_init,tracer_init_tracefs," \
	"ftrace_check_for_weak_functions"

/* Where a kernel and its modules are; "" for one that has everything built in. */
struct guest_kernel {
	char file[PATH_MAX];
	char modules[PATH_MAX];
};

/**
 * guest_find_kernel() - Which kernel do machines boot?
 * @file:	path of a kernel that the user has named, or NULL
 * @ret:	filled in
 * @err:	kind UNSUPPORTED and a hint when this host has none
 *
 * A kernel by name comes with modules when it is called vmlinuz-VERSION, and without otherwise.
 * Else it is the newest in $HULL_KERNEL_DIR, in "kernel" beside our programs or one directory
 * up, or in the host's own /boot; each holds boot/vmlinuz-VERSION and lib/modules/VERSION.
 * $HULL_KERNEL_DIR may hold "vmlinux" instead, which has everything built in.
 *
 * Return: 0 or a negative errno.
 */
int guest_find_kernel(const char *file, struct guest_kernel *ret, struct err *err);

/* What a machine boots; both descriptors are the caller's. */
struct guest_boot {
	int kernel_fd, initrd_fd;
};

/**
 * guest_open() - Open the prepared form of a kernel, making it when it is not there
 * @cache_dir:	absolute path; what is made is kept there
 * @kernel:	which
 * @ret:	released with guest_boot_done()
 * @err:	filled in on failure, may be NULL
 *
 * The first use of a kernel takes a second or two; others that want it meanwhile wait.
 *
 * Return: 0 or a negative errno.
 */
int guest_open(const char *cache_dir, const struct guest_kernel *kernel, struct guest_boot *ret,
	       struct err *err);

void guest_boot_done(struct guest_boot *boot);
DEFINE_AUTO_DONE(guest_boot)

#endif
