/* SPDX-License-Identifier: Apache-2.0
 *
 * terminal.c - the terminal and the signals of a process that relays for its user
 */
#include "linux/terminal.h"

#include <errno.h>
#include <sys/ioctl.h>

void terminal_set_raw(struct terminal *t)
{
	struct termios raw = t->saved;

	if (t->raw_fd < 0)
		return;
	cfmakeraw(&raw);
	(void)tcsetattr(t->raw_fd, TCSANOW, &raw);
}

int terminal_init(struct terminal *t, int raw_fd, const sigset_t *more, struct err *err)
{
	sigset_t wanted = *more;
	int r;

	*t = (struct terminal)TERMINAL_INIT;
	if (raw_fd >= 0) {
		if (tcgetattr(raw_fd, &t->saved) < 0)
			return err_sys(err, "read the modes of the terminal");
		(void)sigaddset(&wanted, SIGWINCH);
		(void)sigaddset(&wanted, SIGCONT);
		signals_add_ending(&wanted);
	}
	r = signals_take(&t->signals, &wanted, err);
	if (r < 0)
		return r;
	t->raw_fd = raw_fd;
	terminal_set_raw(t);

	return 0;
}

void terminal_done(struct terminal *t)
{
	if (t->raw_fd >= 0)
		(void)tcsetattr(t->raw_fd, TCSANOW, &t->saved);
	t->raw_fd = -1;
	signals_done(&t->signals);
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

void terminal_die(struct terminal *t, int signo)
{
	terminal_done(t);
	(void)raise(signo);
}
