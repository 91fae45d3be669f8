/* SPDX-License-Identifier: Apache-2.0
 *
 * start.c - start a monitor: one vfork and exec, everything else over its socket
 *
 * A workload of the host's user namespace reaches the file of whatever program of ours shows up
 * in its /proc: with "#!/proc/self/exe" as its command it even becomes that program
 * (CVE-2019-5736). So the monitor is executed from a detached, read-only copy of the mount it
 * lies on. Nobody can make that mount writable again, as it is in no mount namespace, and a
 * descriptor of the file that outlives the monitor is as useless.
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
#include "linux/mounts.h"
#include "monitor/client_private.h"

#define PROGRAM "hull-monitor"
#define EXE_FD (STDERR_FILENO + 1)

/*
 * vfork, not fork: copying our page tables costs more than all the rest. The child shares our
 * memory until it executes, so it makes only system calls. Its pid, or -1 with errno.
 */
static __attribute__((noinline)) pid_t fork_exec(char *path, int exe_fd, int sock_fd, int null_fd)
{
	/* The whole path: /proc/self/exe cannot tell it where its helpers are. */
	char *const argv[] = { path, NULL };
	sigset_t none;
	pid_t pid = vfork();

	if (pid != 0)
		return pid;
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)dup2(sock_fd, STDIN_FILENO);
	(void)dup2(null_fd, STDOUT_FILENO);
	(void)dup2(null_fd, STDERR_FILENO);
	if (exe_fd != EXE_FD)
		(void)dup3(exe_fd, EXE_FD, O_CLOEXEC);
	/* Whatever our own parent let slip: the monitor would hold it for months. */
	(void)close_range(EXE_FD + 1, UINT_MAX, 0);
	(void)execveat(EXE_FD, "", argv, environ, AT_EMPTY_PATH);
	_exit(127);
}

/* What is executed: see above. The caller owns the descriptor. */
static int open_program(const char *path, struct err *err)
{
	static const struct mount_change read_only = { .set = MOUNT_ATTR_RDONLY,
						       .propagation = MS_PRIVATE };
	auto_close int fd = mount_clone(AT_FDCWD, path, false, err);
	int r = fd < 0 ? fd : mount_change(fd, "", &read_only, err);

	return r < 0 ? r : take_fd(fd);
}

int monitor_child_spawn(struct monitor_child *ret, struct err *err)
{
	auto_close int ours = -1, theirs = -1, null_fd = -1, exe_fd = -1;
	char path[PATH_MAX];
	int pair[2], r;
	pid_t pid;

	r = path_helper(PROGRAM, path, sizeof(path), err);
	if (r == 0)
		r = exe_fd = open_program(path, err);
	if (r < 0)
		return err_wrap(err, r, "start %s", PROGRAM);
	null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null_fd < 0)
		return err_sys(err, "open /dev/null");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_sys(err, "make a socket");
	ours = pair[0];
	theirs = pair[1];
	pid = fork_exec(path, exe_fd, theirs, null_fd);
	if (pid < 0)
		return err_sys(err, "fork");
	*ret = (struct monitor_child){ pid, take_fd(ours), take_fd(exe_fd) };

	return 0;
}

void monitor_child_done(struct monitor_child *child)
{
	if (child->pid == 0)
		return;
	/* It ends when the socket does. */
	fd_close(child->sock_fd);
	fd_close(child->exe_fd);
	(void)waitpid(child->pid, NULL, 0);
	*child = (struct monitor_child){ 0 };
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

/* A client of what has been spawned; the mount of its program stays for the caller to close. */
static struct monitor_client *adopt(struct monitor_child *child, const char *run_dir,
				    int *ret_exe_fd)
{
	pid_t pid = child->pid;
	int sock_fd = child->sock_fd;

	*ret_exe_fd = child->exe_fd;
	*child = (struct monitor_child){ 0 };

	return monitor_client_new(sock_fd, run_dir, pid);
}

int monitor_start(const struct monitor_start *start, int cancel_fd, struct monitor_client **ret,
		  struct err *err)
{
	auto_ptr(monitor_client) *c = NULL;
	auto_done(monitor_child) own = { 0 };
	struct monitor_child *child = start->child ? start->child : &own;
	auto_close int exe_fd = -1;
	int r = child->pid ? 0 : monitor_child_spawn(child, err);

	if (r < 0)
		return r;
	c = adopt(child, start->run_dir, &exe_fd);
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	r = send_request(c, start, err);
	/* It takes the kernel a while to let go of a mount: now there is nothing else to do. */
	exe_fd = fd_close(exe_fd);
	if (r == 0)
		r = wait_created(c, cancel_fd, err);
	if (r < 0) {
		/* So that nothing is left of it once we return: it ends when the socket does. */
		c->sock_fd = fd_close(c->sock_fd);
		(void)waitpid(c->pid, NULL, 0);
		c->pid = 0;
		return r;
	}
	*ret = take_ptr(c);

	return 0;
}

int monitor_probe(const char *level, struct err *err)
{
	auto_ptr(monitor_client) *c = NULL;
	auto_done(monitor_child) child = { 0 };
	struct proto_msg msg = { .type = PROTO_PROBE, .body = level, .len = strlen(level) };
	struct proto_reply reply;
	struct slice rest;
	auto_close int exe_fd = -1;
	int r = monitor_child_spawn(&child, err);

	if (r < 0)
		return r;
	c = adopt(&child, "", &exe_fd);
	if (!c)
		return err_set(err, ENOMEM, "out of memory");
	r = monitor_client_call(c, &msg, monitor_reply_deadline(), NULL, err);
	(void)waitpid(c->pid, NULL, 0);
	c->pid = 0;
	if (r < 0)
		return r;
	(void)proto_get_reply(&c->in, &reply, &rest, NULL);

	return proto_get_err(rest, err) < 0
		       ? err_set(err, EPROTO, "the monitor sent a malformed reply")
		       : 0;
}
