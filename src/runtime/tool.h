/* SPDX-License-Identifier: Apache-2.0
 *
 * tool.h - built-in jobs on a root filesystem: archives in and out, changes, file status
 *
 * They run in a child of their own that has joined the workload's user and mount namespaces
 * and sees its root as @root_fd. They run no program, load no library from the root, and resolve
 * every path with openat2(RESOLVE_IN_ROOT), one component at a time where something is created.
 */
#ifndef RUNTIME_TOOL_H
#define RUNTIME_TOOL_H

#include "base/err.h"
#include "spec/sandbox.h"

/**
 * runtime_tool_run() - Do one job
 * @tool:	which, see enum spec_tool_kind
 * @root_fd:	the workload's root, borrowed
 * @upper_fd:	the writable layer's directory, for SPEC_TOOL_DIFF; else -1
 * @lower_fd:	a mount of the read-only layers alone, for SPEC_TOOL_DIFF; else -1
 * @in_fd:	input stream, borrowed
 * @out_fd:	output stream, borrowed
 * @err:	filled in on failure, may be NULL
 *
 * SPEC_TOOL_DIFF reads attributes of overlayfs that only CAP_SYS_ADMIN in the first user namespace
 * sees: its child stays there. It shows both trees through the same mapping of owners.
 * SPEC_TOOL_TAR_OUT with SPEC_TOOL_ROOT_NAMES looks at a copy of @root_fd's mount without what is
 * mounted on it, for which @root_fd must be attached in the caller's mount namespace.
 * SPEC_TOOL_PS is not served here: it needs the caller's view of the cgroup.
 *
 * Return: 0 or a negative errno; kind NOT_FOUND for a path that does not exist.
 */
int runtime_tool_run(const struct spec_tool *tool, int root_fd, int upper_fd, int lower_fd,
		     int in_fd, int out_fd, struct err *err);

#endif
