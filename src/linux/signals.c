/* SPDX-License-Identifier: Apache-2.0
 *
 * signals.c - the signals of this process, read from a descriptor for a while
 */
#include "linux/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/fd.h"

void signals_add_ending(sigset_t *set)
{
	static const int ending[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction action;

	for (size_t i = 0; i < ARRAY_SIZE(ending); i++)
		if (sigaction(ending[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
			(void)sigaddset(set, ending[i]);
}

int signals_take(struct signals *s, const sigset_t *wanted, struct err *err)
{
	sigset_t blocked = *wanted;
	int fd = signalfd(-1, wanted, SFD_CLOEXEC | SFD_NONBLOCK);

	if (fd < 0)
		return err_sys(err, "make a signalfd");
	(void)sigaddset(&blocked, SIGPIPE);
	(void)sigprocmask(SIG_BLOCK, &blocked, &s->old_mask);
	s->fd = fd;

	return 0;
}

int signals_next(struct signals *s)
{
	struct signalfd_siginfo info;

	if (s->fd < 0 || read(s->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return 0;

	return (int)info.ssi_signo;
}

void signals_done(struct signals *s)
{
	if (s->fd < 0)
		return;
	s->fd = fd_close(s->fd);
	(void)sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
}
