/* SPDX-License-Identifier: Apache-2.0
 *
 * test_attach.c - attached clients: terminals, detach keys, slow readers, several at once
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "fixture.h"

/* A monitor_attach() in a thread of its own. */
struct attached {
	pthread_t thread;
	struct monitor_client *client;
	struct monitor_attach how;
	struct monitor_end end;
	struct err err;
	int result;
};

static void *run_attached(void *arg)
{
	struct attached *a = arg;

	a->result = monitor_attach(a->client, &a->how, &a->end, &a->err);

	return NULL;
}

static void attach(struct attached *a)
{
	assert_int_equal(pthread_create(&a->thread, NULL, run_attached, a), 0);
}

static void join(struct attached *a)
{
	char text[1024];

	pthread_join(a->thread, NULL);
	if (a->result < 0)
		print_error("attach: %s\n", err_text(&a->err, text, sizeof(text)));
	assert_int_equal(a->result, 0);
}

/* Read from @fd until @wanted has been seen. */
static void expect(int fd, const char *wanted)
{
	static char seen[1 << 16];
	size_t len = 0;

	seen[0] = '\0';
	while (!strstr(seen, wanted)) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };
		ssize_t n;

		if (poll(&wait, 1, 20000) != 1)
			fail_msg("waited for '%s', saw '%s'", wanted, seen);
		n = read(fd, seen + len, sizeof(seen) - 1 - len);
		if (n <= 0)
			fail_msg("the end came before '%s', after '%s'", wanted, seen);
		len += (size_t)n;
		seen[len] = '\0';
	}
}

