/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.c - one epoll loop per process
 */
#include "loop/loop.h"

#include <errno.h>
#include <sys/signalfd.h>

#include "base/clock.h"
#include "base/fd.h"

#define LOOP_BATCH 32
/* Set in loop_source.events while the source is in the epoll set, even with no event wanted. */
#define LOOP_WATCHED EPOLLONESHOT

int loop_init(struct loop *loop, struct err *err)
{
	*loop = (struct loop){ .epoll_fd = epoll_create1(EPOLL_CLOEXEC) };
	if (loop->epoll_fd < 0)
		return err_sys(err, "make an epoll descriptor");

	return 0;
}

void loop_done(struct loop *loop)
{
	loop->epoll_fd = fd_close(loop->epoll_fd);
}

static int control(struct loop *loop, int op, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, op, source->fd, &event) < 0)
		return -errno;
	source->events = events | LOOP_WATCHED;

	return 0;
}

int loop_add(struct loop *loop, struct loop_source *source, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, source, events);
}

int loop_mod(struct loop *loop, struct loop_source *source, uint32_t events)
{
	if (source->events == (events | LOOP_WATCHED))
		return 0;

	return control(loop, EPOLL_CTL_MOD, source, events);
}

void loop_del(struct loop *loop, struct loop_source *source)
{
	if (source->fd < 0 || !(source->events & LOOP_WATCHED))
		return;
	(void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
	source->events = 0;
	/* Events of it that wait in the batch at hand would reach freed memory. */
	for (int i = 0; loop->batch && i < loop->batch_len; i++)
		if (loop->batch[i].data.ptr == source)
			loop->batch[i].data.ptr = NULL;
}

int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events)
{
	if (events == 0) {
		loop_del(loop, source);
		return 0;
	}

	return source->events & LOOP_WATCHED ? loop_mod(loop, source, events)
					     : loop_add(loop, source, events);
}

void loop_timer_disarm(struct loop *loop, struct loop_timer *timer)
{
	if (!timer->armed)
		return;
	for (struct loop_timer **at = &loop->timers; *at; at = &(*at)->next) {
		if (*at == timer) {
			*at = timer->next;
			break;
		}
	}
	timer->armed = false;
	timer->next = NULL;
}

void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t deadline_ns)
{
	struct loop_timer **at = &loop->timers;

	loop_timer_disarm(loop, timer);
	timer->deadline_ns = deadline_ns;
	timer->armed = true;
	while (*at && (*at)->deadline_ns <= deadline_ns)
		at = &(*at)->next;
	timer->next = *at;
	*at = timer;
}

int loop_signal_fd(const sigset_t *signals, struct err *err)
{
	int fd;

	if (sigprocmask(SIG_BLOCK, signals, NULL) < 0)
		return err_sys(err, "block signals");
	fd = signalfd(-1, signals, SFD_CLOEXEC | SFD_NONBLOCK);

	return fd < 0 ? err_sys(err, "make a signalfd") : fd;
}

/* No more calls than timers are due: one that always arms itself again does not keep the loop. */
static void run_timers(struct loop *loop)
{
	int64_t now_ns = clock_now_ns();
	size_t due = 0;

	for (const struct loop_timer *timer = loop->timers; timer && timer->deadline_ns <= now_ns;
	     timer = timer->next)
		due++;
	for (; due > 0 && loop->timers && loop->timers->deadline_ns <= now_ns; due--) {
		struct loop_timer *timer = loop->timers;

		loop_timer_disarm(loop, timer);
		timer->fn(timer->ctx);
	}
}

int loop_once(struct loop *loop, int64_t deadline_ns, struct err *err)
{
	struct epoll_event batch[LOOP_BATCH], *outer = loop->batch;
	int outer_len = loop->batch_len, timeout_ms, n;

	if (loop->timers && (deadline_ns < 0 || loop->timers->deadline_ns < deadline_ns))
		deadline_ns = loop->timers->deadline_ns;
	timeout_ms = clock_poll_ms(deadline_ns);
	if (loop->waits)
		loop->waits(loop->waits_ctx, true);
	n = epoll_wait(loop->epoll_fd, batch, LOOP_BATCH, timeout_ms);
	if (n < 0)
		n = -errno;
	if (loop->waits)
		loop->waits(loop->waits_ctx, false);
	if (n < 0 && n != -EINTR)
		return err_set(err, -n, "wait for events: %s", strerror(-n));

	loop->batch = batch;
	loop->batch_len = MAX(n, 0);
	for (int i = 0; i < loop->batch_len; i++) {
		struct loop_source *source = batch[i].data.ptr;

		if (source)
			source->fn(source->ctx, batch[i].events);
	}
	loop->batch = outer;
	loop->batch_len = outer_len;
	run_timers(loop);

	return 0;
}

int loop_run(struct loop *loop, struct err *err)
{
	loop->stopped = false;
	while (!loop->stopped) {
		int r = loop_once(loop, -1, err);

		if (r < 0)
			return r;
	}

	return 0;
}

void loop_stop(struct loop *loop)
{
	loop->stopped = true;
}
