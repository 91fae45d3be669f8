/* SPDX-License-Identifier: Apache-2.0
 *
 * compare_job.c - one run for a comparison: a container of any level, or a plain process
 *
 * The child is what "hull run --rm -i --init" would be: it opens the store itself, and stays
 * attached. It ends with us (parent-death signal); the end of its input then ends what it has
 * started.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/fd.h"
#include "base/mem.h"
#include "base/rand.h"
#include "engine/compare_internal.h"
#include "runtime/process.h"
#include "runtime/user.h"

#define END_LIMIT_NS (30 * NS_PER_SEC)

int compare_wait(struct compare_stop *stop, int fd, int64_t deadline_ns)
{
	struct pollfd pfds[2] = { { .fd = fd, .events = POLLIN },
				  { .fd = stop->signals.fd, .events = POLLIN } };
	int n;

	if (stop->signo == 0) {
		do {
			n = poll(pfds, 2, clock_poll_ms(deadline_ns));
		} while (n < 0 && errno == EINTR);
		if (!pfds[1].revents)
			return n > 0;
		stop->signo = signals_next(&stop->signals);
	}

	return -EINTR;
}

/* ---- the child ---- */

/* A container as the user would get it by default, but for what @place says. */
static int run_container(const struct compare_place *place, const char *name,
			 const struct strv *argv, bool as_root, struct err *err)
{
	struct engine_request request = {
		.image = place->image_name, .name = name, .level = place->level, .entrypoint = ""
	};
	struct engine_config *config = &request.config;
	const struct engine_streams streams = { .stdin_fd = STDIN_FILENO,
						.stdout_fd = STDOUT_FILENO,
						.stderr_fd = STDERR_FILENO };
	const struct engine_caller caller = { .streams = &streams };
	struct engine_end end = { 0 };
	struct engine *e = NULL;
	int r;

	/* As hull has it; what it starts gets it back. */
	(void)signal(SIGPIPE, SIG_IGN);
	r = engine_open(place->root, place->run_root, 0, &e, err);
	*config = (struct engine_config){
		.open_stdin = true,
		.stdin_once = true,
		.auto_remove = true,
		.init = true,
		.stop_timeout_s = -1,
		.shm_bytes = ENGINE_SHM_BYTES,
		.user = as_root ? mem_strdup("0:0") : NULL,
	};
	if (place->plain) {
		config->modes.userns = mem_strdup("host");
		config->modes.pid = mem_strdup("host");
	}
	(void)strv_add_all(&config->cmd, argv);
	if (r == 0)
		r = engine_run(e, &request, &caller, &end, err);
	engine_close(e);
	engine_config_done(config);

	return r < 0 ? r : end.exit_status;
}

/* The mount namespace of the container that holds the files, and its root. */
static int enter_files(pid_t holder_pid, int *ret_root_fd, struct err *err)
{
	char path[64];
	auto_close int ns_fd = -1;

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/mnt", holder_pid);
	ns_fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/%d/root", holder_pid);
	*ret_root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (ns_fd < 0 || *ret_root_fd < 0)
		return err_sys(err, "open the files of process %d", holder_pid);
	if (setns(ns_fd, CLONE_NEWNS) < 0)
		return err_sys(err, "enter the mount namespace of the image's files");
	if (fchdir(*ret_root_fd) < 0 || chroot(".") < 0 || chdir("/") < 0)
		return err_sys(err, "change the root to the image's files");

	return 0;
}

