/* SPDX-License-Identifier: Apache-2.0
 *
 * test_agentproto.c - frames: what is written is read, and nothing else is accepted
 */
#include "agentproto/agentproto.h"

#include <errno.h>
#include <string.h>

#include "base/rand.h"
#include "check.h"

static struct slice frame_of(const struct strbuf *sb)
{
	return (struct slice){ sb->text, sb->len };
}

static int decode(const struct strbuf *sb, enum agentproto_side side, struct agentproto_msg *ret)
{
	size_t bytes = 0;

	if (agentproto_frame_bytes((const unsigned char *)sb->text, side, &bytes) < 0)
		return -EMSGSIZE;
	assert_int_equal(bytes, sb->len);

	return agentproto_decode(frame_of(sb), side, ret, NULL);
}

static void test_fields_survive(void **state)
{
	struct agentproto_msg in = { .type = AGENTPROTO_CREATE,
				     .seq = 7,
				     .streams = 5,
				     .layers = 3,
				     .shares = 2,
				     .wall_ns = 1234567890123456789,
				     .body = slice_of("{}") };
	struct strbuf sb = STRBUF_INIT(1024);
	struct agentproto_msg out;

	(void)state;
	assert_int_equal(agentproto_encode(&in, &sb), 0);
	assert_int_equal(decode(&sb, AGENTPROTO_AGENT, &out), 0);
	assert_int_equal(out.type, AGENTPROTO_CREATE);
	assert_int_equal(out.seq, 7);
	assert_int_equal(out.streams, 5);
	assert_int_equal(out.layers, 3);
	assert_int_equal(out.shares, 2);
	assert_true(out.wall_ns == in.wall_ns);
	assert_true(slice_eq(out.body, "{}"));
	strbuf_done(&sb);
}

static void test_bytes_are_little_endian(void **state)
{
	static const unsigned char want[] = {
		4, 0, 0, 0, AGENTPROTO_CREDIT, 1, 0, 0, 2, 1, 0, 0, 0x10, 0x20, 0, 0
	};
	struct agentproto_msg in = {
		.type = AGENTPROTO_CREDIT, .proc = 0x102, .stream = 1, .value = 0x2010
	};
	struct strbuf sb = STRBUF_INIT(64);

	(void)state;
	assert_int_equal(agentproto_encode(&in, &sb), 0);
	assert_int_equal(sb.len, sizeof(want));
	assert_memory_equal(sb.text, want, sizeof(want));
	strbuf_done(&sb);
}

static void test_failure_is_made_safe_to_show(void **state)
{
	struct agentproto_msg in = { .type = AGENTPROTO_REPLY, .seq = 1 }, out;
	struct strbuf sb = STRBUF_INIT(4096);
	char text[256];

	(void)state;
	err_setk(&in.failure, ERR_NO_COMMAND, ENOENT, "\033[2Jboo");
	err_hint(&in.failure, "try\r\nthis");
	assert_int_equal(agentproto_encode(&in, &sb), 0);
	assert_int_equal(decode(&sb, AGENTPROTO_HOST, &out), 0);
	assert_int_equal(out.failure.code, ENOENT);
	assert_int_equal(out.failure.kind, ERR_NO_COMMAND);
	assert_string_equal(err_text(&out.failure, text, sizeof(text)), "?[2Jboo");
	assert_string_equal(out.failure.hint, "try??this");
	strbuf_done(&sb);
}

