/* SPDX-License-Identifier: Apache-2.0
 *
 * overlay.h - an overlay filesystem over layers that are known by descriptor
 */
#ifndef LINUX_OVERLAY_H
#define LINUX_OVERLAY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/**
 * struct overlay - what an overlay is made of; all descriptors are borrowed
 * @layer_fds:	detached mounts, lowest first; the kernel's fallback may replace what a number
 *		stands for by an equal mount
 * @layers_len:	their number; at least 2 when @rw_fd is -1
 * @rw_fd:	detached mount of a directory that holds "upper" and "work", or -1: read-only
 * @ephemeral:	nobody needs the writable layer after a crash of the host: no syncs
 */
struct overlay {
	const int *layer_fds;
	size_t layers_len;
	int rw_fd;
	bool ephemeral;
};

/**
 * overlay_new() - Make the overlay, mounted nowhere yet
 * @overlay:	what it is made of
 * @err:	filled in on failure, may be NULL
 *
 * The caller's filesystem ids become those that the overlay writes with: where @rw_fd is
 * idmapped they must be mapped there. A kernel before 6.15 has the layers attached in a mount
 * namespace of its own for a moment, by a child that shares this process' memory.
 *
 * Return: a mount descriptor the caller owns, or a negative errno; -EROFS when the kernel could
 *	   not use the writable layer.
 */
int overlay_new(const struct overlay *overlay, struct err *err);

#endif
