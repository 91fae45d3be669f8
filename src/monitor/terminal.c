/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal.c - the local terminal and signals of an attached client
 */
#include "monitor/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"

/*
 * As docker's --sig-proxy: all that another process may have sent to us for the workload. Not
 * those about our own terminal, children and faults, and not job control.
 */
static const int forwarded[] = {
	SIGHUP,	 SIGINT,  SIGQUIT, SIGTERM,   SIGUSR1, SIGUSR2, SIGALRM,
	SIGPOLL, SIGPROF, SIGPWR,  SIGVTALRM, SIGXCPU, SIGXFSZ, SIGSTKFLT,
};

/* Signals that would end this process with its terminal still raw. */
static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };

static int take_signals(struct terminal *t, bool forward, struct err *err)
{
	sigset_t mask, blocked;

	sigemptyset(&mask);
	if (t->raw_fd >= 0) {
		sigaddset(&mask, SIGWINCH);
		sigaddset(&mask, SIGCONT);
		for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
			sigaddset(&mask, ending[i]);
	}
	for (size_t i = 0; forward && i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&mask, forwarded[i]);
	blocked = mask;
	sigaddset(&blocked, SIGPIPE);
	t->signal_fd = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signal_fd < 0)
		return err_sys(err, "make a signalfd");
	if (sigprocmask(SIG_BLOCK, &blocked, &t->old_mask) < 0) {
		t->signal_fd = fd_close(t->signal_fd);
		return err_sys(err, "block signals");
	}

	return 0;
}

void terminal_set_raw(struct terminal *t)
{
	struct termios raw = t->saved;

	if (t->raw_fd < 0)
		return;
	cfmakeraw(&raw);
	(void)tcsetattr(t->raw_fd, TCSANOW, &raw);
}

int terminal_init(struct terminal *t, int raw_fd, bool forward, struct err *err)
{
	int r;

	*t = (struct terminal){ .raw_fd = -1, .signal_fd = -1 };
	if (raw_fd >= 0 && tcgetattr(raw_fd, &t->saved) < 0)
		return err_sys(err, "read the modes of the terminal");
	t->raw_fd = raw_fd;
	r = take_signals(t, forward, err);
	if (r < 0) {
		t->raw_fd = -1;
		return r;
	}
	terminal_set_raw(t);

	return 0;
}

void terminal_done(struct terminal *t)
{
	if (t->raw_fd >= 0)
		(void)tcsetattr(t->raw_fd, TCSANOW, &t->saved);
	t->raw_fd = -1;
	if (t->signal_fd < 0)
		return;
	t->signal_fd = fd_close(t->signal_fd);
	(void)sigprocmask(SIG_SETMASK, &t->old_mask, NULL);
}

int terminal_size(const struct terminal *t, uint16_t *ret_rows, uint16_t *ret_cols)
{
	struct winsize size;

	if (ioctl(t->raw_fd, TIOCGWINSZ, &size) < 0)
		return -errno;
	*ret_rows = size.ws_row;
	*ret_cols = size.ws_col;

	return 0;
}

int terminal_next_signal(struct terminal *t)
{
	struct signalfd_siginfo info;

	if (t->signal_fd < 0 || read(t->signal_fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;

	return (int)info.ssi_signo;
}

void terminal_die(struct terminal *t, int signo)
{
	terminal_done(t);
	(void)raise(signo);
}
