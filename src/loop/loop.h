/* SPDX-License-Identifier: Apache-2.0
 *
 * loop.h - one epoll loop per process: descriptors, timers, signals
 *
 * Single-threaded. Sources are embedded in the caller's structs; a source may remove itself
 * or any other source from within a callback.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "base/err.h"

/**
 * struct loop - made by loop_init()
 * @epoll_fd:	of epoll
 * @waits:	NULL, or called with true before the loop waits and with false afterwards: where
 *		others may touch what the callbacks do, it gives their lock away meanwhile
 * @waits_ctx:	for @waits
 */
struct loop {
	int epoll_fd;
	void (*waits)(void *ctx, bool begins);
	void *waits_ctx;
	bool stopped;
	struct loop_timer *timers; /* sorted by deadline */
	struct epoll_event *batch; /* being dispatched, NULL outside */
	int batch_len;
};

/**
 * struct loop_source - a descriptor that is watched
 * @fd:		borrowed; must stay open until loop_del()
 * @events:	EPOLLIN, EPOLLOUT ...; set by loop_add() and loop_mod()
 * @fn:		called with the events that occurred
 * @ctx:	for @fn
 */
struct loop_source {
	int fd;
	uint32_t events;
	void (*fn)(void *ctx, uint32_t events);
	void *ctx;
};

/* Calls @fn once at @deadline_ns (monotonic); unarmed while @armed is false. */
struct loop_timer {
	struct loop_timer *next;
	int64_t deadline_ns;
	bool armed;
	void (*fn)(void *ctx);
	void *ctx;
};

/* 0 or a negative errno. */
int loop_init(struct loop *loop, struct err *err);
void loop_done(struct loop *loop);

/* Watch @source for @events (may be 0: errors and hang-up only). 0 or a negative errno. */
int loop_add(struct loop *loop, struct loop_source *source, uint32_t events);

/* Change the events; cheap when they are the same. */
int loop_mod(struct loop *loop, struct loop_source *source, uint32_t events);

/* Stop watching; harmless on a source that is not watched (@fd < 0 or @events unset). */
void loop_del(struct loop *loop, struct loop_source *source);

/* Watch @source for @events and nothing else; 0: not at all. 0 or a negative errno. */
int loop_watch(struct loop *loop, struct loop_source *source, uint32_t events);

/* (Re-)arm @timer; its @fn and @ctx are set by the caller. */
void loop_timer_arm(struct loop *loop, struct loop_timer *timer, int64_t deadline_ns);
void loop_timer_disarm(struct loop *loop, struct loop_timer *timer);

/**
 * loop_signal_fd() - Block @signals in this process and read them from a descriptor
 * @signals:	those to take
 * @err:	filled in on failure, may be NULL
 *
 * Return: a non-blocking signalfd the caller owns, or a negative errno.
 */
int loop_signal_fd(const sigset_t *signals, struct err *err);

/* Dispatch until loop_stop(). 0 or a negative errno. */
int loop_run(struct loop *loop, struct err *err);

/* Dispatch once, waiting until @deadline_ns at most (-1: for ever). 0 or a negative errno. */
int loop_once(struct loop *loop, int64_t deadline_ns, struct err *err);

/* Have loop_run() return once the callback that calls this has returned. */
void loop_stop(struct loop *loop);

#endif
