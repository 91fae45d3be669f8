/* SPDX-License-Identifier: Apache-2.0
 *
 * test_vmmproto.c - messages come back as they were sent, and nothing else is accepted
 */
#include "vmmproto/vmmproto.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"

static struct vmmproto_config *some_config(void)
{
	struct vmmproto_config *config = calloc(1, sizeof(*config));

	assert_non_null(config);
	*config = (struct vmmproto_config){ .memory_bytes = 512 * MIB,
					    .cpus = 4,
					    .kvm_fd = 3,
					    .kernel_fd = 4,
					    .initrd_fd = -1,
					    .console_fd = -1,
					    .port_fd = 7,
					    .port_name = "agent",
					    .cmdline = "quiet",
					    .disks_len = 2,
					    .shares_len = 1 };
	config->disks[0] = (struct vmmproto_disk){ .fd = 9, .readonly = true, .serial = "layer0" };
	config->disks[1] = (struct vmmproto_disk){ .fd = 10, .serial = "rw" };
	config->shares[0] = (struct vmmproto_share){ .fd = 11, .tag = "share0" };

	return config;
}

static void test_config_round_trip(void **state)
{
	auto_free struct vmmproto_config *config = some_config(), *back = calloc(1, sizeof(*back));
	auto_free uint8_t *packet = malloc(VMMPROTO_PACKET_MAX_BYTES);
	struct vmmproto_msg msg = { .type = VMMPROTO_CONFIG, .seq = 77, .config = config };
	struct vmmproto_msg got = { .config = back };
	int n = vmmproto_encode(&msg, packet, VMMPROTO_PACKET_MAX_BYTES);

	(void)state;
	assert_true(n > 0);
	assert_int_equal(vmmproto_decode(packet, (size_t)n, &got), 0);
	assert_int_equal(got.type, VMMPROTO_CONFIG);
	assert_int_equal(got.seq, 77);
	assert_memory_equal(back, config, sizeof(*back));
}

/* Every message that is cut short or has one byte more is refused. */
static void test_other_lengths(void **state)
{
	auto_free struct vmmproto_config *config = some_config(), *back = calloc(1, sizeof(*back));
	auto_free uint8_t *packet = calloc(1, VMMPROTO_PACKET_MAX_BYTES);
	struct vmmproto_msg msg = { .type = VMMPROTO_CONFIG, .config = config };
	struct vmmproto_msg got = { .config = back };
	int n = vmmproto_encode(&msg, packet, VMMPROTO_PACKET_MAX_BYTES);

	(void)state;
	for (int i = 0; i < n; i++)
		assert_int_equal(vmmproto_decode(packet, (size_t)i, &got), -EPROTO);
	assert_int_equal(vmmproto_decode(packet, (size_t)n + 1, &got), -EPROTO);
	assert_int_equal(vmmproto_encode(&msg, packet, (size_t)n - 1), -EMSGSIZE);
}

static void test_full_config_fits(void **state)
{
	auto_free struct vmmproto_config *config = some_config();
	auto_free uint8_t *packet = malloc(VMMPROTO_PACKET_MAX_BYTES);
	struct vmmproto_msg msg = { .type = VMMPROTO_CONFIG, .config = config };

	(void)state;
	config->disks_len = VMMPROTO_DISKS_MAX;
	config->shares_len = VMMPROTO_SHARES_MAX;
	memset(config->cmdline, 'c', VMMPROTO_CMDLINE_MAX);
	for (size_t i = 0; i < VMMPROTO_DISKS_MAX; i++)
		memset(config->disks[i].serial, 's', VMMPROTO_NAME_MAX);
	for (size_t i = 0; i < VMMPROTO_SHARES_MAX; i++)
		memset(config->shares[i].tag, 't', VMMPROTO_NAME_MAX);
	assert_true(vmmproto_encode(&msg, packet, VMMPROTO_PACKET_MAX_BYTES) > 0);
}

