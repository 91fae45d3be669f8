/* SPDX-License-Identifier: Apache-2.0
 *
 * helper.c - becoming hull-image
 */
#include <errno.h>
#include <limits.h>
#include <unistd.h>

#include "base/path.h"
#include "engine/image.h"

int engine_image_helper(const char *root, const char *run_root, bool quiet, const struct strv *args,
			struct err *err)
{
	auto_done(strv) argv = { 0 };
	char path[PATH_MAX];
	const char *const fixed[] = { "hull-image", "--root", root, "--run-root", run_root };
	int r = path_helper("hull-image", path, sizeof(path), err);

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(fixed); i++)
		r = strv_add(&argv, fixed[i]);
	if (r == 0 && quiet)
		r = strv_add(&argv, "--quiet");
	if (r == 0)
		r = strv_add_all(&argv, args);
	if (r < 0)
		return err_wrap(err, r, "run hull-image");
	(void)execv(path, strv_argv(&argv));

	return err_sys(err, "execute '%s'", path);
}
