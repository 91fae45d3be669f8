/* SPDX-License-Identifier: Apache-2.0
 *
 * tool.c - a built-in job as JSON
 */
#include <errno.h>
#include <string.h>

#include "spec/sandbox.h"
#include "spec/shape.h"

#define TOOL_MAX_PATH 4095 /* PATH_MAX without its NUL */
#define TOOL_MAX_NAME 255  /* NAME_MAX */
#define TOOL_ALL_FLAGS                                                              \
	(SPEC_TOOL_KEEP_OWNER | SPEC_TOOL_NO_OVERWRITE_DIR | SPEC_TOOL_ROOT_NAMES | \
	 SPEC_TOOL_FOLLOW | SPEC_TOOL_UNTRUSTED)

static const char *const kind_names[] = {
	[SPEC_TOOL_TAR_OUT] = "tarOut", [SPEC_TOOL_TAR_IN] = "tarIn", [SPEC_TOOL_STAT] = "stat",
	[SPEC_TOOL_DIFF] = "diff",	[SPEC_TOOL_PS] = "ps",	      NULL,
};

static const struct spec_field tool_fields[] = {
	SPEC_ENUM(spec_tool, kind, "kind", kind_names),
	SPEC_U32(spec_tool, flags, "flags", TOOL_ALL_FLAGS),
	SPEC_TEXT(spec_tool, path, "path", TOOL_MAX_PATH),
	SPEC_TEXT(spec_tool, name, "name", TOOL_MAX_NAME),
};

static int tool_check(const void *thing, struct err *err)
{
	const struct spec_tool *tool = thing;
	bool needs_path = tool->kind == SPEC_TOOL_TAR_OUT || tool->kind == SPEC_TOOL_TAR_IN ||
			  tool->kind == SPEC_TOOL_STAT;

	if (tool->name && (tool->name[0] == '\0' || strchr(tool->name, '/') ||
			   strcmp(tool->name, ".") == 0 || strcmp(tool->name, "..") == 0))
		return err_setk(err, ERR_USAGE, EINVAL, "name '%s' is not one component",
				tool->name);

	return needs_path ? spec_check_absolute(tool->path, "path", err) : 0;
}

static const struct spec_shape tool_shape =
	SPEC_SHAPE(spec_tool, "tool specification", tool_fields, .check = tool_check);

void spec_tool_done(struct spec_tool *tool)
{
	spec_shape_done(&tool_shape, tool);
}

int spec_tool_encode(const struct spec_tool *tool, char **ret_text, struct err *err)
{
	return spec_shape_encode(&tool_shape, tool, ret_text, err);
}

int spec_tool_decode(const char *text, size_t len, struct spec_tool *ret, struct err *err)
{
	return spec_shape_decode(&tool_shape, text, len, ret, err);
}
