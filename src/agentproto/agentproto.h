/* SPDX-License-Identifier: Apache-2.0
 *
 * agentproto.h - what the host and the agent inside a machine say to each other
 *
 * One reliable byte stream carries frames. A frame is a header of AGENTPROTO_HEADER_BYTES,
 * all of it little-endian, and a payload:
 *	u32 len		bytes of the payload
 *	u8  type	enum agentproto_type
 *	u8  stream	which of a process's streams, for the stream messages; else 0
 *	u16 zero
 *	u32 proc	which process, for messages about one; else 0
 *
 * The host numbers processes (0 is the first one). Every request carries a number of its own
 * that its one reply repeats, so that an answer which comes after its deadline is recognised.
 * A process's output is followed by END for each stream and then by EXITED, in this order.
 *
 * Streams have credit: a sender may have AGENTPROTO_WINDOW_BYTES on the way that its peer has
 * not yet passed on; CREDIT returns what has been. So a receiver never stores more than one
 * window for a stream, and a reader that has stalled holds up nobody else. END closes a stream
 * after its last byte; CLOSED comes from the receiver, which wants no more.
 *
 * The host treats every byte as hostile: both sides share this decoder, which accepts only the
 * types of its direction, exact lengths and values in range.
 */
#ifndef AGENTPROTO_AGENTPROTO_H
#define AGENTPROTO_AGENTPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define AGENTPROTO_VERSION 1
#define AGENTPROTO_PORT "hull.agent" /* name of the port that carries the stream */
#define AGENTPROTO_HEADER_BYTES 12
#define AGENTPROTO_DATA_MAX_BYTES (32 * KIB)
#define AGENTPROTO_WINDOW_BYTES (256 * KIB)
#define AGENTPROTO_TO_AGENT_MAX_BYTES (4 * MIB)
#define AGENTPROTO_TO_HOST_MAX_BYTES (64 * KIB)
#define AGENTPROTO_LAYERS_MAX 200
#define AGENTPROTO_SHARES_MAX 64

/* Serial numbers of the disks ("layer0" is the lowest) and tags of the shares. */
#define AGENTPROTO_LAYER_SERIAL "layer%u"
#define AGENTPROTO_RW_SERIAL "rw"
#define AGENTPROTO_SHARE_TAG "share%u"
/* Where the agent mounts them; bind mounts of the spec name sources below it. */
#define AGENTPROTO_SHARE_PATH "/shares/%u"

enum agentproto_type {
	/* requests of the host */
	AGENTPROTO_CREATE = 1, /* body: spec_sandbox */
	AGENTPROTO_START,      /* wall_ns */
	AGENTPROTO_EXEC,       /* body: spec_process */
	AGENTPROTO_TOOL,       /* body: spec_tool */
	AGENTPROTO_SIGNAL,     /* value: signal number */
	AGENTPROTO_RESIZE,     /* value: rows << 16 | columns */
	AGENTPROTO_KILL_ALL,
	AGENTPROTO_UPDATE,    /* body: spec_resources */
	AGENTPROTO_STATS,     /* the reply's body: spec_stats */
	AGENTPROTO_CLOCK,     /* wall_ns */
	AGENTPROTO_INIT_FILE, /* body: the hull-init program */
	AGENTPROTO_FINISH,    /* end everything and bring the disk to rest */
	/* from the agent */
	AGENTPROTO_HELLO = 64, /* value: AGENTPROTO_VERSION */
	AGENTPROTO_REPLY,
	AGENTPROTO_EXITED, /* value: wait status */
	/* streams, both ways */
	AGENTPROTO_DATA = 128, /* body: at most AGENTPROTO_DATA_MAX_BYTES */
	AGENTPROTO_CREDIT,     /* value: bytes */
	AGENTPROTO_END,
	AGENTPROTO_CLOSED,
};

enum agentproto_stream_id {
	AGENTPROTO_STDIN = 0,
	AGENTPROTO_STDOUT,
	AGENTPROTO_STDERR,
	AGENTPROTO_STREAMS,
};

enum agentproto_side {
	AGENTPROTO_HOST = 0,
	AGENTPROTO_AGENT,
};

/**
 * struct agentproto_msg - one message, decoded
 * @type:	what it is; the fields it uses are named there
 * @stream:	enum agentproto_stream_id
 * @proc:	number of a process
 * @seq:	number of a request, in it and in its reply
 * @value:	see @type
 * @streams:	CREATE, EXEC, TOOL: bit n is set when stream n is connected; else /dev/null
 * @layers:	CREATE: number of layer disks
 * @shares:	CREATE: number of shares
 * @wall_ns:	CREATE, START, CLOCK: time of the host when it was sent; a CREATE waits for the boot
 * @oom_kills:	EXITED: processes killed for lack of memory so far
 * @failure:	REPLY: why the request failed, @failure.code 0 when it did not
 * @body:	borrowed from the buffer it was decoded from
 */
struct agentproto_msg {
	enum agentproto_type type;
	uint8_t stream;
	uint32_t proc;
	uint32_t seq;
	uint32_t value;
	uint32_t streams;
	uint32_t layers, shares;
	int64_t wall_ns;
	int64_t oom_kills;
	struct err failure;
	struct slice body;
};

/**
 * agentproto_encode() - Append one message as a frame
 * @msg:	what to say; a body too long for its type is refused
 * @out:	whole frames only: unchanged on failure
 *
 * Return: 0, -EMSGSIZE, -ENOSPC or -ENOMEM.
 */
int agentproto_encode(const struct agentproto_msg *msg, struct strbuf *out);

/* Write the header of a DATA frame whose @len bytes follow. */
void agentproto_data_header(uint32_t proc, uint8_t stream, size_t len,
			    unsigned char ret[AGENTPROTO_HEADER_BYTES]);

/**
 * agentproto_frame_bytes() - How long is the frame that starts here?
 * @header:	AGENTPROTO_HEADER_BYTES
 * @side:	who receives it
 * @ret_bytes:	header and payload together
 *
 * Return: 0, or -EPROTO when no frame of this side may be so long.
 */
int agentproto_frame_bytes(const unsigned char *header, enum agentproto_side side,
			   size_t *ret_bytes);

/**
 * agentproto_decode() - Read one whole frame
 * @frame:	exactly agentproto_frame_bytes()
 * @side:	who receives it
 * @ret:	the message; its body points into @frame
 * @err:	filled in on failure, may be NULL
 *
 * Texts of a failure lose control characters, so that they can be shown on a terminal.
 *
 * Return: 0 or -EPROTO; @ret is then undefined.
 */
int agentproto_decode(struct slice frame, enum agentproto_side side, struct agentproto_msg *ret,
		      struct err *err);

#endif
