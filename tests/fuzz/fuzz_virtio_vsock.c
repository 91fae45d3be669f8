/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_virtio_vsock.c - operations of a driver and of the host on virtio vsock
 */
#include "fuzz.h"
#include "virtio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	return virtio_fuzz("vsock", data, len);
}
