/* SPDX-License-Identifier: Apache-2.0
 *
 * caps.c - capabilities by system call
 */
#include "linux/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/macro.h"

/* The kernel counts them in 64 bits. */
#define CAPS_MAX 64

uint64_t caps_bounding(void)
{
	uint64_t set = 0;

	for (int cap = 0; cap < CAPS_MAX; cap++) {
		int held = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);

		if (held < 0)
			break;
		if (held)
			set |= CAPS_BIT(cap);
	}

	return set;
}

int caps_limit_bounding(uint64_t keep, struct err *err)
{
	for (int cap = 0; cap < CAPS_MAX; cap++) {
		if (keep & CAPS_BIT(cap))
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0)
			continue;
		if (errno == EINVAL) /* beyond the last one */
			break;
		return err_sys(err, "drop capability %d", cap);
	}

	return 0;
}

static void caps_fill(struct __user_cap_data_struct data[2], uint64_t caps, uint64_t inheritable)
{
	for (int i = 0; i < 2; i++) {
		data[i].permitted = (uint32_t)(caps >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = (uint32_t)(inheritable >> (32 * i));
	}
}

int caps_set(uint64_t caps, uint64_t ambient, struct err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (caps && syscall(SYS_capget, &header, data) < 0)
		return err_sys(err, "read capabilities");
	caps &= (uint64_t)data[1].permitted << 32 | data[0].permitted;
	ambient &= caps;
	caps_fill(data, caps, ambient);
	/* What is not inheritable any more is no longer ambient either. */
	if (syscall(SYS_capset, &header, data) < 0)
		return err_sys(err, "set capabilities");
	for (int cap = 0; cap < CAPS_MAX; cap++)
		if ((ambient & CAPS_BIT(cap)) &&
		    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return err_sys(err, "raise ambient capability %d", cap);

	return 0;
}
