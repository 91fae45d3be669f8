/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_virtio_net.c - operations of a driver and of the host on virtio net
 */
#include "fuzz.h"
#include "virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return virtio_fuzz("net with two pairs of queues", data, len);
}
