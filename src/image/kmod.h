/* SPDX-License-Identifier: Apache-2.0
 *
 * kmod.h - kernel modules of a guest, in the order in which they must be loaded
 *
 * What a module needs is read from the module itself, so that a kernel package that was only
 * unpacked, where depmod never ran, serves as well as an installed one.
 */
#ifndef IMAGE_KMOD_H
#define IMAGE_KMOD_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/macro.h"

#define KMOD_MAX_BYTES (64 * MIB) /* of one module, unpacked */
#define KMOD_MAX_FILES 65536	  /* of a kernel */
#define KMOD_MAX_DEPTH 32	  /* of folders, and of modules that need one another */

/* @name with '_' for '-', as the kernel has it; @data is the module unpacked. */
struct kmod {
	char *name;
	void *data;
	size_t data_len;
};

struct kmod_list {
	struct kmod *items;
	size_t len;
};
void kmod_list_done(struct kmod_list *list);
DEFINE_AUTO_DONE(kmod_list)

/* A module to load; one that is @optional may be absent from the kernel. */
struct kmod_want {
	const char *name;
	bool optional;
};

/**
 * kmod_collect() - Read modules and all they depend on
 * @dir:	host path of the modules of one kernel, such as /lib/modules/6.1.0
 * @wants:	modules in the order of loading; those built into the kernel are left out
 * @wants_len:	their number
 * @ret:	each after those it needs; release it with kmod_list_done()
 * @err:	filled in on failure, may be NULL
 *
 * Files may be compressed (.ko.xz, .ko.zst, .ko.gz).
 *
 * Return: 0, -ENOENT when one is missing, -EBADMSG for a malformed one, or another negative
 *	   errno.
 */
int kmod_collect(const char *dir, const struct kmod_want *wants, size_t wants_len,
		 struct kmod_list *ret, struct err *err);

/**
 * kmod_depends() - The list of modules that a module needs
 * @module:	an ELF file
 * @module_len:	its bytes
 * @ret_at:	the comma-separated names, in @module
 * @ret_len:	their bytes; 0 for none
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or -EBADMSG.
 */
int kmod_depends(const void *module, size_t module_len, const char **ret_at, size_t *ret_len,
		 struct err *err);

/**
 * kmod_drop_signature() - Cut off what its build has signed it with
 * @module:	has one or not
 *
 * Format: the kernel's Documentation/admin-guide/module-signing.rst and struct module_signature.
 */
void kmod_drop_signature(struct kmod *module);

#endif
