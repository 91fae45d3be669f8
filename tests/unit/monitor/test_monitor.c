/* SPDX-License-Identifier: Apache-2.0
 *
 * test_monitor.c - a monitor as its clients see it, with plain processes as the workload
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "monitor/proto.h"
#include "monitor/state.h"

#include "fixture.h"

/* Attach with pipes or files in place of our stdio; the output is returned in a temporary file. */
static struct monitor_end attach(struct fixture *f, uint32_t proc, bool begin, const char *input,
				 char *out, size_t out_bytes)
{
	char path[96];
	int in[2];
	struct monitor_attach how = {
		.proc = proc,
		.stdin_fd = -1,
		.stderr_fd = -1,
		.raw_fd = -1,
		.begin = begin,
	};
	struct monitor_end end = { .exit_status = -1 };
	char text[1024];
	ssize_t n;
	int r;

	(void)snprintf(path, sizeof(path), "%s/out", f->dir);
	how.stdout_fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (input) {
		assert_int_equal(pipe(in), 0);
		assert_int_equal(fd_write_all(in[1], input, strlen(input)), 0);
		close(in[1]);
		how.stdin_fd = in[0];
	}
	r = monitor_attach(f->client, &how, &end, &f->err);
	if (r < 0)
		print_error("attach: %s\n", err_text(&f->err, text, sizeof(text)));
	assert_int_equal(r, 0);
	if (input)
		close(in[0]);
	n = pread(how.stdout_fd, out, out_bytes - 1, 0);
	assert_true(n >= 0);
	out[n] = '\0';
	close(how.stdout_fd);

	return end;
}

static void test_run(void **state)
{
	struct fixture *f = *state;
	struct monitor_state s;
	struct monitor_end end;
	char out[256];

	start(f, "echo hello; exit 3");
	assert_int_equal(phase(f), MONITOR_CREATED);
	end = attach(f, 0, true, NULL, out, sizeof(out));
	assert_string_equal(out, "hello\n");
	assert_int_equal(end.exit_status, 3);
	assert_true(end.reap_is_ours);
	assert_false(end.oom);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	assert_int_equal(s.phase, MONITOR_EXITED);
	assert_int_equal(s.exit_status, 3);
	assert_string_equal(s.machine, "double");
	assert_true(s.started_wall_ns > 0 && s.finished_wall_ns >= s.started_wall_ns);
	assert_int_equal(access(f->reaped_path, F_OK), -1);
}

static void test_stdin(void **state)
{
	struct fixture *f = *state;
	struct monitor_end end;
	char out[256];

	f->start.open_stdin = f->start.stdin_once = true;
	start(f, "cat; echo end");
	end = attach(f, 0, true, "one\ntwo\n", out, sizeof(out));
	assert_string_equal(out, "one\ntwo\nend\n");
	assert_int_equal(end.exit_status, 0);
}

/* The starter leaves: the workload goes on, and the monitor does the reaping. */
static void test_detached(void **state)
{
	struct fixture *f = *state;
	struct monitor_end end;

	start(f, "trap 'exit 9' TERM; while :; do sleep 0.01; done");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	monitor_client_free(f->client);
	f->client = NULL;
	assert_int_equal(phase(f), MONITOR_RUNNING);
	assert_int_equal(monitor_connect(f->dir, &f->client, &f->err), 0);
	assert_int_equal(monitor_wait(f->client, 0, clock_now_ns() + 50 * NS_PER_MS, &end, &f->err),
			 -ETIMEDOUT);
	assert_int_equal(monitor_signal(f->client, 0, SIGTERM, &f->err), 0);
	assert_int_equal(monitor_wait(f->client, 0, -1, &end, &f->err), 0);
	assert_int_equal(end.exit_status, 9);
	assert_false(end.reap_is_ours);
	await_file(f->reaped_path);
}

