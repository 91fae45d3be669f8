/* SPDX-License-Identifier: Apache-2.0
 *
 * vcpu_state.c - the state of a virtual processor, out of KVM and back into it
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "vmm/vcpu.h"

/* What a kernel sets up; those that this host does not have are left out. */
static const uint32_t saved_msrs[] = {
	0x10,			       /* TSC */
	0x1a0,			       /* MISC_ENABLE */
	0x48,			       /* SPEC_CTRL */
	0x174,	    0x175,	0x176, /* SYSENTER_CS, _ESP, _EIP */
	0x277,			       /* PAT */
	0x2ff,			       /* MTRR default type */
	0xc0000081, 0xc0000082,	       /* STAR, LSTAR */
	0xc0000083, 0xc0000084,	       /* CSTAR, SFMASK */
	0xc0000102, 0xc0000103,	       /* KERNEL_GS_BASE, TSC_AUX */
	0xd90,	    0xda0,	       /* BNDCFGS, XSS */
	0x4b564d00, 0x4b564d01,	       /* KVM: wall clock, system time */
	0x4b564d02, 0x4b564d06,	       /* KVM: asynchronous page faults, their interrupt */
	0x4b564d03, 0x4b564d04,	       /* KVM: steal time, end of interrupt */
	0x4b564d05,		       /* KVM: polling */
	0x6e0,			       /* TSC deadline: after TSC, and after the LAPIC */
};

_Static_assert(ARRAY_SIZE(saved_msrs) <= VCPU_MSRS_MAX, "there is room");

static void save_msrs(const struct vcpu *vcpu, struct vcpu_state *ret)
{
	ret->msrs_len = 0;
	for (size_t i = 0; i < ARRAY_SIZE(saved_msrs); i++) {
		union vcpu_one_msr msr = { .list.nmsrs = 1 };

		msr.list.entries[0].index = saved_msrs[i];
		if (ioctl(vcpu->fd, KVM_GET_MSRS, &msr) == 1)
			ret->msrs[ret->msrs_len++] = msr.list.entries[0];
	}
}

static int load_msrs(const struct vcpu *vcpu, const struct vcpu_state *state, struct err *err)
{
	for (uint32_t i = 0; i < MIN(state->msrs_len, (uint32_t)VCPU_MSRS_MAX); i++) {
		union vcpu_one_msr msr = { .list.nmsrs = 1 };

		msr.list.entries[0] = state->msrs[i];
		if (ioctl(vcpu->fd, KVM_SET_MSRS, &msr) == 1)
			continue;
		/* One that can only be read is no loss while it is the same. */
		if (ioctl(vcpu->fd, KVM_GET_MSRS, &msr) != 1 ||
		    msr.list.entries[0].data != state->msrs[i].data)
			return err_set(err, EINVAL, "MSR %#x cannot be set", state->msrs[i].index);
	}

	return 0;
}

int vcpu_save(const struct vcpu *vcpu, struct vcpu_state *ret, struct err *err)
{
	if (ioctl(vcpu->fd, KVM_GET_MP_STATE, &ret->mp_state) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_REGS, &ret->regs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_SREGS, &ret->sregs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_XSAVE, ret->xsave) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_XCRS, &ret->xcrs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_DEBUGREGS, &ret->debugregs) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_LAPIC, &ret->lapic) < 0 ||
	    ioctl(vcpu->fd, KVM_GET_VCPU_EVENTS, &ret->events) < 0)
		return err_sys(err, "read the state of processor %u", vcpu->index);
	save_msrs(vcpu, ret);

	return 0;
}

/* The order matters: the LAPIC's mode is in sregs, its deadline counts only when it is there. */
int vcpu_load(const struct vcpu *vcpu, const struct vcpu_state *state, struct err *err)
{
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &state->sregs) < 0 ||
	    ioctl(vcpu->fd, KVM_SET_REGS, &state->regs) < 0 ||
	    /* A processor without XSAVE has none, and KVM does not take none. */
	    (state->xcrs.nr_xcrs > 0 && ioctl(vcpu->fd, KVM_SET_XCRS, &state->xcrs) < 0) ||
	    ioctl(vcpu->fd, KVM_SET_XSAVE, state->xsave) < 0 ||
	    ioctl(vcpu->fd, KVM_SET_DEBUGREGS, &state->debugregs) < 0 ||
	    ioctl(vcpu->fd, KVM_SET_LAPIC, &state->lapic) < 0)
		return err_sys(err, "set the state of processor %u", vcpu->index);
	if (load_msrs(vcpu, state, err) < 0)
		return -EINVAL;
	if (ioctl(vcpu->fd, KVM_SET_VCPU_EVENTS, &state->events) < 0 ||
	    ioctl(vcpu->fd, KVM_SET_MP_STATE, &state->mp_state) < 0)
		return err_sys(err, "set the state of processor %u", vcpu->index);

	return 0;
}
