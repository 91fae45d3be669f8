/* SPDX-License-Identifier: Apache-2.0
 *
 * vcpu.h - virtual processors: a thread each that runs the guest and hands its exits over
 *
 * Theory of operation
 *
 * The threads are made while the machine is set up, confine themselves, and wait for the first
 * vcpus_resume(); one that cannot confine itself goes no further. To stop them, vcpus_pause() sets
 * a wish, has KVM_RUN return at once (immediate_exit) and kicks each thread with a signal; a thread
 * parks only after KVM_RUN has returned EINTR, because KVM completes a half-done port or memory
 * access on the way there. So a parked processor's state is whole: vcpu_save() may read it,
 * vcpu_load() may replace it.
 *
 * Nobody ever waits for a thread to park while holding the device lock, which the thread may need
 * on its way. Instead the last one to park for a pause, and one that cannot go on, write to an
 * eventfd.
 */
#ifndef VMM_VCPU_H
#define VMM_VCPU_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "vmm/confine.h"

/* Registers that are not in another part of the state, in the order they are restored. */
#define VCPU_MSRS_MAX 48

/* struct kvm_xsave without what the kernel may append to it. */
#define VCPU_XSAVE_BYTES 4096

/* The whole state of a processor, as plain memory. */
struct vcpu_state {
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_debugregs debugregs;
	struct kvm_xcrs xcrs;
	uint8_t xsave[VCPU_XSAVE_BYTES];
	struct kvm_lapic_state lapic;
	struct kvm_mp_state mp_state;
	struct kvm_vcpu_events events;
	uint32_t msrs_len;
	struct kvm_msr_entry msrs[VCPU_MSRS_MAX];
};

/* One request of KVM for one MSR, entries[0]; more at once would end at the first unknown one. */
union vcpu_one_msr {
	struct kvm_msrs list;
	uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

enum vcpu_stop {
	VCPU_GOES_ON = 0,
	VCPU_TRIPLE_FAULT, /* it is shut down */
	VCPU_FAILED,	   /* KVM cannot run it; see vcpus.failure */
};

/**
 * struct vcpu_ops - what the guest does; called on the processor's thread
 * @port:	read or (@write) write @bytes (1, 2 or 4) at port @port
 * @mmio:	the same at a guest physical address without RAM, 1 to 8 bytes
 *
 * What is read is all ones unless it is set.
 */
struct vcpu_ops {
	void (*port)(void *ctx, uint16_t port, void *data, unsigned bytes, bool write);
	void (*mmio)(void *ctx, uint64_t gpa, void *data, unsigned bytes, bool write);
};

struct vcpus;

/* One processor. */
struct vcpu {
	struct vcpus *all;
	unsigned index;
	int fd;
	struct kvm_run *run;
	pthread_t thread;
	bool has_thread;
	uint64_t port_exits, mmio_exits; /* written by its thread alone */
};

/**
 * struct vcpus - all processors of a machine
 * @list:	processors
 * @list_len:	their number
 * @run_bytes:	size of the memory shared with KVM for each
 * @ops:	who answers the guest
 * @ctx:	for @ops
 * @event_fd:	readable when all have parked for a pause, or one cannot go on
 * @filter:	of the calls that threads may make, if they are @confined
 * @confined:	they are
 * @lock:	guards what follows
 * @changed:	@want_run or @leave has changed
 * @want_run:	they are to run
 * @pausing:	they have been asked to park
 * @leave:	the threads are to end
 * @parked:	how many wait
 * @stop:	the first reason why one cannot go on
 * @failure:	more about VCPU_FAILED
 */
struct vcpus {
	struct vcpu *list;
	unsigned list_len;
	size_t run_bytes;
	const struct vcpu_ops *ops;
	void *ctx;
	int event_fd;
	struct seccomp_filter filter;
	bool confined;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool want_run, pausing, leave;
	unsigned parked;
	enum vcpu_stop stop;
	struct err failure;
};

/* The system calls of a processor's thread. */
extern const struct confine_list vcpu_calls;

/**
 * vcpus_init() - Make the processors, without threads
 * @vcpus:	released with vcpus_done()
 * @kvm_fd:	of /dev/kvm
 * @vm_fd:	of the machine, with an in-kernel interrupt controller
 * @count:	how many
 * @err:	filled in on failure, may be NULL
 *
 * Their @ops and @ctx are set by the caller. Each has its own CPUID; the first is in the reset
 * state until vcpu_set_entry(), the others wait for the first to start them.
 *
 * Return: 0 or a negative errno.
 */
int vcpus_init(struct vcpus *vcpus, int kvm_fd, int vm_fd, unsigned count, struct err *err);

/* End the threads, if they have been started, and release everything. */
void vcpus_done(struct vcpus *vcpus);

/**
 * vcpus_start() - Make the threads; they wait for vcpus_resume()
 * @vcpus:	processors
 * @confine:	lists of the calls they may make; NULL: they are not confined
 * @confine_len: their number
 * @err:	filled in on failure, may be NULL
 *
 * A thread that cannot be confined never runs the guest: it stops as VCPU_FAILED.
 *
 * Return: 0 or a negative errno.
 */
int vcpus_start(struct vcpus *vcpus, const struct confine_list *const *confine, size_t confine_len,
		struct err *err);

/* Let them run. */
void vcpus_resume(struct vcpus *vcpus);

/* Have them park; @event_fd tells when they have. Harmless when they have already. */
void vcpus_pause(struct vcpus *vcpus);

/* True when all have parked and are to stay so. */
bool vcpus_are_parked(struct vcpus *vcpus);

/* Why they cannot go on, and (VCPU_FAILED) what happened, into @ret_failure. */
enum vcpu_stop vcpus_stop_reason(struct vcpus *vcpus, struct err *ret_failure);

/**
 * vcpu_set_entry() - Let a processor begin at an address
 * @vcpu:	processor, without a thread or parked
 * @regs:	general registers
 * @sregs:	what differs from the reset state is copied: segments, tables, control registers
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int vcpu_set_entry(const struct vcpu *vcpu, const struct kvm_regs *regs,
		   const struct kvm_sregs *sregs, struct err *err);

/* Copy the state of a parked processor out. 0 or a negative errno. */
int vcpu_save(const struct vcpu *vcpu, struct vcpu_state *ret, struct err *err);

/* Replace the state of a parked processor. 0 or a negative errno. */
int vcpu_load(const struct vcpu *vcpu, const struct vcpu_state *state, struct err *err);

#endif
