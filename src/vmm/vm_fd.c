/* SPDX-License-Identifier: Apache-2.0
 *
 * vm_fd.c - a machine of KVM: interrupt controllers and memory slots
 */
#include "vmm/vm_fd.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "base/fd.h"
#include "vmm/layout.h"
#include "vmm/memory.h"

static int add_region(int vm_fd, uint32_t slot, uint32_t flags, const struct memory_region *region,
		      struct err *err)
{
	struct kvm_userspace_memory_region kvm_region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = region->start,
		.memory_size = region->bytes,
		.userspace_addr = (uintptr_t)region->host,
	};

	if (ioctl(vm_fd, KVM_SET_USER_MEMORY_REGION, &kvm_region) < 0)
		return err_sys(err, "give the machine its memory");

	return 0;
}

static int add_memory(int vm_fd, const struct memory *mem, struct err *err)
{
	uint32_t slot = 0;
	int r = 0;

	for (size_t i = 0; i < mem->regions_len && r == 0; i++)
		r = add_region(vm_fd, slot++, 0, &mem->regions[i], err);
	for (size_t i = 0; i < mem->files_len && r == 0; i++)
		r = add_region(vm_fd, slot++, KVM_MEM_READONLY, &mem->files[i], err);

	return r;
}

int vm_fd_open(int kvm_fd, const struct memory *mem, struct err *err)
{
	auto_close int vm_fd = -1;
	int r;

	/* What else we need, all kernels that we run on have, or the calls for it fail. */
	if (ioctl(kvm_fd, KVM_GET_API_VERSION, 0) != KVM_API_VERSION)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "this is not KVM");
	vm_fd = ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (vm_fd < 0)
		return err_sys(err, "make a machine");
	if (ioctl(vm_fd, KVM_SET_TSS_ADDR, (unsigned long)LAYOUT_TSS) < 0)
		return err_sys(err, "set the address that KVM needs for itself");
	if (ioctl(vm_fd, KVM_CREATE_IRQCHIP, 0) < 0)
		return err_sys(err, "make the interrupt controllers");
	r = add_memory(vm_fd, mem, err);

	return r < 0 ? r : take_fd(vm_fd);
}
