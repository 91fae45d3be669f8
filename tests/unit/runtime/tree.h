/* SPDX-License-Identifier: Apache-2.0
 *
 * tree.h - directory trees for the tests of tool_*.c: made at random, told apart, removed
 */
#ifndef TESTS_RUNTIME_TREE_H
#define TESTS_RUNTIME_TREE_H

#include <stdbool.h>

#include "base/err.h"
#include "spec/sandbox.h"

/* A fresh directory in TMPDIR; its path is in @ret_path. Returns a descriptor of it. */
int tree_tmp(char ret_path[64]);

/* Remove what tree_tmp() made. */
void tree_remove(const char *path);

/* Make a directory; the descriptor is the caller's. */
int tree_dir(int dir_fd, const char *name);

enum tree_flags {
	TREE_NODES = 1 << 0,  /* devices and files of other owners: needs root */
	TREE_SOCKET = 1 << 1, /* one socket at the top */
};

/* Fill the empty directory @dir_fd with all kinds of files, as rand(3) has it. */
void tree_fill(int dir_fd, unsigned flags);

/*
 * What is in @dir_fd as a text, one line a file in sorted order: kind, mode, owner, time, length,
 * device, names of the same file, target, attributes, content. Sockets are left out. The caller
 * frees it.
 */
char *tree_text(int dir_fd);

/* Run a program of the host in @dir_fd; its exit status. */
int tree_run(int dir_fd, const char *const argv[]);

/* Run a job with @in_path and @out_path, which may be NULL, as its streams. */
int tree_tool(const struct spec_tool *tool, int root_fd, const char *in_path, const char *out_path,
	      struct err *err);

/* Make one file below @dir_fd with this content. */
void tree_file(int dir_fd, const char *path, const char *content);

#endif
