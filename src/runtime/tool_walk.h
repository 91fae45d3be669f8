/* SPDX-License-Identifier: Apache-2.0
 *
 * tool_walk.h - a directory tree, one name after the other, while its owner may change it
 *
 * The walk holds the descriptor of one directory at a time, however deep it is: names of each
 * level are read at once and sorted, and on the way up ".." must lead to the directory that the
 * walk came from, else it ends with -ESTALE. A second tree that does not change, the peer, can
 * be walked in step.
 */
#ifndef RUNTIME_TOOL_WALK_H
#define RUNTIME_TOOL_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/strv.h"

struct tool_level;

/**
 * struct tool_walk - a walk
 * @dir_fd:	directory whose names are being visited
 * @peer_fd:	the same directory in the other tree; meaningful when tool_walk_has_peer()
 * @path:	of the current name, relative to where the walk began
 * @levels:	directories from the first one to @dir_fd
 * @depth:	their number
 * @peer_depth:	how many of them, from the first one, the other tree has too
 * @names_bytes: memory that names of all levels take
 */
struct tool_walk {
	int dir_fd, peer_fd;
	struct strbuf path;
	struct tool_level *levels;
	size_t depth, peer_depth, room;
	size_t names_bytes;
};

#define TOOL_WALK_INIT                                                               \
	{                                                                            \
		.dir_fd = -1, .peer_fd = -1, .path = STRBUF_INIT(TOOL_WALK_MAX_PATH) \
	}
#define TOOL_WALK_MAX_PATH (15 * KIB)	/* what a member's name in an archive can hold */
#define TOOL_WALK_MAX_BYTES (256 * MIB) /* of @names_bytes */

void tool_walk_done(struct tool_walk *w);
DEFINE_AUTO_DONE(tool_walk)

enum tool_walk_flags {
	TOOL_WALK_UNION = 1 << 0, /* visit also what only the other tree has in this directory */
};

/**
 * tool_walk_enter() - Visit the names in a directory next
 * @w:		walk
 * @dir_fd:	the directory of the current name, or where to begin; given
 * @peer_fd:	the same in the other tree, or -1; given
 * @flags:	enum tool_walk_flags
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0, -E2BIG beyond TOOL_WALK_MAX_BYTES, or a negative errno.
 */
int tool_walk_enter(struct tool_walk *w, int dir_fd, int peer_fd, unsigned flags, struct err *err);

/**
 * tool_walk_next() - Go to the next name
 * @w:		walk
 * @ret_name:	name in @w->dir_fd, borrowed until the next call
 * @err:	filled in on failure, may be NULL
 *
 * Return: 1, 0 at the end of the walk, -ESTALE, -ENAMETOOLONG or another negative errno.
 */
int tool_walk_next(struct tool_walk *w, const char **ret_name, struct err *err);

/* Does the other tree have the directory of the current name? */
bool tool_walk_has_peer(const struct tool_walk *w);

/* Device number of the directory that holds the current name. */
dev_t tool_walk_dev(const struct tool_walk *w);

#endif
