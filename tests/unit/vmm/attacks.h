/* SPDX-License-Identifier: Apache-2.0
 *
 * attacks.h - lies of a guest, to be told to any device
 */
#ifndef TESTS_VMM_ATTACKS_H
#define TESTS_VMM_ATTACKS_H

#include <linux/virtio_pci.h>

#include "vmm/lying_guest.h"

struct victim;

#define ALL_FEATURES (~0ULL)
#define COMMON(g, field) ((g)->common + (uint32_t)offsetof(struct virtio_pci_common_cfg, field))

/**
 * struct attack - a lie, which fails the test unless the device answers as it should
 * @name:	for the names of tests
 * @on_queue:	told to each queue of a device that runs, one after the other; or NULL
 * @on_device:	told to a device that runs; or NULL
 * @on_victim:	the same, with what is on the host's side; or NULL
 */
struct attack {
	const char *name;
	void (*on_queue)(struct lying_guest *g, unsigned queue);
	void (*on_device)(struct lying_guest *g);
	void (*on_victim)(struct lying_guest *g, const struct victim *victim, void *thing);
};

extern const struct attack queue_attacks[], device_attacks[], bus_attacks[];
extern const size_t queue_attacks_len, device_attacks_len, bus_attacks_len;

/* Let the device look. Does it want to be reset then? */
bool attack_needs_reset(struct lying_guest *g);

/* Of the used ring of a queue. */
uint16_t attack_used_index(struct lying_guest *g, unsigned queue);

#endif
