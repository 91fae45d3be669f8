/* SPDX-License-Identifier: Apache-2.0
 *
 * test_loop.c - sources that remove each other, timers in order, signals
 */
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "check.h"

#define SOURCES 8

/* One pipe whose reading end is watched. */
struct watched {
	struct loop *loop;
	struct loop_source source;
	int write_fd, calls;
	uint32_t last;
	struct watched *victim; /* removed when called */
	bool stops;
};

static void on_event(void *ctx, uint32_t events)
{
	struct watched *w = ctx;

	w->calls++;
	w->last = events;
	if (w->victim)
		loop_del(w->loop, &w->victim->source);
	if (w->stops)
		loop_stop(w->loop);
}

static void watched_open(struct watched *w, struct loop *loop)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	*w = (struct watched){
		.loop = loop,
		.source = { .fd = fds[0], .fn = on_event, .ctx = w },
		.write_fd = fds[1],
	};
	assert_int_equal(loop_add(loop, &w->source, EPOLLIN), 0);
}

static void watched_close(struct watched *w)
{
	loop_del(w->loop, &w->source);
	w->source.fd = fd_close(w->source.fd);
	w->write_fd = fd_close(w->write_fd);
}

static void make_ready(struct watched *w)
{
	assert_int_equal(write(w->write_fd, "x", 1), 1);
}

/* Nothing may be waited for: what is ready has to be found without time passing. */
static void once(struct loop *loop)
{
	assert_int_equal(loop_once(loop, 0, NULL), 0);
}

static void test_events(void **state)
{
	struct loop loop;
	struct watched w;
	char c;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	watched_open(&w, &loop);
	once(&loop);
	assert_int_equal(w.calls, 0);
	make_ready(&w);
	once(&loop);
	once(&loop);
	assert_int_equal(w.calls, 2); /* level-triggered */
	assert_int_equal(w.last, EPOLLIN);

	assert_int_equal(loop_mod(&loop, &w.source, 0), 0);
	once(&loop);
	assert_int_equal(w.calls, 2);
	assert_int_equal(loop_mod(&loop, &w.source, EPOLLIN), 0);
	assert_int_equal(loop_mod(&loop, &w.source, EPOLLIN), 0);
	once(&loop);
	assert_int_equal(w.calls, 3);

	/* Hang-up is told even when no event is wanted. */
	assert_int_equal(read(w.source.fd, &c, 1), 1);
	assert_int_equal(loop_mod(&loop, &w.source, 0), 0);
	w.write_fd = fd_close(w.write_fd);
	once(&loop);
	assert_int_equal(w.calls, 4);
	assert_int_equal(w.last, EPOLLHUP);

	loop_del(&loop, &w.source);
	loop_del(&loop, &w.source);
	once(&loop);
	assert_int_equal(w.calls, 4);
	assert_int_equal(loop_add(&loop, &w.source, EPOLLIN), 0);
	assert_int_equal(loop_add(&loop, &w.source, EPOLLIN), -EEXIST);
	/* By what is wanted, whatever was before. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_watch(&loop, &w.source, 0), 0);
		once(&loop);
	}
	assert_int_equal(w.calls, 4);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(loop_watch(&loop, &w.source, EPOLLIN), 0);
		once(&loop);
	}
	assert_int_equal(w.calls, 6);
	watched_close(&w);
	loop_del(&loop, &w.source); /* fd < 0 */
	loop_done(&loop);
}

/* Each source removes itself in its callback. */
static void test_removes_itself(void **state)
{
	struct watched w[SOURCES];
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	for (size_t i = 0; i < SOURCES; i++) {
		watched_open(&w[i], &loop);
		w[i].victim = &w[i];
		make_ready(&w[i]);
	}
	once(&loop);
	once(&loop);
	for (size_t i = 0; i < SOURCES; i++) {
		assert_int_equal(w[i].calls, 1);
		watched_close(&w[i]);
	}
	loop_done(&loop);
}

