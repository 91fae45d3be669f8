/* SPDX-License-Identifier: Apache-2.0
 *
 * console.c - the console of a machine on the terminal of this process
 */
#include "bare/console.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include "base/fd.h"

/* What a pipe takes at once when poll(2) says that it takes something. */
#define PIECE_BYTES 4096

/* Bytes on their way. */
struct piece {
	char at[PIECE_BYTES];
	size_t start, len;
};

struct relay {
	const struct console *console;
	struct piece to_machine, to_user;
	bool in_open, in_is_terminal;
	bool machine_open;
	int signal_fd;
	int64_t deadline_ns; /* -1 as long as its power button has not been pressed */
	struct termios saved;
	sigset_t old_mask;
};

/* How many bytes came; 0 at the end, or when there are none now. */
static size_t fill(struct piece *piece, int fd)
{
	ssize_t n = read(fd, piece->at, sizeof(piece->at));

	piece->start = 0;
	piece->len = n > 0 ? (size_t)n : 0;

	return piece->len;
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
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct termios raw;
	sigset_t mask;

	sigemptyset(&mask);
	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		sigaddset(&mask, ending[i]);
	relay->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (relay->signal_fd < 0)
		return err_sys(err, "make a signalfd");
	sigaddset(&mask, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &mask, &relay->old_mask);
	relay->in_is_terminal = tcgetattr(relay->console->in_fd, &relay->saved) == 0;
	if (!relay->in_is_terminal)
		return 0;
	raw = relay->saved;
	cfmakeraw(&raw);
	if (tcsetattr(relay->console->in_fd, TCSADRAIN, &raw) < 0)
		return err_sys(err, "make the terminal raw");

	return 0;
}

static void give_back(struct relay *relay)
{
	if (relay->in_is_terminal)
		(void)tcsetattr(relay->console->in_fd, TCSADRAIN, &relay->saved);
	if (relay->signal_fd < 0)
		return;
	relay->signal_fd = fd_close(relay->signal_fd);
	(void)sigprocmask(SIG_SETMASK, &relay->old_mask, NULL);
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
	bool wants_input = relay->in_open && relay->to_machine.len == 0;
	short machine = (short)((relay->to_user.len == 0 ? POLLIN : 0) |
				(relay->to_machine.len > 0 ? POLLOUT : 0));

	pfds[AT_SIGNAL] = (struct pollfd){ .fd = relay->signal_fd, .events = POLLIN };
	pfds[AT_DEATH] = (struct pollfd){ .fd = c->death_fd, .events = POLLIN };
	pfds[AT_INPUT] = (struct pollfd){ .fd = wants_input ? c->in_fd : -1, .events = POLLIN };
	pfds[AT_MACHINE] =
		(struct pollfd){ .fd = relay->machine_open && machine ? c->machine_fd : -1,
				 .events = machine };
	/* That nobody reads any more is told even while there is nothing to read. */
	pfds[AT_OUTPUT] =
		(struct pollfd){ .fd = c->out_fd, .events = relay->to_user.len > 0 ? POLLOUT : 0 };
}

/* What was typed. SIGINT for the escape character. */
static int take_input(struct relay *relay)
{
	struct piece *piece = &relay->to_machine;

	if (fill(piece, relay->console->in_fd) == 0)
		relay->in_open = false;

	return relay->in_is_terminal && memchr(piece->at, CONSOLE_ESCAPE, piece->len) ? SIGINT : 0;
}

/* SIGTERM asks the guest first. 0 when it is given time to go, else the signal. */
static int take_signal(struct relay *relay)
{
	const struct console *c = relay->console;
	struct signalfd_siginfo info;

	if (read(relay->signal_fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo != SIGTERM || relay->deadline_ns >= 0 || !c->press || !c->press(c->ctx))
		return (int)info.ssi_signo;
	relay->deadline_ns = clock_now_ns() + CONSOLE_OFF_LIMIT_NS;

	return 0;
}

/* One round. 0, or what console_run() returns; @ret_ended when nothing more can come. */
static int step(struct relay *relay, bool *ret_ended, struct err *err)
{
	const struct console *c = relay->console;
	struct pollfd pfds[AT_COUNT];
	int r = 0;

	watch(relay, pfds);
	if (poll(pfds, AT_COUNT, clock_poll_ms(relay->deadline_ns)) < 0)
		return errno == EINTR ? 0 : err_sys(err, "wait for the console");
	if (relay->deadline_ns >= 0 && clock_now_ns() >= relay->deadline_ns)
		return SIGTERM;
	if (pfds[AT_SIGNAL].revents)
		r = take_signal(relay);
	if (r == 0 && pfds[AT_INPUT].revents)
		r = take_input(relay);
	if (r == 0 && (pfds[AT_OUTPUT].revents & (POLLERR | POLLNVAL)))
		r = SIGPIPE;
	if (r == 0 && (pfds[AT_OUTPUT].revents & POLLOUT) && drain(&relay->to_user, c->out_fd) < 0)
		r = SIGPIPE;
	if (r != 0)
		return r;
	/* Nobody waits for input that a machine does not want any more. */
	if ((pfds[AT_MACHINE].revents & POLLOUT) && drain(&relay->to_machine, c->machine_fd) < 0)
		relay->to_machine.len = 0;
	if (relay->to_user.len == 0 && (pfds[AT_MACHINE].revents & ~POLLOUT))
		relay->machine_open = fill(&relay->to_user, c->machine_fd) > 0;
	/* Its end of the socket is closed: what it wrote is all there. */
	*ret_ended = pfds[AT_DEATH].revents && relay->to_user.len == 0 &&
		     fill(&relay->to_user, c->machine_fd) == 0;

	return 0;
}

int console_run(const struct console *console, struct err *err)
{
	struct relay relay = { .console = console,
			       .in_open = true,
			       .machine_open = true,
			       .signal_fd = -1,
			       .deadline_ns = -1 };
	bool ended = false;
	int r = take_over(&relay, err);

	while (r == 0 && !ended)
		r = step(&relay, &ended, err);
	give_back(&relay);

	return r;
}
