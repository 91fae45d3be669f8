/* SPDX-License-Identifier: Apache-2.0
 *
 * start.c - start a monitor: one vfork and exec, everything else over its socket
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "monitor/client_private.h"

#define PROGRAM "hull-monitor"

/*
 * vfork, not fork: copying our page tables costs more than all the rest. The child shares our
 * memory until it executes, so it makes only system calls. Its pid, or -1 with errno.
 */
static __attribute__((noinline)) pid_t fork_exec(const char *path, int sock_fd, int null_fd)
{
	char name[] = PROGRAM;
	char *const argv[] = { name, NULL };
	sigset_t none;
	pid_t pid = vfork();

	if (pid != 0)
		return pid;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)dup2(sock_fd, STDIN_FILENO);
	(void)dup2(null_fd, STDOUT_FILENO);
	(void)dup2(null_fd, STDERR_FILENO);
	/* Whatever our own parent let slip: the monitor would hold it for months. */
	(void)close_range(STDERR_FILENO + 1, UINT_MAX, 0);
	(void)execv(path, argv);
	_exit(127);
}

/* A monitor with @ret_sock_fd to it, which the caller owns. Its pid, or a negative errno. */
static pid_t spawn_monitor(int *ret_sock_fd, struct err *err)
{
	auto_close int ours = -1, theirs = -1, null_fd = -1;
	char path[PATH_MAX];
	int pair[2], r;
	pid_t pid;

	r = path_helper(PROGRAM, path, sizeof(path), err);
	if (r < 0)
		return r;
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return err_sys(err, "open /dev/null");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_sys(err, "make a socket");
	ours = pair[0];
	theirs = pair[1];
	pid = fork_exec(path, theirs, null_fd);
	if (pid < 0)
		return err_sys(err, "fork");
	*ret_sock_fd = take_fd(ours);

	return pid;
}

static int build_request(const struct monitor_start *start, struct strbuf *body, struct err *err)
{
	struct proto_start fixed = {
		.flags = (start->open_stdin ? PROTO_START_OPEN_STDIN : 0u) |
			 (start->stdin_once ? PROTO_START_STDIN_ONCE : 0u) |
			 (start->claim_reap ? PROTO_START_CLAIM_REAP : 0u),
		.log_max_files = start->log.max_files,
		.log_max_bytes = start->log.max_bytes,
	};
	auto_free char *spec = NULL;
	const char *texts[5];
	int r = spec_sandbox_encode(start->spec, &spec, err);

	if (r < 0)
		return r;
	while (start->reap_args && start->reap_args[fixed.reap_argc])
		fixed.reap_argc++;
	texts[0] = start->level;
	texts[1] = start->run_dir;
	texts[2] = start->cache_dir ? start->cache_dir : "";
	texts[3] = start->log.path ? start->log.path : "";
	texts[4] = spec;
	(void)strbuf_add(body, &fixed, sizeof(fixed));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		(void)strbuf_add(body, texts[i], strlen(texts[i]) + 1);
	for (uint32_t i = 0; i < fixed.reap_argc; i++)
		(void)strbuf_add(body, start->reap_args[i], strlen(start->reap_args[i]) + 1);
	if (body->failed)
		return err_setk(err, ERR_USAGE, E2BIG,
				"the description of the workload is too long");

	return 0;
}

static int send_request(struct monitor_client *c, const struct monitor_start *start,
			struct err *err)
{
	auto_done(strbuf) body = STRBUF_INIT(PROTO_MAX_BYTES);
	int fds[FD_PASS_MAX];
	struct proto_msg msg = { .type = PROTO_START, .fds = fds };
	int r = build_request(start, &body, err);

	if (r < 0)
		return r;
	if (start->layers_len + 1 > ARRAY_SIZE(fds))
		return err_setk(err, ERR_UNSUPPORTED, E2BIG, "more than %zu layers",
				ARRAY_SIZE(fds) - 1);
	fds[0] = start->rw_fd;
	if (start->layers_len > 0)
		memcpy(fds + 1, start->layer_fds, start->layers_len * sizeof(int));
	msg.fds_len = start->layers_len + 1;
	msg.body = body.text;
	msg.len = body.len;

	return monitor_client_send(c, &msg, err);
}

/* Until the monitor answers; @cancel_fd makes it give up, and it answers then as well. */
static int wait_created(struct monitor_client *c, int cancel_fd, struct err *err)
{
	struct pollfd wait[] = {
		{ .fd = c->sock_fd, .events = POLLIN },
		{ .fd = cancel_fd, .events = POLLIN },
	};
	struct proto_reply reply;
	struct slice rest;
	bool cancelled = false;
	int r;

	while (cancel_fd >= 0 && !cancelled) {
		r = poll(wait, ARRAY_SIZE(wait), -1);
		if (r < 0 && errno != EINTR)
			return err_sys(err, "wait for the monitor");
		if (r > 0 && wait[0].revents)
			break;
		cancelled = r > 0 && wait[1].revents;
	}
	/* The monitor's end becomes readable: create() stops, and undoes what it did. */
	if (cancelled)
		(void)shutdown(c->sock_fd, SHUT_WR);
	r = monitor_client_receive(c, -1, err);
	if (r == 0)
		r = proto_get_reply(&c->in, &reply, &rest, err);
	if (!cancelled)
		return r;
	/* If it was too late to cancel, the monitor sees the end of its starter now. */
	while (monitor_client_receive(c, -1, err) == 0)
		;

	return err_set(err, ECANCELED, "cancelled");
}

int monitor_start(const struct monitor_start *start, int cancel_fd, struct monitor_client **ret,
		  struct err *err)
{
	auto_ptr(monitor_client) *c = NULL;
	int sock_fd, r;
	pid_t pid = spawn_monitor(&sock_fd, err);

	if (pid < 0)
		return err_wrap(err, pid, "start %s", PROGRAM);
	c = monitor_client_new(sock_fd, start->run_dir, pid);
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	r = send_request(c, start, err);
	if (r == 0)
		r = wait_created(c, cancel_fd, err);
	if (r < 0) {
		/* So that nothing is left of it once we return: it ends when the socket does. */
		c->sock_fd = fd_close(c->sock_fd);
		(void)waitpid(pid, NULL, 0);
		c->pid = 0;
		return r;
	}
	*ret = take_ptr(c);

	return 0;
}

int monitor_probe(const char *level, struct err *err)
{
	auto_ptr(monitor_client) *c = NULL;
	struct proto_msg msg = { .type = PROTO_PROBE, .body = level, .len = strlen(level) };
	int sock_fd, r;
	pid_t pid = spawn_monitor(&sock_fd, err);

	if (pid < 0)
		return err_wrap(err, pid, "start %s", PROGRAM);
	c = monitor_client_new(sock_fd, "", pid);
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	r = monitor_client_call(c, &msg, monitor_reply_deadline(), NULL, err);
	(void)waitpid(pid, NULL, 0);
	c->pid = 0;

	return r;
}