/* All are ready; the first one that is called removes its neighbour, which must stay silent. */
static void test_removes_another(void **state)
{
	struct watched a, b;
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	watched_open(&a, &loop);
	watched_open(&b, &loop);
	a.victim = &b;
	b.victim = &a;
	make_ready(&a);
	make_ready(&b);
	once(&loop);
	assert_int_equal(a.calls + b.calls, 1);
	once(&loop);
	assert_int_equal(a.calls + b.calls, 2);
	assert_true(a.calls == 0 || b.calls == 0);
	watched_close(&a);
	watched_close(&b);
	loop_done(&loop);
}

/* ---- timers ---- */

struct ticker {
	struct loop *loop;
	struct loop_timer timer;
	struct ticker *disarms;
	int rearms;	  /* so many times more, from within its callback */
	int64_t again_ns; /* when; 0: now */
	int *order, *order_len;
	int id;
};

static void on_tick(void *ctx)
{
	struct ticker *t = ctx;

	t->order[(*t->order_len)++] = t->id;
	if (t->disarms)
		loop_timer_disarm(t->loop, &t->disarms->timer);
	if (t->rearms-- > 0)
		loop_timer_arm(t->loop, &t->timer, t->again_ns ? t->again_ns : clock_now_ns());
}

static void test_timer_order(void **state)
{
	struct ticker t[50] = { 0 };
	int order[50], order_len = 0;
	struct loop loop;

	(void)state;
	srand(8);
	assert_int_equal(loop_init(&loop, NULL), 0);
	for (int i = 0; i < 50; i++) {
		t[i] = (struct ticker){
			.loop = &loop, .order = order, .order_len = &order_len, .id = i
		};
		t[i].timer.fn = on_tick;
		t[i].timer.ctx = &t[i];
		/* Some are moved, which must not leave them in the list twice. */
		loop_timer_arm(&loop, &t[i].timer, 1 + rand() % 20);
		if (i % 3 == 0)
			loop_timer_arm(&loop, &t[i].timer, 1 + rand() % 20);
	}
	loop_timer_disarm(&loop, &t[7].timer);
	loop_timer_disarm(&loop, &t[7].timer);
	once(&loop);
	assert_int_equal(order_len, 49);
	for (int i = 1; i < order_len; i++)
		assert_true(t[order[i - 1]].timer.deadline_ns <= t[order[i]].timer.deadline_ns);
	for (int i = 0; i < order_len; i++)
		assert_int_not_equal(order[i], 7);
	once(&loop);
	assert_int_equal(order_len, 49);
	loop_done(&loop);
}

static void test_timer_callbacks(void **state)
{
	struct ticker a = { 0 }, b = { 0 }, c = { 0 };
	int order[16], order_len = 0;
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	a = (struct ticker){ &loop, { .fn = on_tick, .ctx = &a }, &b, 0, 0, order, &order_len, 1 };
	b =
		(struct ticker){ &loop, { .fn = on_tick, .ctx = &b }, NULL, 0, 0, order, &order_len,
				 2 };
	c =
		(struct ticker){ &loop, { .fn = on_tick, .ctx = &c }, NULL, 3, 0, order, &order_len,
				 3 };
	loop_timer_arm(&loop, &a.timer, 1);
	loop_timer_arm(&loop, &b.timer, 2);
	loop_timer_arm(&loop, &c.timer, 3);
	for (int i = 0; i < 8; i++)
		once(&loop);
	assert_int_equal(order_len, 5);
	assert_int_equal(order[0], 1);
	for (int i = 1; i < 5; i++)
		assert_int_equal(order[i], 3);
	assert_false(a.timer.armed || b.timer.armed || c.timer.armed);
	assert_null(loop.timers);
	loop_done(&loop);
}

