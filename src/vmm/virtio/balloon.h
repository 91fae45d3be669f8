/* SPDX-License-Identifier: Apache-2.0
 *
 * balloon.h - virtio balloon: memory that the guest does not need goes back to the host
 *
 * Free pages are reported by the guest on its own and returned at once. Beyond that, a target can
 * be set, and the guest gives up that much; it takes pages back by itself before it runs out.
 */
#ifndef VMM_VIRTIO_BALLOON_H
#define VMM_VIRTIO_BALLOON_H

#include "vmm/virtio/device.h"

struct virtio_balloon;

/* Make a balloon. 0 or a negative errno. */
int virtio_balloon_new(const struct virtio_env *env, struct virtio_balloon **ret, struct err *err);
void virtio_balloon_free(struct virtio_balloon *balloon);

/* Ask the guest to give up @bytes, rounded down to pages; it does so as far as it can. */
void virtio_balloon_set_target(struct virtio_balloon *balloon, uint64_t bytes);

/**
 * struct virtio_balloon_stats - what the balloon and the guest say; the guest may lie
 * @held_bytes:	given up because of the target
 * @reported_bytes: returned as free pages since the start, counting again what was used again
 * @updates:	times that the guest sent the figures below
 * @free_bytes:	UINT64_MAX as long as it has not
 * @total_bytes: the same
 * @available_bytes: the same
 * @cache_bytes: the same
 * @major_faults: the same
 */
struct virtio_balloon_stats {
	uint64_t held_bytes, reported_bytes, updates;
	uint64_t free_bytes, total_bytes, available_bytes, cache_bytes, major_faults;
};

/* Copy the figures. */
void virtio_balloon_get_stats(const struct virtio_balloon *balloon,
			      struct virtio_balloon_stats *ret);

/* Ask the guest for new figures; @updates grows when they come. */
void virtio_balloon_ask(struct virtio_balloon *balloon);

/* What the machine plugs in; it lives as long as @balloon. */
struct virtio_device *virtio_balloon_device(struct virtio_balloon *balloon);

struct virtio_balloon_state {
	uint32_t target_pages, held_pages;
};

/* Copy the kind's own state; load it before virtio_load(). */
void virtio_balloon_save(const struct virtio_balloon *balloon, struct virtio_balloon_state *ret);
void virtio_balloon_load(struct virtio_balloon *balloon, const struct virtio_balloon_state *state);

extern const struct confine_list virtio_balloon_calls;

#endif
