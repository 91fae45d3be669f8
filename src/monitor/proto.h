/* SPDX-License-Identifier: Apache-2.0
 *
 * proto.h - messages between a monitor and its clients
 *
 * A stream socket carries frames: struct proto_header, then @len bytes of body. Descriptors
 * travel with the first byte of the header, which says how many there are. A body is the fixed
 * struct of its type, then, where the type has them, texts that each end in NUL. Both ends are
 * processes of the same machine and user, so numbers are in host order; PROTO_MAGIC changes
 * whenever the meaning of any message does.
 *
 * Each request has exactly one PROTO_REPLY, in order. PROTO_WAIT and an accepted PROTO_ATTACH
 * are followed by one PROTO_ENDED once the process has ended and its output has been handed
 * over. Streams of a process never pass through frames: an attaching client makes pipes, and
 * sends the monitor's ends along.
 *
 *	client		monitor
 *	START+fds  ->		once, as the first frame of the socket a monitor is born with
 *		   <-	REPLY	created, or why not
 *	ATTACH+fds ->		with PROTO_ATTACH_BEGIN: the first process is let go as well
 *		   <-	REPLY
 *	RESIZE ... ->
 *		   <-	REPLY
 *		   <-	ENDED
 */
#ifndef MONITOR_PROTO_H
#define MONITOR_PROTO_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fd.h"
#include "base/macro.h"
#include "base/parse.h"

#define PROTO_MAGIC 0x314d4c48u /* "HLM1" */
#define PROTO_MAX_BYTES (8 * MIB)

enum proto_type {
	PROTO_START = 1, /* struct proto_start, texts; descriptors: rw directory, layers */
	PROTO_PROBE,	 /* level name; the reply carries a struct err that holds a remark */
	PROTO_BEGIN,	 /* - */
	PROTO_EXEC,	 /* struct proto_exec, process document */
	PROTO_ATTACH,	 /* struct proto_attach; descriptors of the streams it names, in order */
	PROTO_DETACH,	 /* - ; undoes PROTO_ATTACH: the end of the streams means nothing then */
	PROTO_WAIT,	 /* struct proto_proc */
	PROTO_SIGNAL,	 /* struct proto_proc */
	PROTO_RESIZE,	 /* struct proto_proc */
	PROTO_PAUSE,	 /* struct proto_proc; @a is 1 to freeze, 0 to thaw */
	PROTO_UPDATE,	 /* resources document */
	PROTO_STATS,	 /* - ; the reply carries a stats document */
	PROTO_TOOL,	 /* struct proto_tool, tool document; descriptors: those of input, output */
	PROTO_DISCARD,	 /* - */
	PROTO_REPLY,	 /* struct proto_reply; then struct err, or a document */
	PROTO_ENDED,	 /* struct proto_ended */
};

struct proto_header {
	uint32_t magic;
	uint16_t type;
	uint16_t fds_len;
	uint32_t len;
};

enum proto_start_flags {
	PROTO_START_OPEN_STDIN = 1 << 0,
	PROTO_START_STDIN_ONCE = 1 << 1,
	PROTO_START_CLAIM_REAP = 1 << 2,
};

/* Texts: level, run directory, cache directory, log path or "", sandbox document, reap argv. */
struct proto_start {
	uint32_t flags;
	uint32_t log_max_files;
	uint64_t log_max_bytes;
	uint32_t reap_argc;
	uint32_t zero;
};

enum proto_exec_flags {
	PROTO_EXEC_OPEN_STDIN = 1 << 0,
	PROTO_EXEC_DETACHED = 1 << 1,
};

struct proto_exec {
	uint32_t flags;
};

enum proto_attach_flags {
	PROTO_ATTACH_STDIN = 1 << 0,
	PROTO_ATTACH_STDOUT = 1 << 1,
	PROTO_ATTACH_STDERR = 1 << 2,
	PROTO_ATTACH_BEGIN = 1 << 3,
};

