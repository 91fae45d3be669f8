/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_guest.c - kernels and modules: bzImage, ELF headers, sections
 */
#include "fuzz.h"

#include <sys/mman.h>

#include "base/fd.h"
#include "image/kmod.h"
#include "image/vmlinux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_close int fd = memfd_create("vmlinux", MFD_CLOEXEC);
	const char *found = NULL;
	size_t found_len = 0;

	fuzz_assert(fd >= 0);
	(void)vmlinux_extract(data, len, fd, NULL);
	if (kmod_depends(data, len, &found, &found_len, NULL) == 0 && found_len > 0) {
		const uint8_t *at = (const uint8_t *)found;

		fuzz_assert(at >= data && at + found_len <= data + len);
	}

	return 0;
}
