/* SPDX-License-Identifier: Apache-2.0
 *
 * tool.c - the built-in jobs on a root filesystem
 */
#include "runtime/tool.h"

#include <errno.h>

#include "runtime/tool_jobs.h"

int runtime_tool_run(const struct spec_tool *tool, const struct runtime_tool_fds *fds,
		     struct err *err)
{
	switch (tool->kind) {
	case SPEC_TOOL_TAR_OUT:
		return tool_tar_out(tool, fds->root, fds->out, err);
	case SPEC_TOOL_TAR_IN:
		return tool_tar_in(tool, fds->root, fds->in, err);
	case SPEC_TOOL_STAT:
		return tool_stat(tool, fds->root, fds->out, err);
	case SPEC_TOOL_DIFF:
		return tool_diff(fds->upper, fds->lower, fds->out, err);
	case SPEC_TOOL_PS:
		break;
	}

	return err_set(err, ENOTSUP, "this job is not done inside a root");
}