static void refuse_config(void (*spoil)(struct vmmproto_config *))
{
	auto_free struct vmmproto_config *config = some_config(), *back = calloc(1, sizeof(*back));
	auto_free uint8_t *packet = malloc(VMMPROTO_PACKET_MAX_BYTES);
	struct vmmproto_msg msg = { .type = VMMPROTO_CONFIG, .config = config };

	spoil(config);
	assert_int_equal(vmmproto_encode(&msg, packet, VMMPROTO_PACKET_MAX_BYTES), -EMSGSIZE);
}

static void no_cpus(struct vmmproto_config *config)
{
	config->cpus = 0;
}

static void many_cpus(struct vmmproto_config *config)
{
	config->cpus = VMMPROTO_CPUS_MAX + 1;
}

static void strange_fd(struct vmmproto_config *config)
{
	config->kernel_fd = -2;
}

static void many_disks(struct vmmproto_config *config)
{
	config->disks_len = VMMPROTO_DISKS_MAX + 1;
}

static void test_limits(void **state)
{
	(void)state;
	refuse_config(no_cpus);
	refuse_config(many_cpus);
	refuse_config(strange_fd);
	refuse_config(many_disks);
}

/* A machine that runs takes no second configuration: it has no room for one. */
static void test_config_without_room(void **state)
{
	auto_free struct vmmproto_config *config = some_config();
	auto_free uint8_t *packet = malloc(VMMPROTO_PACKET_MAX_BYTES);
	struct vmmproto_msg msg = { .type = VMMPROTO_CONFIG, .config = config }, got = { 0 };
	int n = vmmproto_encode(&msg, packet, VMMPROTO_PACKET_MAX_BYTES);

	(void)state;
	assert_int_equal(vmmproto_decode(packet, (size_t)n, &got), -EPROTO);
}

static void test_reply_and_end(void **state)
{
	struct vmmproto_msg reply = { .type = VMMPROTO_REPLY,
				      .seq = 5,
				      .code = EBUSY,
				      .text = "busy",
				      .stats = { 1, 2, 3 } };
	struct vmmproto_msg end = { .type = VMMPROTO_END,
				    .end = VMMPROTO_END_RESET,
				    .text = "reset" };
	struct vmmproto_msg got = { 0 };
	uint8_t packet[1024];
	int n = vmmproto_encode(&reply, packet, sizeof(packet));

	(void)state;
	assert_int_equal(vmmproto_decode(packet, (size_t)n, &got), 0);
	assert_int_equal(got.code, EBUSY);
	assert_string_equal(got.text, "busy");
	assert_memory_equal(&got.stats, &reply.stats, sizeof(got.stats));

	n = vmmproto_encode(&end, packet, sizeof(packet));
	got = (struct vmmproto_msg){ 0 };
	assert_int_equal(vmmproto_decode(packet, (size_t)n, &got), 0);
	assert_int_equal(got.end, VMMPROTO_END_RESET);
	/* An end of no known kind; a text with a NUL in it. */
	packet[8] = 99;
	assert_int_equal(vmmproto_decode(packet, (size_t)n, &got), -EPROTO);
	packet[8] = VMMPROTO_END_RESET;
	packet[n - 1] = '\0';
	assert_int_equal(vmmproto_decode(packet, (size_t)n, &got), -EPROTO);
}

/* Whatever arrives: an answer, no access out of bounds (the sanitizers watch). */
static void test_noise(void **state)
{
	auto_free struct vmmproto_config *config = calloc(1, sizeof(*config));
	uint8_t packet[256];

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		struct vmmproto_msg got = { .config = config };
		size_t len = (size_t)rand() % sizeof(packet);

		for (size_t i = 0; i < len; i++)
			packet[i] = (uint8_t)rand();
		if (len > 0)
			memcpy(packet, &(uint32_t){ (uint32_t)rand() % 12 }, MIN(len, (size_t)4));
		if (vmmproto_decode(packet, len, &got) == 0)
			assert_in_range(got.type, VMMPROTO_CONFIG, VMMPROTO_END);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_round_trip),
		cmocka_unit_test(test_other_lengths),
		cmocka_unit_test(test_full_config_fits),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_config_without_room),
		cmocka_unit_test(test_reply_and_end),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