/* Every request is for the agent only, every answer for the host only. */
static void test_directions(void **state)
{
	static const struct {
		enum agentproto_type type;
		bool host, agent;
	} table[] = {
		{ AGENTPROTO_START, false, true },  { AGENTPROTO_KILL_ALL, false, true },
		{ AGENTPROTO_STATS, false, true },  { AGENTPROTO_FINISH, false, true },
		{ AGENTPROTO_HELLO, true, false },  { AGENTPROTO_REPLY, true, false },
		{ AGENTPROTO_EXITED, true, false }, { AGENTPROTO_END, true, true },
		{ AGENTPROTO_CLOSED, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		struct agentproto_msg in = { .type = table[i].type }, out;
		struct strbuf sb = STRBUF_INIT(4096);

		assert_int_equal(agentproto_encode(&in, &sb), 0);
		assert_int_equal(decode(&sb, AGENTPROTO_HOST, &out), table[i].host ? 0 : -EPROTO);
		assert_int_equal(decode(&sb, AGENTPROTO_AGENT, &out), table[i].agent ? 0 : -EPROTO);
		strbuf_done(&sb);
	}
}

/* A payload that is shorter or longer than its type says, or that differs from the header. */
static void test_lengths_are_exact(void **state)
{
	struct agentproto_msg in = { .type = AGENTPROTO_EXITED, .value = 256 }, out;
	struct strbuf sb = STRBUF_INIT(64);

	(void)state;
	assert_int_equal(agentproto_encode(&in, &sb), 0);
	for (size_t len = 0; len < sb.len; len++)
		assert_int_equal(agentproto_decode((struct slice){ sb.text, len }, AGENTPROTO_HOST,
						   &out, NULL),
				 -EPROTO);
	for (int delta = -12; delta <= 4; delta++) {
		struct strbuf other = STRBUF_INIT(64);
		size_t len = (size_t)((int)sb.len + delta);

		assert_int_equal(strbuf_add(&other, sb.text, MIN(len, sb.len)), 0);
		while (other.len < len)
			assert_int_equal(strbuf_addc(&other, 0), 0);
		other.text[0] = (char)(len - AGENTPROTO_HEADER_BYTES);
		assert_int_equal(agentproto_decode(frame_of(&other), AGENTPROTO_HOST, &out, NULL),
				 delta ? -EPROTO : 0);
		strbuf_done(&other);
	}
	strbuf_done(&sb);
}

static void test_limits(void **state)
{
	static char big[AGENTPROTO_DATA_MAX_BYTES + 1];
	unsigned char header[AGENTPROTO_HEADER_BYTES];
	struct agentproto_msg msg = { .type = AGENTPROTO_DATA,
				      .body = { big, AGENTPROTO_DATA_MAX_BYTES } };
	struct strbuf sb = STRBUF_INIT(1 << 20), small = STRBUF_INIT(8);
	size_t bytes;

	(void)state;
	assert_int_equal(agentproto_encode(&msg, &sb), 0);
	msg.body.len++;
	assert_int_equal(agentproto_encode(&msg, &sb), -EMSGSIZE);
	assert_int_equal(sb.len, AGENTPROTO_HEADER_BYTES + AGENTPROTO_DATA_MAX_BYTES);
	msg = (struct agentproto_msg){ .type = AGENTPROTO_START };
	assert_int_equal(agentproto_encode(&msg, &small), -ENOSPC);
	assert_int_equal(small.len, 0);

	agentproto_data_header(1, 1, AGENTPROTO_TO_HOST_MAX_BYTES, header);
	assert_int_equal(agentproto_frame_bytes(header, AGENTPROTO_HOST, &bytes), 0);
	agentproto_data_header(1, 1, AGENTPROTO_TO_HOST_MAX_BYTES + 1, header);
	assert_int_equal(agentproto_frame_bytes(header, AGENTPROTO_HOST, &bytes), -EPROTO);
	assert_int_equal(agentproto_frame_bytes(header, AGENTPROTO_AGENT, &bytes), 0);
	strbuf_done(&sb);
	strbuf_done(&small);
}

static void test_values_are_checked(void **state)
{
	static const struct agentproto_msg bad[] = {
		{ .type = AGENTPROTO_CREDIT, .value = 0 },
		{ .type = AGENTPROTO_CREDIT, .value = AGENTPROTO_WINDOW_BYTES + 1 },
		{ .type = AGENTPROTO_DATA },
		{ .type = AGENTPROTO_END, .stream = AGENTPROTO_STREAMS },
		{ .type = AGENTPROTO_EXITED, .value = 0x10000 },
		{ .type = AGENTPROTO_EXITED, .oom_kills = -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct strbuf sb = STRBUF_INIT(64);
		struct agentproto_msg out;

		assert_int_equal(agentproto_encode(&bad[i], &sb), 0);
		assert_int_equal(decode(&sb, AGENTPROTO_HOST, &out), -EPROTO);
		strbuf_done(&sb);
	}
}

/* One flipped byte: refused, or a message whose every field is in its range. */
static void test_flipped_bytes(void **state)
{
	struct agentproto_msg in = { .type = AGENTPROTO_REPLY, .seq = 9, .body = slice_of("x") };
	struct strbuf sb = STRBUF_INIT(4096);
	struct agentproto_msg out;

	(void)state;
	err_set(&in.failure, EIO, "broken");
	assert_int_equal(agentproto_encode(&in, &sb), 0);
	for (size_t at = 0; at < sb.len; at++) {
		for (int bit = 0; bit < 8; bit++) {
			char text[1024];

			sb.text[at] ^= (char)(1 << bit);
			if (agentproto_decode(frame_of(&sb), AGENTPROTO_HOST, &out, NULL) == 0) {
				assert_true(out.body.len <= sb.len);
				assert_true(out.failure.code >= 0 && out.failure.code < 4096);
				assert_true(strlen(err_text(&out.failure, text, sizeof(text))) <
					    sizeof(text));
			}
			sb.text[at] ^= (char)(1 << bit);
		}
	}
	strbuf_done(&sb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields_survive),
		cmocka_unit_test(test_bytes_are_little_endian),
		cmocka_unit_test(test_failure_is_made_safe_to_show),
		cmocka_unit_test(test_directions),
		cmocka_unit_test(test_lengths_are_exact),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_values_are_checked),
		cmocka_unit_test(test_flipped_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