/* HOME is the user's, unless the image says otherwise. */
static int become_user(int root_fd, const char *name, struct strv *env, struct err *err)
{
	static const struct strv no_groups = { 0 };
	auto_free struct user *user = mem_calloc(1, sizeof(*user));
	auto_free char *home = NULL;
	int r = user_find(root_fd, name, &no_groups, user, err);

	if (r < 0)
		return r;
	home = mem_printf("HOME=%s", user->home);
	if (!strv_env_find(env, "HOME"))
		(void)strv_env_set(env, home);
	if (setgroups(user->groups_len, user->groups) < 0 ||
	    setresgid(user->gid, user->gid, user->gid) < 0 ||
	    setresuid(user->uid, user->uid, user->uid) < 0)
		return err_sys(err, "become the image's user");
	/* Changing ids has forgotten it. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(err, "tie to the parent's life");

	return 0;
}

/* What a container of the image would get, without its walls. */
static int exec_plain(const struct compare_place *place, const struct strv *argv, bool as_root,
		      struct err *err)
{
	auto_done(engine_config) config = { .user = as_root ? mem_strdup("0:0") : NULL };
	auto_close int root_fd = -1;
	int r = enter_files(place->holder_pid, &root_fd, err);

	engine_merge_image(&config, "", &place->image->config);
	if (r == 0 && chdir(config.working_dir) < 0)
		r = err_sys(err, "change to the image's directory '%s'", config.working_dir);
	if (r == 0)
		r = become_user(root_fd, config.user, &config.env, err);
	if (r < 0)
		return r;
	(void)execve(SPEC_INIT_PATH, strv_argv(argv), strv_argv(&config.env));

	return err_sys(err, "execute '%s'", SPEC_INIT_PATH);
}

static void NORETURN run_child(const struct compare_place *place, const struct strv *argv,
			       bool as_root, const struct compare_job *job)
{
	struct err err = ERR_INIT;
	int r = process_start_clean(&err);

	/* What the terminal sends is for the comparison as a whole. */
	if (r == 0 &&
	    (setpgid(0, 0) < 0 || dup2(job->in_fd, STDIN_FILENO) < 0 ||
	     dup2(job->out_fd, STDOUT_FILENO) < 0 || dup2(job->out_fd, STDERR_FILENO) < 0))
		r = err_sys(&err, "set up a child");
	if (r == 0)
		r = place->level ? run_container(place, job->name, argv, as_root, &err)
				 : exec_plain(place, argv, as_root, &err);
	if (r >= 0)
		_exit(r);
	(void)fd_write_all(job->status_fd, &err, sizeof(err));
	_exit(err_exit_status(&err));
}

/* ---- the parent ---- */

#define JOB_NONE                                                        \
	{                                                               \
		.pidfd = -1, .in_fd = -1, .out_fd = -1, .status_fd = -1 \
	}

static void close_job(struct compare_job *job)
{
	job->in_fd = fd_close(job->in_fd);
	job->out_fd = fd_close(job->out_fd);
	job->status_fd = fd_close(job->status_fd);
	job->pidfd = fd_close(job->pidfd);
}

static int make_pipes(struct compare_job *ours, struct compare_job *child, struct err *err)
{
	/* The end that is read, the end that is written. */
	int *const pipes[][2] = { { &child->in_fd, &ours->in_fd },
				  { &ours->out_fd, &child->out_fd },
				  { &ours->status_fd, &child->status_fd } };

	for (size_t i = 0; i < ARRAY_SIZE(pipes); i++) {
		int fds[2];

		if (pipe2(fds, O_CLOEXEC) < 0)
			return err_sys(err, "make a pipe");
		*pipes[i][0] = fds[0];
		*pipes[i][1] = fds[1];
	}

	return 0;
}

static int fork_child(const struct compare_place *place, const struct strv *argv, bool as_root,
		      struct compare_job *ours, struct compare_job *child, struct err *err)
{
	int r;

	ours->pid = fork();
	if (ours->pid == 0) {
		close_job(ours);
		run_child(place, argv, as_root, child);
	}
	if (ours->pid > 0)
		ours->pidfd = (int)syscall(SYS_pidfd_open, ours->pid, 0);
	if (ours->pidfd >= 0)
		return 0;
	r = err_sys(err, "start a child");
	if (ours->pid > 0) {
		(void)kill(ours->pid, SIGKILL);
		(void)waitpid(ours->pid, NULL, 0);
	}

	return r;
}

int compare_job_start(const struct compare_place *place, const struct strv *argv, bool as_root,
		      struct compare_job *ret, struct err *err)
{
	struct compare_job ours = JOB_NONE, child = JOB_NONE;
	char random[13] = "";
	int r = make_pipes(&ours, &child, err);

	rand_hex(random, sizeof(random) - 1);
	if (place->level)
		(void)snprintf(ours.name, sizeof(ours.name), "compare-%s", random);
	memcpy(child.name, ours.name, sizeof(child.name));
	ours.began_ns = clock_now_ns();
	if (r == 0)
		r = fork_child(place, argv, as_root, &ours, &child, err);
	close_job(&child);
	if (r == 0)
		*ret = ours;
	else
		close_job(&ours);

	return r;
}

ssize_t compare_job_read_line(const struct compare_job *job, struct compare_stop *stop,
			      int64_t deadline_ns, char *buf, size_t buf_bytes, struct err *err)
{
	size_t len = 0;

	while (len < buf_bytes) {
		int r = compare_wait(stop, job->out_fd, deadline_ns);

		if (r < 0)
			return r;
		if (r == 0)
			return err_set(err, ETIMEDOUT, "it says nothing");
		if (read(job->out_fd, buf + len, 1) != 1)
			break;
		if (buf_bytes > 1 && buf[len] == '\n')
			break;
		len++;
	}
	if (len < buf_bytes)
		buf[len] = '\0';

	return (ssize_t)len;
}

/* By force: its client, and the container. */
static void kill_job(const struct compare_place *place, const struct compare_job *job)
{
	struct engine *e = NULL;

	(void)kill(job->pid, SIGKILL);
	if (!*job->name || engine_open(place->root, place->run_root, 0, &e, NULL) < 0)
		return;
	(void)engine_remove(e, job->name, ENGINE_REMOVE_FORCE | ENGINE_REMOVE_VOLUMES, NULL);
	engine_close(e);
}

/* Whatever it still says is of no interest, but must not hold it up. */
static int wait_end(const struct compare_job *job)
{
	int64_t deadline_ns = clock_now_ns() + END_LIMIT_NS;
	struct pollfd pfds[2] = { { .fd = job->pidfd, .events = POLLIN },
				  { .fd = job->out_fd, .events = POLLIN } };
	char bytes[4096];

	while (clock_now_ns() < deadline_ns) {
		if (poll(pfds, 2, clock_poll_ms(deadline_ns)) <= 0)
			continue;
		if (pfds[0].revents)
			return 0;
		if (pfds[1].revents && read(job->out_fd, bytes, sizeof(bytes)) <= 0)
			pfds[1].fd = -1;
	}

	return -ETIMEDOUT;
}

int compare_job_finish(const struct compare_place *place, struct compare_job *job, int *ret_status,
		       struct err *err)
{
	struct err failure;
	int wstatus = 0, r = 0;

	job->in_fd = fd_close(job->in_fd);
	if (wait_end(job) < 0) {
		kill_job(place, job);
		r = err_set(err, ETIMEDOUT, "it does not end");
	}
	while (waitpid(job->pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	*ret_status = exit_status_of(wstatus);
	if (r == 0 && fd_read_all(job->status_fd, &failure, sizeof(failure)) == sizeof(failure)) {
		err_sanitize(&failure);
		if (err)
			*err = failure;
		r = -failure.code;
	}
	close_job(job);

	return r;
}
