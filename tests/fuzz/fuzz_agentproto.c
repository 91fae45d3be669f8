/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_agentproto.c - frames between host and guest: what one side accepts it can say again
 *
 * The first byte says which side receives; a stream of frames follows.
 */
#include "fuzz.h"

#include <string.h>

#include "agentproto/agentproto.h"

static void check(const struct agentproto_msg *msg, enum agentproto_side side)
{
	auto_done(strbuf) out = STRBUF_INIT(AGENTPROTO_TO_AGENT_MAX_BYTES + 64);
	struct agentproto_msg again;
	struct slice frame;

	for (size_t i = 0; i < msg->failure.used; i++)
		fuzz_assert(!msg->failure.frames[i] ||
			    (unsigned char)msg->failure.frames[i] >= ' ');
	fuzz_assert(agentproto_encode(msg, &out) == 0);
	frame = (struct slice){ .at = strbuf_get(&out), .len = out.len };
	fuzz_assert(agentproto_decode(frame, side, &again, NULL) == 0);
	fuzz_assert(again.type == msg->type && again.seq == msg->seq && again.proc == msg->proc);
	fuzz_assert(again.value == msg->value && again.stream == msg->stream);
	fuzz_assert(again.body.len == msg->body.len);
	fuzz_assert(msg->body.len == 0 || memcmp(again.body.at, msg->body.at, msg->body.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum agentproto_side side = len > 0 && data[0] == 'a' ? AGENTPROTO_AGENT : AGENTPROTO_HOST;
	size_t at = 1, bytes;

	while (at < len && len - at >= AGENTPROTO_HEADER_BYTES) {
		struct agentproto_msg msg;

		if (agentproto_frame_bytes(data + at, side, &bytes) < 0)
			break;
		fuzz_assert(bytes >= AGENTPROTO_HEADER_BYTES);
		if (bytes > len - at)
			break;
		if (agentproto_decode((struct slice){ (const char *)data + at, bytes }, side, &msg,
				      NULL) < 0)
			break;
		check(&msg, side);
		at += bytes;
	}

	return 0;
}
