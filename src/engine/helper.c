/* SPDX-License-Identifier: Apache-2.0
 *
 * helper.c - becoming hull-image, or having it do something
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "engine/image.h"
#include "engine/internal.h"

#define LINE_BYTES 1024
#define FOUND "found: "
#define MENDED "mended: "

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

/* What the helper prints: one finding a line. Returns how many are left. */
static int read_findings(FILE *in, void (*fn)(void *ctx, const char *what, bool mended), void *ctx)
{
	char line[LINE_BYTES];
	int left = 0;

	while (fgets(line, sizeof(line), in)) {
		line[strcspn(line, "\n")] = '\0';
		if (strncmp(line, MENDED, strlen(MENDED)) == 0) {
			fn(ctx, line + strlen(MENDED), true);
		} else if (strncmp(line, FOUND, strlen(FOUND)) == 0) {
			fn(ctx, line + strlen(FOUND), false);
			left++;
		}
	}

	return left;
}

static void NORETURN verify_child(const struct engine *e, int out_fd)
{
	auto_done(strv) args = { 0 };
	struct err err = ERR_INIT;
	char text[sizeof(err.frames)];

	if (dup2(out_fd, STDOUT_FILENO) >= 0 && strv_add(&args, "verify") == 0)
		(void)engine_image_helper(e->root, e->run_root, true, &args, &err);
	(void)dprintf(STDERR_FILENO, "hull: %s\n", err_text(&err, text, sizeof(text)));
	_exit(err_exit_status(&err));
}

int engine_image_verify(struct engine *e, void (*fn)(void *ctx, const char *what, bool mended),
			void *ctx, struct err *err)
{
	int pipe_fds[2], status = 0, left;
	FILE *in;
	pid_t pid;

	if (pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	pid = fork();
	if (pid == 0)
		verify_child(e, pipe_fds[1]);
	fd_close(pipe_fds[1]);
	in = pid < 0 ? NULL : fdopen(pipe_fds[0], "r");
	if (!in) {
		fd_close(pipe_fds[0]);
		return err_sys(err, "run hull-image");
	}
	left = read_findings(in, fn, ctx);
	(void)fclose(in);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		return err_set(err, EIO, "hull-image could not verify all layers");

	return left;
}