/* A starter that claimed the reaping may ask for the end long after it. */
static void test_late_wait(void **state)
{
	struct fixture *f = *state;
	struct monitor_end end;

	start(f, "kill -9 $$");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	await_phase(f, MONITOR_EXITED);
	assert_int_equal(monitor_wait(f->client, 0, -1, &end, &f->err), 0);
	assert_int_equal(end.exit_status, 137);
	assert_true(end.reap_is_ours);
	assert_int_equal(access(f->reaped_path, F_OK), -1);
}

static void test_no_command(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(strv_add(&f->spec.process.args, "/nonexistent/command"), 0);
	assert_int_equal(monitor_start(&f->start, -1, &f->client, &f->err), 0);
	assert_int_equal(monitor_begin(f->client, &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NO_COMMAND);
	assert_int_equal(err_exit_status(&f->err), 127);
	await_phase(f, MONITOR_EXITED);
}

static void test_create_fails(void **state)
{
	struct fixture *f = *state;

	free(f->spec.hostname);
	f->spec.hostname = strdup("create-fails");
	set_command(&f->spec.process, "exit 0");
	assert_int_equal(monitor_start(&f->start, -1, &f->client, &f->err), -EOPNOTSUPP);
	assert_int_equal(f->err.kind, ERR_UNSUPPORTED);
	assert_string_equal(f->err.hint, "get the thing");
	assert_int_equal(phase(f), MONITOR_ABSENT);
	assert_int_equal(access(f->reaped_path, F_OK), -1);
}

static void test_cancel(void **state)
{
	struct fixture *f = *state;
	int ends[2];

	free(f->spec.hostname);
	f->spec.hostname = strdup("create-hangs");
	set_command(&f->spec.process, "exit 0");
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(monitor_start(&f->start, ends[0], &f->client, &f->err), -ECANCELED);
	assert_int_equal(phase(f), MONITOR_ABSENT);
	close(ends[0]);
	close(ends[1]);
}

/* A starter that dies between create and begin leaves nothing. */
static void test_starter_dies(void **state)
{
	struct fixture *f = *state;

	start(f, "exit 0");
	monitor_client_free(f->client);
	f->client = NULL;
	await_phase(f, MONITOR_ABSENT);
	await_file(f->reaped_path);
}

static void test_discard(void **state)
{
	struct fixture *f = *state;

	start(f, "exit 0");
	assert_int_equal(monitor_discard(f->client, &f->err), 0);
	assert_int_equal(phase(f), MONITOR_ABSENT);
	assert_int_equal(access(f->reaped_path, F_OK), -1);
}

static void test_start_twice(void **state)
{
	struct fixture *f = *state;
	struct monitor_client *second = NULL;

	start(f, "sleep 100");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	assert_int_equal(monitor_start(&f->start, -1, &second, &f->err), -EBUSY);
	assert_int_equal(f->err.kind, ERR_CONFLICT);
	assert_int_equal(phase(f), MONITOR_RUNNING);
	assert_int_equal(monitor_signal(f->client, 0, SIGKILL, &f->err), 0);
	await_phase(f, MONITOR_EXITED);
}

static void test_exec(void **state)
{
	struct fixture *f = *state;
	auto_done(spec_process) process = { 0 };
	struct monitor_client *other = NULL;
	struct monitor_end end;
	uint32_t proc = 0;
	char out[256];

	start(f, "sleep 100");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	process.cwd = strdup("/");
	process.user = strdup("");
	set_command(&process, "echo a; cat; echo b; (sleep 100 &); exit 4");
	assert_int_equal(monitor_exec(f->client, &process, true, false, &proc, &f->err), 0);
	assert_int_not_equal(proc, 0);
	end = attach(f, proc, false, "input\n", out, sizeof(out));
	assert_string_equal(out, "a\ninput\nb\n");
	assert_int_equal(end.exit_status, 4);
	assert_false(end.reap_is_ours);

	/* A command that is not there, and then the connection is still good. */
	free(process.args.items[0]);
	process.args.items[0] = strdup("/nonexistent");
	assert_int_equal(monitor_exec(f->client, &process, true, false, &proc, &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NO_COMMAND);

	/* Output of one that has ended before its client attaches is not lost. */
	strv_done(&process.args);
	process.args = (struct strv){ 0 };
	set_command(&process, "echo early");
	assert_int_equal(monitor_connect(f->dir, &other, &f->err), 0);
	assert_int_equal(monitor_exec(f->client, &process, false, false, &proc, &f->err), 0);
	usleep(50000);
	end = attach(f, proc, false, NULL, out, sizeof(out));
	assert_string_equal(out, "early\n");
	assert_int_equal(monitor_signal(other, 0, SIGKILL, &f->err), 0);
	assert_int_equal(monitor_wait(other, 0, -1, &end, &f->err), 0);
	assert_int_equal(end.exit_status, 137);
	monitor_client_free(other);
}

static void test_tool(void **state)
{
	struct fixture *f = *state;
	char path[] = "/some/path", absent[] = "/absent", text[64] = "";
	struct spec_tool tool = { .kind = SPEC_TOOL_TAR_OUT, .path = path };
	int out[2];

	f->spec.service = true;
	start(f, "unused");
	assert_int_equal(pipe(out), 0);
	assert_int_equal(monitor_tool(f->client, &tool, -1, out[1], &f->err), 0);
	assert_true(read(out[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "tool 0 /some/path\n");
	tool.path = absent;
	assert_int_equal(monitor_tool(f->client, &tool, -1, out[1], &f->err), -ENOENT);
	assert_int_equal(f->err.kind, ERR_NOT_FOUND);
	close(out[0]);
	close(out[1]);
	assert_int_equal(monitor_discard(f->client, &f->err), 0);
}

/* Whether a paused one can be copied from is the backend's to say. */
static void test_paused(void **state)
{
	struct fixture *f = *state;
	char path[] = "/some/path", text[64] = "";
	struct spec_tool tool = { .kind = SPEC_TOOL_TAR_OUT, .path = path };
	struct spec_process process = { .cwd = path, .user = path };
	uint32_t number;
	int out[2];

	set_command(&process, "true");
	start(f, "sleep 100");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	assert_int_equal(monitor_pause(f->client, true, &f->err), 0);
	assert_int_equal(monitor_exec(f->client, &process, false, false, &number, &f->err), -EBUSY);
	assert_string_not_equal(f->err.hint, "");
	strv_done(&process.args);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(monitor_tool(f->client, &tool, -1, out[1], &f->err), 0);
	assert_true(read(out[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "tool 0 /some/path\n");
	close(out[0]);
	close(out[1]);
	assert_int_equal(monitor_signal(f->client, 0, SIGKILL, &f->err), 0);
	await_phase(f, MONITOR_EXITED);
}

/* Nobody writes to the monitor's program by way of the monitor, alive or dead. */
static void test_program(void **state)
{
	struct fixture *f = *state;
	const char *libexec = getenv("HULL_LIBEXEC");
	auto_free char *saved = strdup(libexec);
	struct monitor_state s;
	char path[256];
	int fd, copy_fd;

	/* A copy, that no other test executes: what is being executed cannot be written anyway. */
	(void)snprintf(path, sizeof(path), "%s/hull-monitor", libexec);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	(void)snprintf(path, sizeof(path), "%s/hull-monitor", f->dir);
	copy_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	while (sendfile(copy_fd, fd, NULL, MIB) > 0)
		;
	close(fd);
	close(copy_fd);
	assert_int_equal(setenv("HULL_LIBEXEC", f->dir, 1), 0);
	start(f, "exit 0");
	assert_int_equal(setenv("HULL_LIBEXEC", saved, 1), 0);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/exe", (int)s.monitor_pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(open(path, O_WRONLY | O_CLOEXEC), -1);
	assert_true(errno == ETXTBSY || errno == EROFS);
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	await_phase(f, MONITOR_EXITED);
	monitor_client_free(f->client);
	f->client = NULL;
	await_death(s.monitor_pid);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	assert_int_equal(open(path, O_WRONLY | O_CLOEXEC), -1);
	assert_int_equal(errno, EROFS);
	close(fd);
}

/* A pipe that the workload has made as large as it may is read to its end. */
static void test_large_pipe(void **state)
{
	struct fixture *f = *state;
	struct monitor_state s;
	struct stat st, want;
	char script[768];

	(void)snprintf(script, sizeof(script),
		       "cd %s; while ! [ -e go ]; do sleep 0.01; done\n"
		       "exec python3 -c 'import fcntl, os\n"
		       "for mib in 8, 1:\n"
		       "    try: fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, mib << 20); break\n"
		       "    except PermissionError: pass\n"
		       "size = fcntl.fcntl(1, fcntl.F_GETPIPE_SZ)\n"
		       "os.truncate(os.open(\"size\", os.O_CREAT | os.O_WRONLY), size)\n"
		       "os.write(1, b\"x\" * size)'",
		       f->dir);
	start(f, script);
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	/* All of it is in the pipe when the monitor looks again. */
	assert_int_equal(kill(s.monitor_pid, SIGSTOP), 0);
	(void)snprintf(script, sizeof(script), "%s/go", f->dir);
	close(open(script, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	await_death(s.init_pid);
	assert_int_equal(kill(s.monitor_pid, SIGCONT), 0);
	await_phase(f, MONITOR_EXITED);
	(void)snprintf(script, sizeof(script), "%s/size", f->dir);
	assert_int_equal(stat(script, &want), 0);
	assert_true(want.st_size >= (off_t)(64 * KIB));
	assert_int_equal(stat(f->log_path, &st), 0);
	assert_true(st.st_size > want.st_size);
}

/* Empty lines must not cost the host more than a part of a CPU; and none goes missing. */
static void test_empty_lines(void **state)
{
	struct fixture *f = *state;
	struct timespec used = { 0 };
	struct monitor_state s;
	int64_t begin_ns = clock_now_ns();
	clockid_t clock;

	f->start.log.max_bytes = 1 << 20;
	start(f, "exec yes ''");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	assert_int_equal(clock_getcpuclockid(s.monitor_pid, &clock), 0);
	while (used.tv_sec == 0 && used.tv_nsec < 200 * NS_PER_MS) {
		assert_true(clock_now_ns() < begin_ns + 60 * NS_PER_SEC);
		usleep(2000);
		assert_int_equal(clock_gettime(clock, &used), 0);
	}
	assert_true(clock_now_ns() - begin_ns > 400 * NS_PER_MS);
	assert_int_equal(monitor_signal(f->client, 0, SIGKILL, &f->err), 0);
	await_phase(f, MONITOR_EXITED);
}

static void test_requests(void **state)
{
	struct fixture *f = *state;
	struct spec_resources limits = { .memory_bytes = 1 << 20 };
	struct spec_stats stats = { 0 };

	start(f, "sleep 100");
	assert_int_equal(monitor_pause(f->client, true, &f->err), -ESRCH);
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	assert_int_equal(monitor_begin(f->client, &f->err), -EBUSY);
	assert_int_equal(monitor_pause(f->client, true, &f->err), 0);
	assert_int_equal(phase(f), MONITOR_PAUSED);
	assert_int_equal(monitor_pause(f->client, true, &f->err), -EALREADY);
	assert_int_equal(monitor_pause(f->client, false, &f->err), 0);
	assert_int_equal(phase(f), MONITOR_RUNNING);
	assert_int_equal(monitor_stats(f->client, &stats, &f->err), 0);
	assert_int_equal(stats.cpu_ns, 42);
	assert_int_equal(stats.pids, -1);
	assert_int_equal(monitor_update(f->client, &limits, &f->err), 0);
	limits.pids_limit = 5;
	assert_int_equal(monitor_update(f->client, &limits, &f->err), -ENOTSUP);
	assert_int_equal(f->err.kind, ERR_UNSUPPORTED);
	assert_int_equal(monitor_signal(f->client, 77, SIGTERM, &f->err), -ESRCH);
	assert_int_equal(monitor_discard(f->client, &f->err), -EBUSY);
	assert_int_equal(monitor_signal(f->client, 0, SIGKILL, &f->err), 0);
	await_phase(f, MONITOR_EXITED);
}

static void test_probe(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(monitor_probe("container", &f->err), 0);
	assert_int_equal(monitor_probe("unknown", &f->err), -EINVAL);
	assert_int_equal(f->err.kind, ERR_USAGE);
}

/* SIGTERM to the monitor ends the workload in good order. */
static void test_sigterm(void **state)
{
	struct fixture *f = *state;
	struct monitor_state s;

	start(f, "trap '' TERM; sleep 100");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	monitor_client_free(f->client);
	f->client = NULL;
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	assert_int_equal(kill(s.monitor_pid, SIGTERM), 0);
	await_file(f->reaped_path);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	assert_int_equal(s.phase, MONITOR_EXITED);
	assert_int_equal(s.exit_status, 137);
}

/* SIGKILL to the monitor: the workload goes with it, and its directory tells. */
static void test_sigkill(void **state)
{
	struct fixture *f = *state;
	struct monitor_end end;
	struct monitor_state s;
	pid_t init_pid;

	start(f, "sleep 100");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	init_pid = s.init_pid;
	assert_true(init_pid > 0);
	assert_int_equal(kill(s.monitor_pid, SIGKILL), 0);
	assert_int_equal(monitor_wait(f->client, 0, -1, &end, &f->err), -EPIPE);
	await_phase(f, MONITOR_LOST);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	assert_string_equal(s.error, "monitor lost");
	assert_int_equal(s.exit_status, 137);
	await_death(init_pid);
}

/* By force, as rm -f does it with one that nothing else ends: also when the monitor is stopped. */
static void test_kill_lost(void **state)
{
	struct fixture *f = *state;
	struct monitor_state s;

	start(f, "sleep 100");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	assert_int_equal(kill(s.monitor_pid, SIGSTOP), 0);
	assert_int_equal(monitor_kill_lost(f->dir, f->spec.id, &f->err), 0);
	assert_int_equal(phase(f), MONITOR_LOST);
	assert_int_equal(monitor_kill_lost(f->dir, f->spec.id, &f->err), 0);
	await_death(s.init_pid);
}

/* Descriptors that the monitor holds. */
static size_t count_fds(struct fixture *f)
{
	struct monitor_state s;
	char path[64];
	size_t n = 0;
	DIR *dir;

	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", s.monitor_pid);
	dir = opendir(path);
	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);

	return n;
}

/* One hostile connection: a few frames, sound or not, then its end. */
static void send_garbage(int sock_fd)
{
	for (int i = rand() % 8; i >= 0; i--) {
		char frame[sizeof(struct proto_header) + 200];
		int fds[3] = { 0, 1, 2 };
		struct proto_header header = {
			.magic = rand() % 20 ? PROTO_MAGIC : 0,
			.type = (uint16_t)(rand() % (PROTO_ENDED + 2)),
			.fds_len = (uint16_t)(rand() % 4),
			.len = (uint32_t)(rand() % 200),
		};
		size_t fds_len = rand() % 10 ? header.fds_len : 1;

		/* This one may do what it says. */
		if (header.type == PROTO_SIGNAL)
			continue;
		for (size_t k = 0; k < sizeof(frame); k++)
			frame[k] = (char)(rand() % 3 ? 0 : rand());
		memcpy(frame, &header, sizeof(header));
		(void)fd_send(sock_fd, frame, sizeof(header) + header.len - (size_t) !(rand() % 20),
			      fds, fds_len);
	}
}

/* Whatever its clients send, the monitor lives, and serves the next one. */
static void test_garbage(void **state)
{
	struct fixture *f = *state;
	struct monitor_end end;
	struct spec_stats stats;
	int dir_fd = open(f->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	size_t before, after;

	srand(4);
	start(f, "sleep 100");
	assert_int_equal(monitor_begin(f->client, &f->err), 0);
	before = count_fds(f);
	for (int round = 0; round < 500; round++) {
		int sock_fd;

		while ((sock_fd = state_connect(dir_fd)) == -EAGAIN)
			usleep(1000);
		assert_true(sock_fd >= 0);
		send_garbage(sock_fd);
		close(sock_fd);
	}
	assert_int_equal(monitor_stats(f->client, &stats, &f->err), 0);
	assert_int_equal(stats.cpu_ns, 42);
	/* It has seen the end of all of them: one more that came after is answered. */
	assert_int_equal(monitor_connect(f->dir, &f->other, &f->err), 0);
	assert_int_equal(monitor_stats(f->other, &stats, &f->err), 0);
	monitor_client_free(take_ptr(f->other));
	assert_int_equal(monitor_stats(f->client, &stats, &f->err), 0);
	after = count_fds(f);
	assert_in_range(after, before, before + 1);
	close(dir_fd);
	assert_int_equal(monitor_signal(f->client, 0, SIGKILL, &f->err), 0);
	assert_int_equal(monitor_wait(f->client, 0, -1, &end, &f->err), 0);
}

/* Killed anywhere on its way: what is left tells the truth, and lets itself be removed. */
static void test_failpoints(void **state)
{
	static const struct {
		const char *name;
		int start, attach; /* results */
		enum monitor_phase phase;
	} points[] = {
		{ "monitor-locked", -EPIPE, 0, MONITOR_ABSENT },
		{ "monitor-created", -EPIPE, 0, MONITOR_LOST },
		{ "monitor-begun", 0, -EPIPE, MONITOR_LOST },
		{ "monitor-ended", 0, -EPIPE, MONITOR_LOST },
		{ "monitor-destroyed", 0, -EPIPE, MONITOR_LOST },
		{ "monitor-recorded", 0, 0, MONITOR_EXITED },
		{ "monitor-told", 0, 0, MONITOR_EXITED },
	};
	struct fixture *f = *state;
	struct monitor_attach how = {
		.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1, .raw_fd = -1, .begin = true
	};

	set_command(&f->spec.process, "exit 3");
	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		struct monitor_end end = { 0 };

		setenv("HULL_FAILPOINT", points[i].name, 1);
		assert_int_equal(monitor_start(&f->start, -1, &f->client, &f->err),
				 points[i].start);
		unsetenv("HULL_FAILPOINT");
		if (f->client)
			assert_int_equal(monitor_attach(f->client, &how, &end, &f->err),
					 points[i].attach);
		await_phase(f, points[i].phase);
		if (points[i].phase == MONITOR_EXITED)
			assert_int_equal(end.exit_status, 3);
		assert_int_equal(monitor_kill_lost(f->dir, f->spec.id, &f->err), 0);
		assert_int_equal(phase(f), points[i].phase);
		monitor_client_free(f->client);
		f->client = NULL;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_run),		TEST(test_stdin),	 TEST(test_detached),
		TEST(test_late_wait),	TEST(test_no_command),	 TEST(test_create_fails),
		TEST(test_cancel),	TEST(test_starter_dies), TEST(test_discard),
		TEST(test_start_twice), TEST(test_exec),	 TEST(test_tool),
		TEST(test_requests),	TEST(test_probe),	 TEST(test_sigterm),
		TEST(test_sigkill),	TEST(test_kill_lost),	 TEST(test_failpoints),
		TEST(test_garbage),	TEST(test_paused),	 TEST(test_program),
		TEST(test_large_pipe),	TEST(test_empty_lines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
