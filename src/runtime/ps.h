/* SPDX-License-Identifier: Apache-2.0
 *
 * ps.h - the processes of a workload, as seen by who runs it
 */
#ifndef RUNTIME_PS_H
#define RUNTIME_PS_H

#include "base/err.h"

struct runtime;

/**
 * runtime_ps() - Write the list of processes
 * @rt:		runtime
 * @out_fd:	gets one JSON object: "titles", an array of texts, and "rows", an array of such
 *		arrays: UID PID PPID C STIME TTY TIME CMD, as ps -ef; numbers are the caller's
 * @err:	filled in on failure, may be NULL
 *
 * Names of users are the caller's business: UID is a number in the workload's user namespace.
 *
 * Return: 0 or a negative errno.
 */
int runtime_ps(const struct runtime *rt, int out_fd, struct err *err);

#endif
