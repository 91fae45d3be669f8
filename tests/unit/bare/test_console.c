/* SPDX-License-Identifier: Apache-2.0
 *
 * test_console.c - bytes between a machine and its user, in order and whole, and what ends that
 */
#include "bare/console.h"

#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

#define MUCH 300000 /* more than pipe and socket hold */

#define BUSY_MAX 1000 /* rounds without a rest that no test here needs */

/* The machine's side, played by a thread or by @idle; and the user's. */
struct fixture {
	struct console console;
	int machine_fd, type_fd, screen_fd;
	pthread_t thread;
	void (*idle)(struct fixture *f);
};

/* Its @idle is called, once, when the console has nothing to do. */
static struct fixture *watched;
static int busy;

/* In place of libc's, for the console: one that never comes to rest fails its test. */
int poll(struct pollfd *pfds, nfds_t len, int timeout_ms)
{
	void (*idle)(struct fixture * f) = watched ? watched->idle : NULL;
	int n;

	if (!idle)
		return (int)syscall(SYS_poll, pfds, len, timeout_ms);
	n = (int)syscall(SYS_poll, pfds, len, 0);
	if (n != 0) {
		assert_true(++busy < BUSY_MAX);
		return n;
	}
	watched->idle = NULL;
	idle(watched);

	return (int)syscall(SYS_poll, pfds, len, timeout_ms);
}

static void setup(struct fixture *f)
{
	int socks[2], in[2], out[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	assert_int_equal(fd_set_nonblock(socks[0], 1), 0);
	f->console = (struct console){ .machine_fd = socks[0],
				       .death_fd = eventfd(0, EFD_CLOEXEC),
				       .in_fd = in[0],
				       .out_fd = out[1] };
	f->machine_fd = socks[1];
	f->type_fd = in[1];
	f->screen_fd = out[0];
	f->idle = NULL;
	watched = f;
	busy = 0;
}

static void teardown(struct fixture *f)
{
	watched = NULL;
	fd_close(f->console.machine_fd);
	fd_close(f->console.death_fd);
	fd_close(f->console.in_fd);
	fd_close(f->console.out_fd);
	fd_close(f->machine_fd);
	fd_close(f->type_fd);
	fd_close(f->screen_fd);
}

static void die(struct fixture *f)
{
	uint64_t one = 1;

	f->machine_fd = fd_close(f->machine_fd);
	assert_int_equal(write(f->console.death_fd, &one, sizeof(one)), sizeof(one));
}

/* Sends back what it gets, then dies. */
static void *echo(void *ctx)
{
	struct fixture *f = ctx;
	char bytes[1000];
	size_t left = MUCH;

	while (left > 0) {
		ssize_t n = read(f->machine_fd, bytes, sizeof(bytes));

		if (n <= 0 || fd_write_all(f->machine_fd, bytes, (size_t)n) < 0)
			break;
		left -= (size_t)n;
	}
	die(f);

	return NULL;
}

struct user {
	struct fixture *f;
	bool same;
};

static void *type(void *ctx)
{
	struct user *user = ctx;
	char sent[1000], seen[1000];

	user->same = true;
	for (size_t at = 0; at < MUCH; at += sizeof(sent)) {
		for (size_t i = 0; i < sizeof(sent); i++)
			sent[i] = (char)((at + i) * 31 >> 3);
		if (fd_write_all(user->f->type_fd, sent, sizeof(sent)) < 0 ||
		    fd_read_all(user->f->screen_fd, seen, sizeof(seen)) != sizeof(seen) ||
		    memcmp(sent, seen, sizeof(seen)) != 0)
			user->same = false;
	}

	return NULL;
}

static void test_both_ways(void **state)
{
	struct fixture f;
	struct user user = { .f = &f };
	pthread_t typist;

	(void)state;
	setup(&f);
	assert_int_equal(pthread_create(&f.thread, NULL, echo, &f), 0);
	assert_int_equal(pthread_create(&typist, NULL, type, &user), 0);
	assert_int_equal(console_run(&f.console, NULL), 0);
	(void)pthread_join(f.thread, NULL);
	(void)pthread_join(typist, NULL);
	assert_true(user.same);
	teardown(&f);
}

/* Input that has ended is not the machine's end; what it wrote before its own is seen. */
static void test_last_words(void **state)
{
	struct fixture f;
	char seen[16] = "";

	(void)state;
	setup(&f);
	f.type_fd = fd_close(f.type_fd);
	assert_int_equal(write(f.machine_fd, "good bye", 8), 8);
	die(&f);
	assert_int_equal(console_run(&f.console, NULL), 0);
	assert_int_equal(read(f.screen_fd, seen, sizeof(seen)), 8);
	assert_string_equal(seen, "good bye");
	teardown(&f);
}

static const char escape[] = { 'a', CONSOLE_ESCAPE, 'b' };

static void check_escape_came(struct fixture *f)
{
	char seen[sizeof(escape)];

	assert_int_equal(fd_read_all(f->machine_fd, seen, sizeof(seen)), sizeof(seen));
	assert_memory_equal(seen, escape, sizeof(seen));
	die(f);
}

/* In a file or a pipe it is a byte as any other: the machine gets it. */
static void test_escape_from_pipe(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(write(f.type_fd, escape, sizeof(escape)), sizeof(escape));
	f.idle = check_escape_came;
	assert_int_equal(console_run(&f.console, NULL), 0);
	teardown(&f);
}

static void use_terminal(struct fixture *f)
{
	struct termios raw;

	fd_close(f->console.in_fd);
	fd_close(f->type_fd);
	assert_int_equal(openpty(&f->type_fd, &f->console.in_fd, NULL, NULL, NULL), 0);
	assert_int_equal(tcgetattr(f->console.in_fd, &raw), 0);
	cfmakeraw(&raw);
	assert_int_equal(tcsetattr(f->console.in_fd, TCSANOW, &raw), 0);
}

static void *type_much_and_escape(void *ctx)
{
	static const char letters[1000], last = CONSOLE_ESCAPE;
	struct fixture *f = ctx;

	for (size_t at = 0; at < MUCH; at += sizeof(letters))
		if (fd_write_all(f->type_fd, letters, sizeof(letters)) < 0)
			return NULL;
	(void)fd_write_all(f->type_fd, &last, 1);

	return NULL;
}

/* However much was typed before it to a machine that reads nothing. */
static void test_escape_is_always_seen(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	use_terminal(&f);
	assert_int_equal(pthread_create(&f.thread, NULL, type_much_and_escape, &f), 0);
	assert_int_equal(console_run(&f.console, NULL), SIGINT);
	(void)pthread_join(f.thread, NULL);
	teardown(&f);
}

static void test_no_reader(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.screen_fd = fd_close(f.screen_fd);
	assert_int_equal(write(f.machine_fd, "x", 1), 1);
	assert_int_equal(console_run(&f.console, NULL), SIGPIPE);
	teardown(&f);
}

/* A socket tells it in another way than a pipe, and also when nothing is written. */
static void test_output_hung_up(void **state)
{
	int socks[2];
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks), 0);
	fd_close(f.console.out_fd);
	fd_close(f.screen_fd);
	f.console.out_fd = socks[0];
	f.screen_fd = socks[1];
	assert_int_equal(shutdown(f.screen_fd, SHUT_RDWR), 0);
	f.idle = die;
	assert_int_equal(console_run(&f.console, NULL), SIGPIPE);
	teardown(&f);
}

