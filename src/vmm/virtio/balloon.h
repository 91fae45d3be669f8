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