struct proto_attach {
	uint32_t proc;
	uint32_t flags;
};

enum proto_tool_flags {
	PROTO_TOOL_IN = 1 << 0,
	PROTO_TOOL_OUT = 1 << 1,
};

struct proto_tool {
	uint32_t flags;
};

/* SIGNAL: @a is the number; RESIZE: @a rows, @b columns. */
struct proto_proc {
	uint32_t proc;
	uint32_t a, b;
};

/* @to is the request's type; @r 0 or a negative errno, then a struct err follows. */
struct proto_reply {
	uint32_t to;
	int32_t r;
	uint32_t value; /* EXEC: number of the process */
	uint32_t zero;
};

enum proto_ended_flags {
	PROTO_ENDED_OOM = 1 << 0,
	PROTO_ENDED_REAP = 1 << 1, /* the claim of PROTO_START_CLAIM_REAP held */
};

struct proto_ended {
	uint32_t proc;
	int32_t exit_status;
	uint32_t flags;
};

/* One frame to send; everything is borrowed. */
struct proto_msg {
	enum proto_type type;
	const void *body;
	size_t len;
	const int *fds;
	size_t fds_len;
};

/**
 * proto_send() - Send one frame
 * @sock_fd:	non-blocking socket, borrowed
 * @msg:	what to send
 * @deadline_ns: wait for room until then (-1: for ever); 0: a frame that does not fit is -EAGAIN
 *
 * After any failure the stream may end in half a frame: close it.
 *
 * Return: 0; -EAGAIN or -ETIMEDOUT; -EMSGSIZE; -EPIPE; another negative errno.
 */
int proto_send(int sock_fd, const struct proto_msg *msg, int64_t deadline_ns);

/* A reply to @to: success with @value, or @r < 0 with @err. */
int proto_send_reply(int sock_fd, enum proto_type to, int r, uint32_t value, const struct err *err);

/* A reply to @to: success with a document. */
int proto_send_document(int sock_fd, enum proto_type to, const void *document, size_t len);

/**
 * struct proto_reader - a frame that is being received
 * @header:	its header, valid once @header_got is its size
 * @body:	@header.len bytes and a NUL that is not counted
 * @body_got:	bytes of @body received
 * @fds:	descriptors received, owned by the reader; take them with proto_take_fd()
 * @fds_len:	their number
 */
struct proto_reader {
	struct proto_header header;
	size_t header_got;
	char *body;
	size_t body_got;
	int fds[FD_PASS_MAX];
	size_t fds_len;
};

/* Forget the frame, closing descriptors that nobody took. Ready for the next one. */
void proto_reader_done(struct proto_reader *in);

/**
 * proto_read() - Receive what is there of a frame
 * @in:		zeroed, or left by an earlier call
 * @sock_fd:	non-blocking socket, borrowed
 *
 * Return: 1 when the frame is whole: use it, then call proto_reader_done(); -EAGAIN when more
 *	   must come; -EPIPE at the end of the stream; -EPROTO for a malformed frame; -ENOMEM;
 *	   another negative errno.
 */
int proto_read(struct proto_reader *in, int sock_fd);

/* The fixed part of a body, copied to @ret and @rest set behind it: 0, or -EPROTO: too short. */
int proto_get(const struct proto_reader *in, void *ret, size_t ret_bytes, struct slice *ret_rest);

/* The next NUL-terminated text, borrowed, or NULL when there is none. */
const char *proto_next_text(struct slice *rest);

/* Descriptor @i, which the caller now owns; -1 when there is none. */
int proto_take_fd(struct proto_reader *in, size_t i);

/* A struct err that came whole; @ret may be NULL. 0 or -EPROTO. */
int proto_get_err(struct slice from, struct err *ret);

/* Check a reply to @to: @ret and @ret_rest; its failure is returned with @err filled in. */
int proto_get_reply(const struct proto_reader *in, struct proto_reply *ret, struct slice *ret_rest,
		    struct err *err);

#endif
