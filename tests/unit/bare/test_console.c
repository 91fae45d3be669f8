/* SPDX-License-Identifier: Apache-2.0
 *
 * test_console.c - bytes between a machine and its user, in order and whole, and what ends that
 */
#include "bare/console.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"

#define MUCH 300000 /* more than pipe and socket hold */

/* The machine's side, played by a thread; and the user's. */
struct fixture {
	struct console console;
	int machine_fd, type_fd, screen_fd;
	pthread_t thread;
};

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
	(void)signal(SIGPIPE, SIG_IGN);
}

static void teardown(struct fixture *f)
{
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

/* In a file or a pipe it is a byte as any other: the machine gets it. */
static void test_escape_from_pipe(void **state)
{
	static const char escape[] = { 'a', CONSOLE_ESCAPE, 'b' };
	struct fixture f;

	(void)state;
	setup(&f);
	assert_int_equal(write(f.type_fd, escape, 3), 3);
	f.screen_fd = fd_close(f.screen_fd);
	/* Ended by the output's missing reader, after the input has gone through. */
	assert_int_equal(write(f.machine_fd, "x", 1), 1);
	assert_int_equal(console_run(&f.console, NULL), SIGPIPE);
	teardown(&f);
}

static void test_signal(void **state)
{
	struct fixture f;
	sigset_t mask;

	(void)state;
	setup(&f);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	assert_int_equal(sigprocmask(SIG_BLOCK, &mask, NULL), 0);
	assert_int_equal(kill(getpid(), SIGTERM), 0);
	assert_int_equal(console_run(&f.console, NULL), SIGTERM);
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
		assert_int_equal(kill(getpid(), SIGTERM), 0);
		assert_int_equal(console_run(&f.console, NULL), obeys ? 0 : SIGTERM);
		assert_int_equal(button.presses, 1);
		teardown(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways),	 cmocka_unit_test(test_last_words),
		cmocka_unit_test(test_escape_from_pipe), cmocka_unit_test(test_signal),
		cmocka_unit_test(test_button),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
