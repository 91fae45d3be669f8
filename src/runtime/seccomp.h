/* SPDX-License-Identifier: Apache-2.0
 *
 * seccomp.h - the filter a workload gets: none, the default, or its user's profile
 */
#ifndef RUNTIME_SECCOMP_H
#define RUNTIME_SECCOMP_H

#include <stdbool.h>

#include "linux/seccomp_filter.h"
#include "spec/sandbox.h"

/**
 * runtime_seccomp() - Make the filter that a spec asks for
 * @spec:	what is wanted
 * @ret:	the caller releases it with seccomp_filter_done()
 * @ret_confined: whether there is one
 * @err:	kind USAGE for a profile that cannot be used
 *
 * Return: 0 or a negative errno.
 */
int runtime_seccomp(const struct spec_sandbox *spec, struct seccomp_filter *ret, bool *ret_confined,
		    struct err *err);

/**
 * runtime_seccomp_profile() - Compile a profile in Docker's JSON format
 * @text:	the document
 * @caps:	capabilities of the workload, for its "includes" and "excludes"
 * @ret:	the caller releases it with seccomp_filter_done()
 * @err:	kind USAGE for what cannot be honoured
 *
 * Unknown system calls are skipped, as runc does; an unknown action or operator is an error.
 *
 * Return: 0 or a negative errno.
 */
int runtime_seccomp_profile(const char *text, uint64_t caps, struct seccomp_filter *ret,
			    struct err *err);

#endif
