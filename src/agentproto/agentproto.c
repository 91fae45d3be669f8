/* SPDX-License-Identifier: Apache-2.0
 *
 * agentproto.c - frames as bytes: one table says what every message consists of
 */
#include "agentproto/agentproto.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

/* The parts of a payload, in the order in which they are written. */
enum part {
	PART_SEQ = 1 << 0,
	PART_VALUE = 1 << 1,
	PART_STREAMS = 1 << 2,
	PART_DISKS = 1 << 3, /* layers, shares */
	PART_WALL = 1 << 4,
	PART_OOM = 1 << 5,
	PART_FAILURE = 1 << 6,
	PART_BODY = 1 << 7,
	/* in the header */
	PART_PROC = 1 << 8,
	PART_STREAM = 1 << 9,
};

enum {
	TO_HOST = 1 << AGENTPROTO_HOST,
	TO_AGENT = 1 << AGENTPROTO_AGENT
};

struct shape {
	uint8_t type;
	uint8_t sides; /* who may receive it */
	uint16_t parts;
};

static const struct shape shapes[] = {
	{ AGENTPROTO_CREATE, TO_AGENT,
	  PART_SEQ | PART_STREAMS | PART_DISKS | PART_WALL | PART_BODY },
	{ AGENTPROTO_START, TO_AGENT, PART_SEQ | PART_WALL },
	{ AGENTPROTO_EXEC, TO_AGENT, PART_SEQ | PART_STREAMS | PART_BODY | PART_PROC },
	{ AGENTPROTO_TOOL, TO_AGENT, PART_SEQ | PART_STREAMS | PART_BODY | PART_PROC },
	{ AGENTPROTO_SIGNAL, TO_AGENT, PART_SEQ | PART_VALUE | PART_PROC },
	{ AGENTPROTO_RESIZE, TO_AGENT, PART_SEQ | PART_VALUE | PART_PROC },
	{ AGENTPROTO_KILL_ALL, TO_AGENT, PART_SEQ },
	{ AGENTPROTO_UPDATE, TO_AGENT, PART_SEQ | PART_BODY },
	{ AGENTPROTO_STATS, TO_AGENT, PART_SEQ },
	{ AGENTPROTO_CLOCK, TO_AGENT, PART_SEQ | PART_WALL },
	{ AGENTPROTO_INIT_FILE, TO_AGENT, PART_SEQ | PART_BODY },
	{ AGENTPROTO_FINISH, TO_AGENT, PART_SEQ },
	{ AGENTPROTO_HELLO, TO_HOST, PART_VALUE },
	{ AGENTPROTO_REPLY, TO_HOST, PART_SEQ | PART_FAILURE | PART_BODY },
	{ AGENTPROTO_EXITED, TO_HOST, PART_VALUE | PART_OOM | PART_PROC },
	{ AGENTPROTO_DATA, TO_HOST | TO_AGENT, PART_BODY | PART_PROC | PART_STREAM },
	{ AGENTPROTO_CREDIT, TO_HOST | TO_AGENT, PART_VALUE | PART_PROC | PART_STREAM },
	{ AGENTPROTO_END, TO_HOST | TO_AGENT, PART_PROC | PART_STREAM },
	{ AGENTPROTO_CLOSED, TO_HOST | TO_AGENT, PART_PROC | PART_STREAM },
};

static const struct shape *find_shape(uint8_t type)
{
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];

	return NULL;
}

static size_t payload_max(enum agentproto_side side)
{
	return side == AGENTPROTO_HOST ? AGENTPROTO_TO_HOST_MAX_BYTES
				       : AGENTPROTO_TO_AGENT_MAX_BYTES;
}

/* A writer's ceiling: of a message both sides may receive, the lower one. */
static size_t shape_max(const struct shape *shape)
{
	if (shape->type == AGENTPROTO_DATA)
		return AGENTPROTO_DATA_MAX_BYTES;

	return payload_max(shape->sides & TO_HOST ? AGENTPROTO_HOST : AGENTPROTO_AGENT);
}

static void put_u32(struct strbuf *out, uint32_t value)
{
	uint32_t le = htole32(value);

	(void)strbuf_add(out, &le, sizeof(le));
}

