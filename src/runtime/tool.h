/* SPDX-License-Identifier: Apache-2.0
 *
 * tool.h - built-in jobs on a root filesystem: archives in and out, changes, file status
 *
 * They run in a child of their own that has joined the workload's user and mount namespaces
 * and sees its root. They run no program, load no library from the root, and resolve
 * every path with openat2(RESOLVE_IN_ROOT), one component at a time where something is created.
 */
#ifndef RUNTIME_TOOL_H
#define RUNTIME_TOOL_H

#include "base/err.h"
#include "spec/sandbox.h"

/**
 * struct runtime_tool_fds - what a job works on; all borrowed, -1 where it is not used
 * @root:	the workload's root; not for SPEC_TOOL_DIFF
 * @upper:	the writable layer's directory, for SPEC_TOOL_DIFF
 * @lower:	a mount of the read-only layers alone, for SPEC_TOOL_DIFF
 * @in:		input stream, for SPEC_TOOL_TAR_IN
 * @out:	output stream, for all others
 */
struct runtime_tool_fds {
	int root, upper, lower, in, out;
};

/**
 * runtime_tool_run() - Do one job
 * @tool:	which, see enum spec_tool_kind
 * @fds:	what it works on
 * @err:	filled in on failure, may be NULL
 *
 * SPEC_TOOL_DIFF reads attributes of overlayfs that only CAP_SYS_ADMIN in the first user namespace
 * sees: its child stays there. It shows both trees through the same mapping of owners.
 * SPEC_TOOL_TAR_OUT with SPEC_TOOL_ROOT_NAMES looks at a copy of the root's mount without what is
 * mounted on it, for which that must be attached in the caller's mount namespace.
 * SPEC_TOOL_PS is not served here: it needs the caller's view of the cgroup.
 *
 * Return: 0 or a negative errno; kind NOT_FOUND for a path that does not exist.
 */
int runtime_tool_run(const struct spec_tool *tool, const struct runtime_tool_fds *fds,
		     struct err *err);

#endif
