/* SPDX-License-Identifier: Apache-2.0
 *
 * workload.h - what runs in this machine, through runtime/, and how the host hears of it
 */
#ifndef AGENT_WORKLOAD_H
#define AGENT_WORKLOAD_H

#include "agentproto/conn.h"
#include "runtime/runtime.h"

/* A process that the host has asked for. */
struct workload_proc {
	struct workload_proc *next;
	struct workload *workload;
	uint32_t number;
	struct runtime_child child;
	struct loop_source source; /* its pidfd */
	bool ended;
	int wstatus;
};

/**
 * struct workload - the one set of processes of this machine
 * @loop:	borrowed
 * @conn:	borrowed
 * @rt:		NULL until it has been created
 * @procs:	those that run, or whose output is still on its way
 * @has_init_file: the host has sent a hull-init
 */
struct workload {
	struct loop *loop;
	struct agentproto_conn *conn;
	struct runtime *rt;
	struct workload_proc *procs;
	bool has_init_file;
};

/**
 * workload_request() - Carry out one request of the host
 * @w:		workload
 * @msg:	any request
 * @ret_body:	text of the reply, the caller frees it; untouched when there is none
 * @err:	filled in on failure
 *
 * Return: 0 or a negative errno.
 */
int workload_request(struct workload *w, const struct agentproto_msg *msg, char **ret_body,
		     struct err *err);

/* A stream of process @number has ended: tell the host of the process's end if it was the last. */
void workload_stream_done(struct workload *w, uint32_t number);

#endif