static void type(int fd, const char *text)
{
	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* Type @text until @wanted is the answer. */
static void ask_until(int fd, const char *text, const char *wanted)
{
	static char seen[1 << 16];
	size_t len = 0;

	seen[0] = '\0';
	for (int tries = 0; tries < 400 && !strstr(seen, wanted); tries++) {
		struct pollfd wait = { .fd = fd, .events = POLLIN };

		type(fd, text);
		while (poll(&wait, 1, 50) == 1 && len < sizeof(seen) - 1) {
			ssize_t n = read(fd, seen + len, sizeof(seen) - 1 - len);

			assert_true(n > 0);
			len += (size_t)n;
			seen[len] = '\0';
		}
	}
	assert_non_null(strstr(seen, wanted));
}

/* A person at a terminal: @master is the hands and eyes, @how->raw_fd the terminal. */
static int open_terminal(struct attached *a)
{
	struct winsize size = { .ws_row = 33, .ws_col = 99 };
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave;

	assert_true(master >= 0);
	assert_int_equal(grantpt(master), 0);
	assert_int_equal(unlockpt(master), 0);
	slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
	assert_true(slave >= 0);
	assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
	a->how = (struct monitor_attach){
		.stdin_fd = slave,
		.stdout_fd = slave,
		.stderr_fd = slave,
		.terminal = true,
		.raw_fd = slave,
		.detach_keys = "\x10\x11",
		.detach_keys_len = 2,
		.begin = true,
	};

	return master;
}

static void test_terminal(void **state)
{
	struct fixture *f = *state;
	struct attached a = { 0 };
	struct termios before, during, after;
	struct winsize size = { .ws_row = 50, .ws_col = 132 };
	int master = open_terminal(&a);

	f->spec.process.terminal = f->start.open_stdin = true;
	start(f,
	      "stty size; while read x && [ -z \"$x\" ]; do stty size; done; echo got $x; exit 5");
	assert_int_equal(tcgetattr(a.how.raw_fd, &before), 0);
	a.client = f->client;
	attach(&a);
	/* The first size may be told before or after the attaching end has said its own. */
	expect(master, "\r\n");
	assert_int_equal(tcgetattr(a.how.raw_fd, &during), 0);
	assert_true(before.c_lflag & ICANON);
	assert_false(during.c_lflag & ICANON);
	assert_int_equal(ioctl(a.how.raw_fd, TIOCSWINSZ, &size), 0);
	/* The kernel tells only the foreground of a controlling terminal. */
	assert_int_equal(kill(getpid(), SIGWINCH), 0);
	ask_until(master, "\r", "50 132");
	/* ^P alone is input, ^P^Q would detach. */
	type(master, "\x10p\r");
	expect(master, "got \x10p");
	join(&a);
	assert_int_equal(a.end.exit_status, 5);
	assert_int_equal(tcgetattr(a.how.raw_fd, &after), 0);
	assert_int_equal(after.c_lflag, before.c_lflag);
	close(master);
	close(a.how.raw_fd);
}

static void test_detach(void **state)
{
	struct fixture *f = *state;
	struct attached a = { 0 };
	struct termios after;
	int master = open_terminal(&a);

	f->spec.process.terminal = f->start.open_stdin = true;
	start(f, "echo ready; read x; echo bye; exit 6");
	a.client = f->client;
	attach(&a);
	expect(master, "ready");
	type(master, "\x10\x11");
	join(&a);
	assert_true(a.end.detached);
	assert_int_equal(tcgetattr(a.how.raw_fd, &after), 0);
	assert_true(after.c_lflag & ICANON);
	assert_int_equal(phase(f), MONITOR_RUNNING);

	/* And back again, over the same connection. */
	a.how.begin = false;
	attach(&a);
	type(master, "\r");
	expect(master, "bye");
	join(&a);
	assert_int_equal(a.end.exit_status, 6);
	close(master);
	close(a.how.raw_fd);
}

/* A terminal that is closed lets go of the workload, which goes on. */
static void test_hangup(void **state)
{
	struct fixture *f = *state;
	struct attached a = { 0 };
	struct monitor_end end;
	int master = open_terminal(&a);

	f->spec.process.terminal = f->start.open_stdin = true;
	start(f, "echo ready; read x; sleep 100");
	a.client = f->client;
	attach(&a);
	expect(master, "ready");
	close(master);
	join(&a);
	assert_true(a.end.detached);
	assert_int_equal(phase(f), MONITOR_RUNNING);
	assert_int_equal(monitor_signal(f->client, 0, SIGKILL, NULL), 0);
	assert_int_equal(monitor_wait(f->client, 0, -1, &end, NULL), 0);
	close(a.how.raw_fd);
}

/* Without a terminal, detaching does not end the input that the process still waits for. */
static void test_detach_pipe(void **state)
{
	struct fixture *f = *state;
	struct attached a = { 0 };
	struct monitor_end end;
	int in[2];

	f->start.open_stdin = f->start.stdin_once = true;
	start(f, "read x; echo $x > /dev/null; exec cat");
	assert_int_equal(pipe(in), 0);
	a.client = f->client;
	a.how = (struct monitor_attach){
		.stdin_fd = in[0],
		.stdout_fd = -1,
		.stderr_fd = -1,
		.raw_fd = -1,
		.detach_keys = "q",
		.detach_keys_len = 1,
		.begin = true,
	};
	attach(&a);
	type(in[1], "line\nq");
	join(&a);
	assert_true(a.end.detached);
	assert_int_equal(monitor_wait(f->client, 0, clock_now_ns() + 100 * NS_PER_MS, &end, NULL),
			 -ETIMEDOUT);
	assert_int_equal(monitor_signal(f->client, 0, SIGKILL, NULL), 0);
	assert_int_equal(monitor_wait(f->client, 0, -1, &end, NULL), 0);
	assert_int_equal(end.exit_status, 137);
	close(in[0]);
	close(in[1]);
}

/* A signal to the attached process reaches the workload. */
static void test_forward(void **state)
{
	struct fixture *f = *state;
	struct attached a = { 0 };
	int out[2];

	start(f, "trap 'echo caught; exit 7' TERM; echo ready; while :; do sleep 0.01; done");
	assert_int_equal(pipe(out), 0);
	a.client = f->client;
	a.how = (struct monitor_attach){
		.stdin_fd = -1,
		.stdout_fd = out[1],
		.stderr_fd = -1,
		.raw_fd = -1,
		.forward_signals = true,
		.begin = true,
	};
	attach(&a);
	expect(out[0], "ready");
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	expect(out[0], "caught");
	join(&a);
	assert_int_equal(a.end.exit_status, 7);
	close(out[0]);
	close(out[1]);
}

/*
 * Two read the same output, one of them stops. It holds up the workload for a while, as it would
 * alone, but the other one and the log get everything in the end.
 */
static void test_stalled(void **state)
{
	struct fixture *f = *state;
	struct attached stuck = { 0 }, fine = { 0 };
	struct monitor_state s;
	int pipe_fds[2], null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

	start(f, "read x; head -c 2000000 /dev/zero; exit 8");
	assert_int_equal(pipe(pipe_fds), 0);
	f->start.open_stdin = true;
	stuck.client = f->client;
	stuck.how = (struct monitor_attach){
		.stdin_fd = -1, .stdout_fd = pipe_fds[1], .stderr_fd = -1, .raw_fd = -1
	};
	attach(&stuck);
	assert_int_equal(monitor_connect(f->dir, &fine.client, NULL), 0);
	fine.how = stuck.how;
	fine.how.stdout_fd = null_fd;
	fine.how.begin = true;
	attach(&fine);
	join(&fine);
	assert_int_equal(fine.end.exit_status, 8);
	await_phase(f, MONITOR_EXITED);
	assert_int_equal(monitor_read_state(f->dir, &s, NULL), 0);
	assert_int_equal(s.exit_status, 8);
	/* Nobody reads its pipe: only when it is gone can the thread end. */
	close(pipe_fds[0]);
	pthread_join(stuck.thread, NULL);
	monitor_client_free(fine.client);
	close(pipe_fds[1]);
	close(null_fd);
}

/* All of it, in order, whatever the pace of the reader. */
static void test_slow(void **state)
{
	struct fixture *f = *state;
	struct attached a = { 0 };
	static char block[65536];
	size_t total = 0;
	ssize_t n;
	int out[2];

	start(f, "head -c 3000000 /dev/zero | tr '\\0' x");
	assert_int_equal(pipe(out), 0);
	a.client = f->client;
	a.how = (struct monitor_attach){
		.stdin_fd = -1, .stdout_fd = out[1], .stderr_fd = -1, .raw_fd = -1, .begin = true
	};
	attach(&a);
	while (total < 3000000 && (n = read(out[0], block, sizeof(block))) > 0) {
		assert_int_equal(block[n / 2], 'x');
		total += (size_t)n;
		usleep(1000);
	}
	join(&a);
	assert_int_equal(total, 3000000);
	close(out[0]);
	close(out[1]);
}

/* A pager that waits for its reader does not keep a workload alive that has ended. */
static void test_pager(void **state)
{
	struct fixture *f = *state;
	struct attached a = { 0 };
	static char block[65536];
	size_t total = 0;
	ssize_t n;
	int out[2];

	/* More than all the pipes and buffers on the way of it hold together, but one. */
	start(f, "head -c 250000 /dev/zero; exit 9");
	assert_int_equal(pipe(out), 0);
	a.client = f->client;
	a.how = (struct monitor_attach){
		.stdin_fd = -1, .stdout_fd = out[1], .stderr_fd = -1, .raw_fd = -1, .begin = true
	};
	attach(&a);
	await_phase(f, MONITOR_EXITED);
	while (total < 250000 && (n = read(out[0], block, sizeof(block))) > 0)
		total += (size_t)n;
	join(&a);
	assert_int_equal(total, 250000);
	assert_int_equal(a.end.exit_status, 9);
	assert_true(a.end.reap_is_ours);
	close(out[0]);
	close(out[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_terminal), TEST(test_detach), TEST(test_hangup),  TEST(test_detach_pipe),
		TEST(test_forward),  TEST(test_slow),	TEST(test_stalled), TEST(test_pager),
	};
	sigset_t mask;

	/* Threads start with this mask, so that a signal waits for the one that asks for it. */
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGWINCH);
	sigaddset(&mask, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &mask, NULL);

	return cmocka_run_group_tests(tests, NULL, NULL);
}
