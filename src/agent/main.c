/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - hull-agent: process 1 of a virtual machine, which does what the host asks
 *
 * The kernel starts it from the initramfs. It loads what it needs to reach the host, serves one
 * connection until that ends, and powers the machine off. Nothing of it is visible to the
 * workload, which runs in namespaces of its own.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/guest.h"
#include "agent/workload.h"
#include "agentproto/conn.h"
#include "base/fd.h"
#include "base/log.h"

struct agent {
	struct loop loop;
	struct agentproto_conn conn;
	struct agentproto_events events;
	struct workload workload;
	bool finished; /* the host has asked for the end */
};

static void on_message(void *ctx, const struct agentproto_msg *msg)
{
	struct agent *a = ctx;
	struct agentproto_msg reply = { .type = AGENTPROTO_REPLY, .seq = msg->seq };
	auto_free char *body = NULL;
	int r = workload_request(&a->workload, msg, &body, &reply.failure);

	if (r < 0 && !reply.failure.code)
		err_set(&reply.failure, -r, "request %u failed", msg->type);
	if (r >= 0)
		reply.failure = (struct err)ERR_INIT;
	reply.body = slice_of(body);
	(void)agentproto_conn_send(&a->conn, &reply);
	a->finished = a->finished || msg->type == AGENTPROTO_FINISH;
}

static void on_stream_done(void *ctx, uint32_t proc)
{
	struct agent *a = ctx;

	workload_stream_done(&a->workload, proc);
}

static void on_lost(void *ctx, const struct err *why)
{
	struct agent *a = ctx;

	(void)why;
	loop_stop(&a->loop);
}

static int serve(struct agent *a, struct err *err)
{
	int fd, r = guest_mount_basics(err);

	if (r == 0)
		r = guest_load_modules(GUEST_BOOT, err);
	if (r == 0)
		r = loop_init(&a->loop, err);
	if (r < 0)
		return r;
	guest_tune_memory();
	fd = guest_open_port(AGENTPROTO_PORT, err);
	if (fd < 0)
		return fd;
	a->events = (struct agentproto_events){
		.message = on_message, .stream_done = on_stream_done, .lost = on_lost, .ctx = a
	};
	r = agentproto_conn_init(&a->conn, &a->loop, fd, AGENTPROTO_AGENT, &a->events);
	if (r < 0)
		return err_set(err, -r, "take up the connection");
	a->workload = (struct workload){ .loop = &a->loop, .conn = &a->conn };
	r = agentproto_conn_send(&a->conn, &(struct agentproto_msg){ .type = AGENTPROTO_HELLO,
								     .value = AGENTPROTO_VERSION });
	while (r == 0 && !a->conn.lost && !(a->finished && !agentproto_conn_pending(&a->conn)))
		r = loop_once(&a->loop, -1, err);

	return r;
}

/* Ignored, SIGPIPE would stay ignored in the workload; handled, it is reset by exec. */
static void on_sigpipe(int signo)
{
	(void)signo;
}

int main(int argc, char *argv[])
{
	struct sigaction act = { .sa_handler = on_sigpipe, .sa_flags = SA_RESTART };
	struct agent agent = { 0 };
	struct err err = ERR_INIT;
	char text[512];

	log_set_program("hull-agent");
	if (getpid() != 1 && argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("hull-agent " HULL_VERSION);
		return 0;
	}
	if (getpid() != 1 && argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)puts(
			"usage: hull-agent --version | --help, else process 1 of a Hull machine");
		return 0;
	}
	if (getpid() != 1) {
		log_error("this is process 1 of a Hull machine, not a command");
		return 125;
	}
	(void)sigaction(SIGPIPE, &act, NULL);
	if (serve(&agent, &err) < 0)
		log_error("%s", err_text(&err, text, sizeof(text)));
	sync();
	(void)reboot(RB_POWER_OFF);
	for (;;)
		(void)pause();
}
