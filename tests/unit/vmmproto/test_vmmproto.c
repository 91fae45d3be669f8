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
					    .cmdline = "quiet",
					    .ports_len = 2,
					    .disks_len = 2,
					    .pmems_len = 2,
					    .nets_len = 2,
					    .vsock = { .cid = 3, .fd = 20 },
					    .shares_len = 1 };
	config->ports[0] = (struct vmmproto_port){ .fd = 7, .name = "agent" };
	config->ports[1] = (struct vmmproto_port){ .fd = 8, .name = "log" };
	config->disks[0] = (struct vmmproto_disk){ .fd = 9, .readonly = true, .serial = "layer0" };
	config->disks[1] = (struct vmmproto_disk){ .fd = 10, .serial = "rw" };
	config->pmems[0].fd = 12;
	config->pmems[1].fd = 13;
	config->nets[0] = (struct vmmproto_net){ .fds = { 14 }, .fds_len = 1, .mac = { 2, 1 } };
	config->nets[1] = (struct vmmproto_net){
		.fds = { 15, 16, 17 }, .fds_len = 3, .mac = { 6, 5, 4, 3, 2, 1 }, .mtu = 9000
	};
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
	config->ports_len = VMMPROTO_PORTS_MAX;
	config->pmems_len = VMMPROTO_PMEMS_MAX;
	config->nets_len = VMMPROTO_NETS_MAX;
	for (size_t i = 0; i < VMMPROTO_NETS_MAX; i++)
		config->nets[i].fds_len = VMMPROTO_NET_PAIRS_MAX;
	for (size_t i = 0; i < VMMPROTO_PORTS_MAX; i++)
		memset(config->ports[i].name, 'p', VMMPROTO_NAME_MAX);
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

static void many_ports(struct vmmproto_config *config)
{
	config->ports_len = VMMPROTO_PORTS_MAX + 1;
}

static void port_without_fd(struct vmmproto_config *config)
{
	config->ports[1].fd = -1;
}

static void many_pmems(struct vmmproto_config *config)
{
	config->pmems_len = VMMPROTO_PMEMS_MAX + 1;
}

static void pmem_without_fd(struct vmmproto_config *config)
{
	config->pmems[1].fd = -1;
}

static void many_nets(struct vmmproto_config *config)
{
	config->nets_len = VMMPROTO_NETS_MAX + 1;
}

static void net_without_queues(struct vmmproto_config *config)
{
	config->nets[0].fds_len = 0;
}

static void net_of_many_queues(struct vmmproto_config *config)
{
	config->nets[0].fds_len = VMMPROTO_NET_PAIRS_MAX + 1;
}

static void net_without_fd(struct vmmproto_config *config)
{
	config->nets[1].fds[2] = -1;
}

static void net_of_a_group(struct vmmproto_config *config)
{
	config->nets[1].mac[0] |= 1;
}

static void vsock_of_the_host(struct vmmproto_config *config)
{
	config->vsock.cid = 2;
}

static void vsock_of_anybody(struct vmmproto_config *config)
{
	config->vsock.cid = UINT32_MAX;
}

static void vsock_without_fd(struct vmmproto_config *config)
{
	config->vsock.fd = -1;
}

static void test_limits(void **state)
{
	(void)state;
	refuse_config(no_cpus);
	refuse_config(many_cpus);
	refuse_config(strange_fd);
	refuse_config(many_disks);
	refuse_config(many_ports);
	refuse_config(port_without_fd);
	refuse_config(many_pmems);
	refuse_config(pmem_without_fd);
	refuse_config(many_nets);
	refuse_config(net_without_queues);
	refuse_config(net_of_many_queues);
	refuse_config(net_without_fd);
	refuse_config(net_of_a_group);
	refuse_config(vsock_of_the_host);
	refuse_config(vsock_of_anybody);
	refuse_config(vsock_without_fd);
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
	struct vmmproto_msg reply = {
		.type = VMMPROTO_REPLY, .seq = 5, .code = EBUSY, .text = "busy", .stats = { 1, 2 }
	};
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

static void test_balloon(void **state)
{
	struct vmmproto_msg msg = { .type = VMMPROTO_BALLOON, .seq = 6, .bytes = 5ULL << 32 };
	struct vmmproto_msg got = { 0 };
	uint8_t packet[64];
	int n = vmmproto_encode(&msg, packet, sizeof(packet));

	(void)state;
	assert_int_equal(vmmproto_decode(packet, (size_t)n, &got), 0);
	assert_int_equal(got.type, VMMPROTO_BALLOON);
	assert_true(got.bytes == 5ULL << 32);
	assert_int_equal(vmmproto_decode(packet, (size_t)n - 1, &got), -EPROTO);
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
		cmocka_unit_test(test_balloon),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
