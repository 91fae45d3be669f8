/* SPDX-License-Identifier: Apache-2.0
 *
 * box.h - a runtime for tests: a small root made of busybox, output as text
 */
#ifndef TESTS_UNIT_RUNTIME_BOX_H
#define TESTS_UNIT_RUNTIME_BOX_H

#include <stdbool.h>

#include "runtime/runtime.h"

#define BOX_OUTPUT_BYTES 65536

/**
 * struct box - one workload and the directories it lives in
 * @spec:	to be changed before box_start()
 * @top:	host directory with "root" (the layer), "rw" and "v" (bait: must never change)
 * @cancel_fd:	of runtime_setup, -1 from box_init()
 * @rt:		NULL unless it runs
 * @init:	first process
 * @output:	of the last box_wait() or box_exec()
 * @err:	of the last failure
 */
struct box {
	struct spec_sandbox spec;
	char top[128];
	int layer_fd, rw_fd, cancel_fd;
	struct runtime *rt;
	struct runtime_child init;
	int out_fd;
	char output[BOX_OUTPUT_BYTES];
	struct err err;
	char id[SPEC_ID_HEX + 1];
};

/* Make the directories; default spec in a user namespace. */
void box_init(struct box *box);

/* Remove everything; fails the test if something was left, or the bait was touched. */
void box_done(struct box *box);

/* Path below the root of the image. */
const char *box_path(struct box *box, const char *name);

/* Create with the command "sh -c SCRIPT"; 0 or the error of runtime_create(). */
int box_create(struct box *box, const char *script);

/* Let it go. 0 or the error of runtime_start(). */
int box_start(struct box *box);

/* Wait for its end: exit status, or 128 + signal; then destroy. Output is in @output. */
int box_wait(struct box *box);

/* Destroy it while it runs; its exit status. */
int box_end(struct box *box);

/* All of the above; a failure of create or start is returned as negative errno. */
int box_run(struct box *box, const char *script);

/* Run "sh -c SCRIPT" beside it, as @user; exit status, or negative errno. */
int box_exec(struct box *box, const char *script, const char *user);

/* True when @output has this text. */
bool box_says(const struct box *box, const char *text);

/* The whole error as text; for messages. */
const char *box_error(struct box *box);

#endif