static void put_u64(struct strbuf *out, uint64_t value)
{
	uint64_t le = htole64(value);

	(void)strbuf_add(out, &le, sizeof(le));
}

static void put_text(struct strbuf *out, const char *text, size_t len)
{
	put_u32(out, (uint32_t)len);
	(void)strbuf_add(out, text, len);
}

static void put_header(unsigned char *at, size_t len, uint8_t type, uint8_t stream, uint32_t proc)
{
	uint32_t le_len = htole32((uint32_t)len), le_proc = htole32(proc);

	memcpy(at, &le_len, sizeof(le_len));
	at[4] = type;
	at[5] = stream;
	at[6] = 0;
	at[7] = 0;
	memcpy(at + 8, &le_proc, sizeof(le_proc));
}

void agentproto_data_header(uint32_t proc, uint8_t stream, size_t len,
			    unsigned char ret[AGENTPROTO_HEADER_BYTES])
{
	put_header(ret, len, AGENTPROTO_DATA, stream, proc);
}

static void put_payload(const struct agentproto_msg *msg, unsigned parts, struct strbuf *out)
{
	if (parts & PART_SEQ)
		put_u32(out, msg->seq);
	if (parts & PART_VALUE)
		put_u32(out, msg->value);
	if (parts & PART_STREAMS)
		put_u32(out, msg->streams);
	if (parts & PART_DISKS) {
		put_u32(out, msg->layers);
		put_u32(out, msg->shares);
	}
	if (parts & PART_WALL)
		put_u64(out, (uint64_t)msg->wall_ns);
	if (parts & PART_OOM)
		put_u64(out, (uint64_t)msg->oom_kills);
	if (parts & PART_FAILURE) {
		put_u32(out, (uint32_t)msg->failure.code);
		put_u32(out, msg->failure.kind);
		put_text(out, msg->failure.frames, msg->failure.used);
		put_text(out, msg->failure.hint, strlen(msg->failure.hint));
	}
	if (parts & PART_BODY)
		(void)strbuf_add(out, msg->body.at, msg->body.len);
}

int agentproto_encode(const struct agentproto_msg *msg, struct strbuf *out)
{
	const struct shape *shape = find_shape((uint8_t)msg->type);
	struct strbuf payload = STRBUF_INIT(AGENTPROTO_TO_AGENT_MAX_BYTES);
	unsigned char header[AGENTPROTO_HEADER_BYTES];
	int r = -EMSGSIZE;

	if (!shape)
		return -EMSGSIZE;

	put_payload(msg, shape->parts, &payload);
	if (!payload.failed && payload.len <= shape_max(shape)) {
		put_header(header, payload.len, shape->type,
			   shape->parts & PART_STREAM ? msg->stream : 0,
			   shape->parts & PART_PROC ? msg->proc : 0);
		r = out->max_bytes - out->len < sizeof(header) + payload.len ? -ENOSPC : 0;
	}
	if (r == 0)
		r = strbuf_add(out, header, sizeof(header));
	if (r == 0) {
		r = strbuf_add(out, payload.text, payload.len);
		/* Half a frame would be worse than none. */
		if (r < 0)
			out->len -= sizeof(header);
	}
	strbuf_done(&payload);

	return r;
}

static uint32_t load_u32(const char *at)
{
	uint32_t le;

	memcpy(&le, at, sizeof(le));

	return le32toh(le);
}

int agentproto_frame_bytes(const unsigned char *header, enum agentproto_side side,
			   size_t *ret_bytes)
{
	uint32_t le;

	memcpy(&le, header, sizeof(le));
	if (le32toh(le) > payload_max(side))
		return -EPROTO;
	*ret_bytes = AGENTPROTO_HEADER_BYTES + le32toh(le);

	return 0;
}

static bool take_u32(struct slice *rest, uint32_t *ret)
{
	if (rest->len < sizeof(*ret))
		return false;
	*ret = load_u32(rest->at);
	rest->at += sizeof(*ret);
	rest->len -= sizeof(*ret);

	return true;
}

static bool take_i64(struct slice *rest, int64_t *ret)
{
	uint32_t low, high;

	if (!take_u32(rest, &low) || !take_u32(rest, &high))
		return false;
	*ret = (int64_t)((uint64_t)high << 32 | low);

	return *ret >= 0;
}