/* One that is always due again does not keep the loop from everything else. */
static void test_timer_always_due(void **state)
{
	int order[4], order_len = 0;
	struct ticker t = { .rearms = 3, .again_ns = 1, .order = order, .order_len = &order_len };
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	t.loop = &loop;
	t.timer = (struct loop_timer){ .fn = on_tick, .ctx = &t };
	loop_timer_arm(&loop, &t.timer, 1);
	for (int i = 1; i <= 4; i++) {
		once(&loop);
		assert_int_equal(order_len, i);
	}
	loop_done(&loop);
}

/* A timer wakes the loop that waits for ever, and not before its time. */
static void test_timer_wakes(void **state)
{
	int order[1], order_len = 0;
	int64_t deadline_ns = clock_now_ns() + 20 * NS_PER_MS;
	struct ticker t = { .order = order, .order_len = &order_len };
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	t.loop = &loop;
	t.timer = (struct loop_timer){ .fn = on_tick, .ctx = &t };
	loop_timer_arm(&loop, &t.timer, deadline_ns);
	while (order_len == 0)
		assert_int_equal(loop_once(&loop, -1, NULL), 0);
	assert_true(clock_now_ns() >= deadline_ns);
	loop_done(&loop);
}

/* ---- running ---- */

static void test_run_stops(void **state)
{
	struct watched w;
	struct loop loop;

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	watched_open(&w, &loop);
	w.stops = true;
	make_ready(&w);
	assert_int_equal(loop_run(&loop, NULL), 0);
	assert_int_equal(w.calls, 1);
	/* A second run is not stopped by the first one's end. */
	assert_int_equal(loop_run(&loop, NULL), 0);
	assert_int_equal(w.calls, 2);
	watched_close(&w);
	loop_done(&loop);
}

static void test_signals(void **state)
{
	struct signalfd_siginfo info;
	sigset_t signals;
	int fd;

	(void)state;
	sigemptyset(&signals);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGCHLD);
	fd = loop_signal_fd(&signals, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(read(fd, &info, sizeof(info)), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(read(fd, &info, sizeof(info)), sizeof(info));
	assert_int_equal(info.ssi_signo, SIGUSR1);
	close(fd);
}

/* Who gives a lock away while the loop waits: what comes meanwhile is seen, with the lock held. */
struct lock {
	int write_fd, waited;
	bool held, held_in_callback;
};

static void on_wait(void *ctx, bool begins)
{
	struct lock *lock = ctx;

	assert_int_equal(lock->held, begins);
	lock->held = !begins;
	lock->waited += begins;
	if (begins)
		assert_int_equal(write(lock->write_fd, "x", 1), 1);
	errno = 0; /* as a lock may do */
}

static void on_locked_event(void *ctx, uint32_t events UNUSED)
{
	struct lock *lock = ctx;

	lock->held_in_callback = lock->held;
}

static void test_waits_without_lock(void **state)
{
	struct loop loop;
	struct watched w;
	struct lock lock = { .held = true };

	(void)state;
	assert_int_equal(loop_init(&loop, NULL), 0);
	watched_open(&w, &loop);
	w.source.fn = on_locked_event;
	w.source.ctx = &lock;
	lock.write_fd = w.write_fd;
	loop.waits = on_wait;
	loop.waits_ctx = &lock;
	assert_int_equal(loop_once(&loop, -1, NULL), 0);
	assert_int_equal(lock.waited, 1);
	assert_true(lock.held);
	assert_true(lock.held_in_callback);
	watched_close(&w);
	/* A wait that fails says so all the same. */
	loop_done(&loop);
	lock.write_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	assert_int_equal(loop_once(&loop, 0, NULL), -EBADF);
	assert_true(lock.held);
	fd_close(lock.write_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),		cmocka_unit_test(test_removes_itself),
		cmocka_unit_test(test_removes_another), cmocka_unit_test(test_timer_order),
		cmocka_unit_test(test_timer_callbacks), cmocka_unit_test(test_timer_always_due),
		cmocka_unit_test(test_timer_wakes),	cmocka_unit_test(test_waits_without_lock),
		cmocka_unit_test(test_run_stops),	cmocka_unit_test(test_signals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
