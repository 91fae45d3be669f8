/* SPDX-License-Identifier: Apache-2.0
 *
 * victims.h - every kind of device, ready to be lied to
 */
#ifndef TESTS_VMM_VICTIMS_H
#define TESTS_VMM_VICTIMS_H

#include "vmm/lying_guest.h"

/**
 * struct victim - a kind of device
 * @name:	for the names of tests
 * @eager:	bit N: a chain in queue N is looked at once it is notified, whatever else is not
 * @elsewhere:	its queues are served by another process
 * @make:	make one in g->env, with whatever it is connected to
 * @free:	the reverse
 * @poke:	have the host's side do something that @bytes stand for; NULL: it has none
 * @works:	drive it as an honest driver does, from a reset on; fails the test if anything is
 *		not as it should be
 */
struct victim {
	const char *name;
	uint64_t eager;
	bool elsewhere;
	void *(*make)(struct lying_guest *g);
	void (*free)(void *thing);
	void (*poke)(void *thing, const uint8_t *bytes, size_t len);
	void (*works)(struct lying_guest *g, void *thing);
};

extern const struct victim victims[];
extern const size_t victims_len;

#endif
