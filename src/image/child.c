/* SPDX-License-Identifier: Apache-2.0
 *
 * child.c - programs of the host that we run and read from
 */
#include "image/child.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"

extern char **environ;

/* Signals that we may ignore, and it shall not. */
static void default_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGPIPE);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGQUIT);
}

static int add_streams(posix_spawn_file_actions_t *actions, int out_fd, int err_fd)
{
	int r = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	if (r == 0)
		r = posix_spawn_file_actions_adddup2(actions, out_fd, STDOUT_FILENO);
	if (r == 0 && err_fd >= 0)
		r = posix_spawn_file_actions_adddup2(actions, err_fd, STDERR_FILENO);

	return r;
}

static int spawn(const char *const argv[], int out_fd, int err_fd, pid_t *ret)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t defaults;
	int r;

	default_signals(&defaults);
	if (posix_spawnattr_init(&attr) != 0)
		return -ENOMEM;
	(void)posix_spawnattr_setsigdefault(&attr, &defaults);
	(void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
	r = posix_spawn_file_actions_init(&actions);
	if (r == 0) {
		r = add_streams(&actions, out_fd, err_fd);
		if (r == 0)
			r = posix_spawnp(ret, argv[0], &actions, &attr,
					 (char *const *)(uintptr_t)argv, environ);
		posix_spawn_file_actions_destroy(&actions);
	}
	posix_spawnattr_destroy(&attr);

	return -r;
}

int child_start(const char *const argv[], unsigned flags, struct child *ret, struct err *err)
{
	int out[2], errors[2] = { -1, -1 }, r;
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return err_sys(err, "making a pipe");
	if ((flags & CHILD_PIPE_STDERR) && pipe2(errors, O_CLOEXEC) < 0) {
		r = err_sys(err, "making a pipe");
		fd_close(out[0]);
		fd_close(out[1]);
		return r;
	}
	r = spawn(argv, out[1], errors[1], &pid);
	fd_close(out[1]);
	fd_close(errors[1]);
	if (r < 0) {
		fd_close(out[0]);
		fd_close(errors[0]);
		err_set(err, -r, "%s", strerror(-r));
		return err_wrap(err, r, "running %s", argv[0]);
	}
	*ret = (struct child){ .pid = pid, .out_fd = out[0], .err_fd = errors[0], .name = argv[0] };

	return 0;
}

int child_wait(struct child *c, struct err *err)
{
	int status = 0;

	c->out_fd = fd_close(c->out_fd);
	c->err_fd = fd_close(c->err_fd);
	while (waitpid(c->pid, &status, 0) < 0)
		if (errno != EINTR)
			return err_sys(err, "waiting for %s", c->name);
	if (WIFSIGNALED(status))
		return err_set(err, EIO, "%s was killed by signal %d", c->name, WTERMSIG(status));
	if (status != 0)
		return err_set(err, EIO, "%s failed with status %d", c->name, WEXITSTATUS(status));

	return 0;
}

int child_output(const char *const argv[], size_t max_bytes, char **ret, struct err *err)
{
	auto_free char *text = malloc(max_bytes + 1);
	struct child c;
	ssize_t n;
	int r;

	if (!text)
		return err_set(err, ENOMEM, "out of memory");
	r = child_start(argv, 0, &c, err);
	if (r < 0)
		return r;
	n = fd_read_all(c.out_fd, text, max_bytes);
	r = child_wait(&c, err);
	if (n < 0)
		return err_wrap(err, (int)n, "reading from %s", argv[0]);
	if (r < 0)
		return r;
	text[n] = '\0';
	*ret = take_ptr(text);

	return 0;
}
