/* SPDX-License-Identifier: Apache-2.0
 *
 * vmm.h - one machine: memory, processors, interrupts, devices, and the loop that serves them
 *
 * Theory of operation
 *
 * vmm_init() builds the machine out of descriptors; vmm_start() confines every thread and lets the
 * processors run. From then on there are the vCPU threads (vcpu.h) and the thread that called
 * vmm_start(), which runs the event loop. All state of devices is guarded by one lock, the device
 * lock: a vCPU thread takes it for each access that KVM does not handle by itself, the loop's
 * thread for each batch of events. Data never moves on a vCPU thread: doorbells are eventfds.
 *
 * A machine ends once: because the guest wants it to, because a processor cannot go on, or because
 * the starter says so or has gone. Whoever notices sets @end under the lock and wakes the loop.
 */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include <pthread.h>
#include <stdbool.h>

#include "base/err.h"
#include "loop/loop.h"
#include "vmm/chipset.h"
#include "vmm/devices.h"
#include "vmm/irq.h"
#include "vmm/memory.h"
#include "vmm/pci.h"
#include "vmm/serial.h"
#include "vmm/vcpu.h"
#include "vmmproto/vmmproto.h"

/**
 * struct vmm - a machine
 * @kvm_fd:	of /dev/kvm, owned
 * @vm_fd:	of KVM's machine, owned
 * @console_fd:	owned, or -1
 * @memory:	guest RAM
 * @router:	interrupts
 * @bus:	PCI
 * @chipset:	ports
 * @serial:	what is behind the serial port
 * @devices:	virtio
 * @vcpus:	processors
 * @vcpus_source: their event_fd
 * @loop:	events of devices, processors and the control descriptor
 * @lock:	the device lock: guards everything above but @kvm_fd, @vm_fd, @memory and @vcpus
 * @started:	vmm_start() has been called
 * @panicked:	the guest's kernel has said that it panics; it may still print why
 * @silence:	armed then: it has had time enough to
 * @on_parked:	called once all processors have parked after vmm_pause()
 * @on_parked_ctx: for it
 * @end:	0 while it lives
 * @end_text:	more about it
 */
struct vmm {
	int kvm_fd, vm_fd, console_fd;
	struct memory memory;
	struct irq_router router;
	struct pci_bus bus;
	struct chipset chipset;
	struct serial serial;
	struct devices devices;
	struct vcpus vcpus;
	struct loop_source vcpus_source;
	struct loop loop;
	pthread_mutex_t lock;
	bool started, panicked;
	struct loop_timer silence;
	void (*on_parked)(void *ctx);
	void *on_parked_ctx;
	enum vmmproto_end end;
	struct err end_text;
};

/**
 * vmm_init() - Make a machine that is ready to start
 * @vmm:	must not move any more; released with vmm_done()
 * @config:	its descriptors are taken over: those that have been are -1 afterwards
 * @err:	filled in on failure, may be NULL
 *
 * Its loop is the caller's to make before: vmm->loop.
 *
 * Return: 0 or a negative errno; vmm_done() is needed either way.
 */
int vmm_init(struct vmm *vmm, struct vmmproto_config *config, struct err *err);
void vmm_done(struct vmm *vmm);

/**
 * vmm_start() - Confine this thread and those of the processors, let the guest run
 * @vmm:	machine
 * @calls:	system calls that this thread makes for reasons of its own
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or a negative errno.
 */
int vmm_start(struct vmm *vmm, const struct confine_list *calls, struct err *err);

/* Serve the machine until it ends. 0, or a negative errno when the loop fails. */
int vmm_run(struct vmm *vmm, struct err *err);

/* Have the processors and devices stop; @fn is called from the loop once they have. */
void vmm_pause(struct vmm *vmm, void (*fn)(void *ctx), void *ctx);
/* Let them go on; a pause that is under way is forgotten, and its @fn not called. */
void vmm_resume(struct vmm *vmm);

/* It is a copy of another from now on: give it an identity of its own. 0 or a negative errno. */
int vmm_new_generation(struct vmm *vmm, struct err *err);

/* End it because of @why, unless it has ended before; with the device lock held. */
void vmm_end(struct vmm *vmm, enum vmmproto_end why, const char *text);

/* Figures since the start. */
void vmm_get_stats(const struct vmm *vmm, struct vmmproto_stats *ret);

#endif