/* A text of at most @room bytes into @buf; what is left of @buf stays zero. */
static bool take_text(struct slice *rest, char *buf, size_t room, size_t *ret_len)
{
	uint32_t len;

	if (!take_u32(rest, &len) || len > rest->len || len > room)
		return false;
	memcpy(buf, rest->at, len);
	rest->at += len;
	rest->len -= len;
	*ret_len = len;

	return true;
}

static bool take_failure(struct slice *rest, struct err *ret)
{
	uint32_t code, kind;
	size_t hint_len;

	if (!take_u32(rest, &code) || !take_u32(rest, &kind) ||
	    !take_text(rest, ret->frames, sizeof(ret->frames), &ret->used) ||
	    !take_text(rest, ret->hint, sizeof(ret->hint) - 1, &hint_len))
		return false;
	/* Without a failure there is nothing to tell, and no text that a guest could slip in. */
	if (code == 0) {
		*ret = (struct err)ERR_INIT;
		return true;
	}
	ret->code = (int)MIN(code, 4096U);
	ret->kind = (enum err_kind)MIN(kind, 255U);
	err_sanitize(ret);

	return true;
}

static bool take_payload(struct slice rest, unsigned parts, struct agentproto_msg *ret)
{
	if ((parts & PART_SEQ) && !take_u32(&rest, &ret->seq))
		return false;
	if ((parts & PART_VALUE) && !take_u32(&rest, &ret->value))
		return false;
	if ((parts & PART_STREAMS) &&
	    (!take_u32(&rest, &ret->streams) || ret->streams >= 1U << AGENTPROTO_STREAMS))
		return false;
	if ((parts & PART_DISKS) &&
	    (!take_u32(&rest, &ret->layers) || !take_u32(&rest, &ret->shares) ||
	     ret->layers > AGENTPROTO_LAYERS_MAX || ret->shares > AGENTPROTO_SHARES_MAX))
		return false;
	if ((parts & PART_WALL) && !take_i64(&rest, &ret->wall_ns))
		return false;
	if ((parts & PART_OOM) && !take_i64(&rest, &ret->oom_kills))
		return false;
	if ((parts & PART_FAILURE) && !take_failure(&rest, &ret->failure))
		return false;
	if (parts & PART_BODY)
		ret->body = rest;

	return (parts & PART_BODY) || rest.len == 0;
}

/* What the table of parts cannot say. */
static bool check_values(const struct agentproto_msg *msg)
{
	switch (msg->type) {
	case AGENTPROTO_DATA:
		return msg->body.len > 0 && msg->body.len <= AGENTPROTO_DATA_MAX_BYTES;
	case AGENTPROTO_CREDIT:
		return msg->value > 0 && msg->value <= AGENTPROTO_WINDOW_BYTES;
	case AGENTPROTO_EXITED:
		return msg->value <= UINT16_MAX;
	default:
		return true;
	}
}

int agentproto_decode(struct slice frame, enum agentproto_side side, struct agentproto_msg *ret,
		      struct err *err)
{
	const char *header = frame.at;
	struct slice payload;
	const struct shape *shape;
	uint8_t type, stream;

	if (frame.len < AGENTPROTO_HEADER_BYTES ||
	    frame.len - AGENTPROTO_HEADER_BYTES != load_u32(header))
		return err_set(err, EPROTO, "a frame has the wrong length");

	type = (uint8_t)header[4];
	stream = (uint8_t)header[5];
	shape = find_shape(type);
	if (!shape || !(shape->sides & 1U << side))
		return err_set(err, EPROTO, "message type %u is unknown", type);

	*ret = (struct agentproto_msg){ .type = type, .stream = stream };
	ret->proc = load_u32(header + 8);
	payload = (struct slice){ header + AGENTPROTO_HEADER_BYTES,
				  frame.len - AGENTPROTO_HEADER_BYTES };
	if (header[6] || header[7] || stream >= AGENTPROTO_STREAMS ||
	    (stream && !(shape->parts & PART_STREAM)) ||
	    (ret->proc && !(shape->parts & PART_PROC)) ||
	    !take_payload(payload, shape->parts, ret) || !check_values(ret))
		return err_set(err, EPROTO, "a message of type %u is malformed", type);

	return 0;
}
