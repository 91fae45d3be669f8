/* SPDX-License-Identifier: Apache-2.0
 *
 * virtio.h - a stream of operations of a driver, for each device a target of its own
 */
#ifndef TESTS_FUZZ_VIRTIO_H
#define TESTS_FUZZ_VIRTIO_H

#include <stddef.h>
#include <stdint.h>

/* Make the victim called @device, do what @data says, look whether it still works. Returns 0. */
int virtio_fuzz(const char *device, const uint8_t *data, size_t len);

#endif
