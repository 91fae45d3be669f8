/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_vmmproto.c - packets between a starter and its hull-vmm: what is accepted can be said again
 *
 * The first byte says which side receives: only hull-vmm takes a configuration.
 */
#include "fuzz.h"

#include <string.h>

#include "vmmproto/vmmproto.h"

static struct vmmproto_config config, config_again;
static uint8_t packet[VMMPROTO_PACKET_MAX_BYTES];

static void check_config(const struct vmmproto_config *c)
{
	fuzz_assert(c->cpus >= 1 && c->cpus <= VMMPROTO_CPUS_MAX);
	fuzz_assert(c->disks_len <= VMMPROTO_DISKS_MAX && c->shares_len <= VMMPROTO_SHARES_MAX);
	fuzz_assert(c->ports_len <= VMMPROTO_PORTS_MAX && c->nets_len <= VMMPROTO_NETS_MAX);
	fuzz_assert(c->pmems_len <= VMMPROTO_PMEMS_MAX);
	fuzz_assert(memchr(c->cmdline, '\0', sizeof(c->cmdline)));
	for (size_t i = 0; i < c->disks_len; i++)
		fuzz_assert(memchr(c->disks[i].serial, '\0', sizeof(c->disks[i].serial)));
	for (size_t i = 0; i < c->ports_len; i++)
		fuzz_assert(memchr(c->ports[i].name, '\0', sizeof(c->ports[i].name)));
	for (size_t i = 0; i < c->shares_len; i++)
		fuzz_assert(memchr(c->shares[i].tag, '\0', sizeof(c->shares[i].tag)));
	for (size_t i = 0; i < c->nets_len; i++)
		fuzz_assert(c->nets[i].fds_len >= 1 &&
			    c->nets[i].fds_len <= VMMPROTO_NET_PAIRS_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	bool to_vmm = len > 0 && data[0] % 2;
	struct vmmproto_msg msg = { .config = to_vmm ? &config : NULL };
	struct vmmproto_msg again = { .config = to_vmm ? &config_again : NULL };
	int n;

	if (len == 0 || vmmproto_decode(data + 1, len - 1, &msg) < 0)
		return 0;
	fuzz_assert(to_vmm || msg.type != VMMPROTO_CONFIG);
	if (msg.type == VMMPROTO_CONFIG)
		check_config(&config);
	if (msg.type == VMMPROTO_END)
		fuzz_assert(vmmproto_end_name(msg.end)[0]);
	/* There is one way to say a thing. */
	n = vmmproto_encode(&msg, packet, sizeof(packet));
	fuzz_assert(n == (int)len - 1 && memcmp(packet, data + 1, (size_t)n) == 0);
	fuzz_assert(vmmproto_decode(packet, (size_t)n, &again) == 0);
	fuzz_assert(again.type == msg.type && again.seq == msg.seq && again.code == msg.code);
	fuzz_assert(strcmp(again.text, msg.text) == 0);
	/* And no room for less than all of it. */
	fuzz_assert(vmmproto_encode(&msg, packet, (size_t)n - 1) < 0);

	return 0;
}
