/* SPDX-License-Identifier: Apache-2.0
 *
 * choose.c - which hypervisor a machine gets
 */
#include "machine/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "machine/kvm.h"

#define CHOICE "HULL_MACHINE"

int machine_find(const char *name, const struct machine_ops **ret, struct err *err)
{
	static const struct machine_ops *const all[] = { &machine_hullvmm_ops, &machine_qemu_ops };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (strcmp(all[i]->name, name) != 0)
			continue;
		*ret = all[i];
		return 0;
	}

	return err_setk(err, ERR_USAGE, EINVAL, "there is no hypervisor '%s': hull-vmm or qemu",
			name);
}

void machine_remark(const struct machine_ops *ops, struct err *ret)
{
	struct err why = ERR_INIT;
	char text[sizeof(why.frames)];

	/* It has been looked at for hull-vmm. */
	if (ops == &machine_hullvmm_ops || kvm_probe(NULL, &why) == 0)
		err_set(ret, 0, "%s on KVM", ops->name);
	else
		err_set(ret, 0, "%s without KVM: %s", ops->name,
			err_text(&why, text, sizeof(text)));
}

/* For machines of an unmodified kernel. */
static const struct machine_ops *best(int *ret_probe_fd)
{
	if (kvm_probe(ret_probe_fd, NULL) < 0)
		return &machine_tcg_ops;

	return machine_hullvmm_ops.probe(NULL) == 0 ? &machine_hullvmm_ops : &machine_qemu_ops;
}

static int named(const char *name, const struct machine_ops **ret, int *ret_probe_fd,
		 struct err *err)
{
	int r = machine_find(name, ret, err);

	if (r < 0)
		return err_wrap(err, r, "look at " CHOICE);
	r = *ret == &machine_hullvmm_ops ? kvm_probe(ret_probe_fd, err) : 0;
	if (r < 0)
		err_hint(err, CHOICE "=qemu asks for QEMU, which does without KVM");

	return r;
}

int machine_choose(const struct machine_ops **ret, int *ret_probe_fd, struct err *err)
{
	const char *name = getenv(CHOICE);
	const struct machine_ops *ops;
	auto_close int probe_fd = -1;
	int r = 0;

	if (name && *name)
		r = named(name, &ops, &probe_fd, err);
	else
		ops = best(&probe_fd);
	if (r == 0)
		r = ops->probe(err);
	if (r < 0)
		return r;
	*ret = ops;
	if (ret_probe_fd)
		*ret_probe_fd = take_fd(probe_fd);

	return 0;
}
