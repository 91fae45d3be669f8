/* SPDX-License-Identifier: Apache-2.0
 *
 * console.c - the console of a machine on the terminal of this process
 */
#include "bare/console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "linux/terminal.h"

/* What a pipe takes at once when poll(2) says that it takes something. */
#define PIECE_BYTES 4096
/* What is typed while the guest does not read; the rest of it is only looked at. */
#define TYPED_BYTES (64 * KIB)

/* Bytes on their way. */
struct piece {
	char *at;
	size_t start, len;
};

struct relay {
	const struct console *console;
	char in[TYPED_BYTES], out[PIECE_BYTES];
	struct piece to_machine, to_user; /* in these */
	bool in_open, machine_open;
	struct terminal terminal;
	int64_t deadline_ns; /* -1 as long as its power button has not been pressed */
};

/* As read(2), but -1 at the end as well, and 0 when there is nothing now. */
static ssize_t read_some(int fd, char *buf, size_t len)
{
	ssize_t n = read(fd, buf, len);

	if (n > 0)
		return n;

	return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

/* 0, or a negative errno when @fd will never take any of it. */
static int drain(struct piece *piece, int fd)
{
	ssize_t n = write(fd, piece->at + piece->start, piece->len);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	piece->start += (size_t)n;
	piece->len -= (size_t)n;

	return 0;
}

static int take_over(struct relay *relay, struct err *err)
{
	int in_fd = relay->console->in_fd;
	sigset_t ending;

	(void)sigemptyset(&ending);
	signals_add_ending(&ending);

	return terminal_init(&relay->terminal, isatty(in_fd) ? in_fd : -1, &ending, err);
}

enum {
	AT_SIGNAL,
	AT_DEATH,
	AT_INPUT,
	AT_MACHINE,
	AT_OUTPUT,
	AT_COUNT
};

static void watch(const struct relay *relay, struct pollfd pfds[AT_COUNT])
{
	const struct console *c = relay->console;
	bool to_user = relay->to_user.len > 0, to_machine = relay->to_machine.len > 0;
	/* A terminal is read also while the guest does not: for the escape character. */
	bool wants_input = relay->in_open && (!to_machine || relay->terminal.raw_fd >= 0);
	short machine = (short)((to_user ? 0 : POLLIN) | (to_machine ? POLLOUT : 0));

	pfds[AT_SIGNAL] = (struct pollfd){ .fd = relay->terminal.signals.fd, .events = POLLIN };
	/* Its last words come first. */
	pfds[AT_DEATH] = (struct pollfd){ .fd = to_user ? -1 : c->death_fd, .events = POLLIN };
	pfds[AT_INPUT] = (struct pollfd){ .fd = wants_input ? c->in_fd : -1, .events = POLLIN };
	pfds[AT_MACHINE] =
		(struct pollfd){ .fd = relay->machine_open && machine ? c->machine_fd : -1,
				 .events = machine };
	/* That nobody reads any more is told even while there is nothing to read. */
	pfds[AT_OUTPUT] = (struct pollfd){ .fd = c->out_fd, .events = to_user ? POLLOUT : 0 };
}

/* What was typed. SIGINT for the escape character. */
static int take_input(struct relay *relay)
{
	struct piece *piece = &relay->to_machine;
	char typed[PIECE_BYTES];
	ssize_t n = read_some(relay->console->in_fd, typed, sizeof(typed));
	size_t take;

	if (n <= 0) {
		relay->in_open = n == 0;
		return 0;
	}
	if (relay->terminal.raw_fd >= 0 && memchr(typed, CONSOLE_ESCAPE, (size_t)n))
		return SIGINT;
	memmove(piece->at, piece->at + piece->start, piece->len);
	take = MIN((size_t)n, TYPED_BYTES - piece->len);
	memcpy(piece->at + piece->len, typed, take);
	piece->start = 0;
	piece->len += take;

	return 0;
}

/* What the machine says: only when all that it has said before was passed on. */
static ssize_t take_output(struct relay *relay)
{
	ssize_t n = read_some(relay->console->machine_fd, relay->to_user.at, PIECE_BYTES);

	relay->to_user.start = 0;
	relay->to_user.len = n > 0 ? (size_t)n : 0;

	return n;
}

/* SIGTERM asks the guest first. 0 when it is given time to go, else the signal. */
static int take_signal(struct relay *relay)
{
	const struct console *c = relay->console;
	int signo = signals_next(&relay->terminal.signals);

	if (signo == SIGCONT)
		terminal_set_raw(&relay->terminal);
	if (signo == SIGCONT || signo == SIGWINCH)
		return 0;
	if (signo != SIGTERM || relay->deadline_ns >= 0 || !c->press || !c->press(c->ctx))
		return signo;
	relay->deadline_ns = clock_now_ns() + CONSOLE_OFF_LIMIT_NS;

	return 0;
}

/* The user's side of a round: 0, or the signal that ends it. */
static int serve_user(struct relay *relay, const struct pollfd pfds[AT_COUNT])
{
	int r = 0;

	if (relay->deadline_ns >= 0 && clock_now_ns() >= relay->deadline_ns)
		return SIGTERM;
	if (pfds[AT_SIGNAL].revents)
		r = take_signal(relay);
	if (r == 0 && pfds[AT_INPUT].revents)
		r = take_input(relay);
	if (r != 0)
		return r;
	if (pfds[AT_OUTPUT].revents & (POLLERR | POLLHUP | POLLNVAL))
		return SIGPIPE;
	if ((pfds[AT_OUTPUT].revents & POLLOUT) &&
	    drain(&relay->to_user, relay->console->out_fd) < 0)
		return SIGPIPE;

	return 0;
}

/* The machine's side. True when it has ended, and nothing more can come. */
static bool serve_machine(struct relay *relay, const struct pollfd pfds[AT_COUNT])
{
	short told = pfds[AT_MACHINE].revents;

	/* Nobody waits for input that a machine does not want any more. */
	if ((told & ~POLLIN) && relay->to_machine.len > 0 &&
	    drain(&relay->to_machine, relay->console->machine_fd) < 0)
		relay->to_machine.len = 0;
	if ((told & ~POLLOUT) && relay->to_user.len == 0)
		relay->machine_open = take_output(relay) >= 0;

	/* Its end of the socket is closed: what it wrote is all there. */
	return pfds[AT_DEATH].revents && relay->to_user.len == 0 && take_output(relay) <= 0;
}

int console_run(const struct console *console, struct err *err)
{
	struct relay relay = { .console = console,
			       .to_machine = { .at = relay.in },
			       .to_user = { .at = relay.out },
			       .in_open = true,
			       .machine_open = true,
			       .terminal = TERMINAL_INIT,
			       .deadline_ns = -1 };
	int r = take_over(&relay, err);
	bool ended = false;

	while (r == 0 && !ended) {
		struct pollfd pfds[AT_COUNT];

		watch(&relay, pfds);
		if (poll(pfds, AT_COUNT, clock_poll_ms(relay.deadline_ns)) >= 0) {
			r = serve_user(&relay, pfds);
			ended = r == 0 && serve_machine(&relay, pfds);
		} else if (errno != EINTR) {
			r = err_sys(err, "wait for the console");
		}
	}
	terminal_done(&relay.terminal);

	return r;
}
