/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.h - the machine around the workload: file systems, modules, disks, clock
 */
#ifndef AGENT_GUEST_H
#define AGENT_GUEST_H

#include <stdint.h>

#include "base/err.h"

/* When a module is wanted. Loading takes time: none is loaded before. */
enum guest_phase {
	GUEST_BOOT = 0, /* to reach the host */
	GUEST_CREATE,	/* to mount the layers; also those that are not in the table */
	GUEST_SHARES,	/* to mount shares */
	GUEST_IDLE,	/* of use to the host, once the workload runs */
	GUEST_NEVER,
};

/* Mount what a kernel leaves to its first process: /proc, /sys, /dev, cgroups. */
int guest_mount_basics(struct err *err);

/*
 * A kernel without any memory left throws out programs and reads them again, for minutes, before
 * it kills one: have it kill as soon as what was in use a second ago does not fit any more.
 */
void guest_tune_memory(void);

/**
 * guest_load_modules() - Load the modules of one phase
 * @phase:	which
 * @err:	filled in on failure, may be NULL
 *
 * The initramfs lists its modules in /modules, one path a line, each after those it needs.
 *
 * Return: 0 or a negative errno.
 */
int guest_load_modules(enum guest_phase phase, struct err *err);

/* The port that leads to the host, connected; the caller owns it. Or a negative errno. */
int guest_open_port(const char *name, struct err *err);

/* Detached read-only mount of the layer on the disk with this serial number, or an error. */
int guest_mount_layer(unsigned index, struct err *err);

/* Root directory of the writable disk, which is mounted; the caller owns it. */
int guest_mount_rw(struct err *err);

/* Mount share @index at its place below /shares. 0 or a negative errno. */
int guest_mount_share(unsigned index, struct err *err);

/* Set the time of day. 0 or a negative errno. */
int guest_set_clock(int64_t wall_ns, struct err *err);

/* Take the loopback interface up. 0 or a negative errno. */
int guest_loopback_up(struct err *err);

#endif