static void read_screen(struct fixture *f)
{
	char bytes[4096];

	assert_true(read(f->screen_fd, bytes, sizeof(bytes)) > 0);
}

/* A dead machine whose last words have to wait for the reader. */
static void test_waits_for_reader(void **state)
{
	static const char bytes[4096];
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(fd_set_nonblock(f.console.out_fd, 1), 0);
	while (write(f.console.out_fd, bytes, sizeof(bytes)) > 0)
		;
	assert_int_equal(write(f.machine_fd, "good bye", 8), 8);
	die(&f);
	f.idle = read_screen;
	assert_int_equal(console_run(&f.console, NULL), 0);
	assert_null(f.idle);
	teardown(&f);
}

static void send_term(struct fixture *f)
{
	(void)f;
	assert_int_equal(kill(getpid(), SIGTERM), 0);
}

static void test_signal(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	f.idle = send_term;
	assert_int_equal(console_run(&f.console, NULL), SIGTERM);
	teardown(&f);
}

static void send_hup_and_die(struct fixture *f)
{
	assert_int_equal(kill(getpid(), SIGHUP), 0);
	die(f);
}

/* As below nohup. */
static void test_ignored_signal(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	(void)signal(SIGHUP, SIG_IGN);
	f.idle = send_hup_and_die;
	assert_int_equal(console_run(&f.console, NULL), 0);
	(void)signal(SIGHUP, SIG_DFL);
	teardown(&f);
}

struct button {
	struct fixture *f;
	int presses;
	bool obeys;
};

static bool press(void *ctx)
{
	struct button *button = ctx;

	button->presses++;
	if (button->obeys)
		die(button->f);
	else
		assert_int_equal(kill(getpid(), SIGTERM), 0);

	return true;
}

/* The first SIGTERM presses the button; a guest that does not care ends by the second. */
static void test_button(void **state)
{
	(void)state;
	for (int obeys = 0; obeys < 2; obeys++) {
		struct fixture f;
		struct button button = { .f = &f, .obeys = obeys };

		setup(&f);
		f.console.press = press;
		f.console.ctx = &button;
		f.idle = send_term;
		assert_int_equal(console_run(&f.console, NULL), obeys ? 0 : SIGTERM);
		assert_int_equal(button.presses, 1);
		teardown(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),
		cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_escape_from_pipe),
		cmocka_unit_test(test_escape_is_always_seen),
		cmocka_unit_test(test_no_reader),
		cmocka_unit_test(test_output_hung_up),
		cmocka_unit_test(test_waits_for_reader),
		cmocka_unit_test(test_signal),
		cmocka_unit_test(test_ignored_signal),
		cmocka_unit_test(test_button),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	/* In the background of some shells they come ignored. */
	(void)signal(SIGHUP, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	/* A console that hangs fails the test instead of the whole run. */
	(void)alarm(60);

	return cmocka_run_group_tests(tests, NULL, NULL);
}
