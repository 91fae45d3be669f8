/* SPDX-License-Identifier: Apache-2.0
 *
 * vcpu.c - virtual processors: a thread each that runs the guest and hands its exits over
 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "vmm/cpuid.h"
#include "vmm/irq.h"

#define KICK_SIGNAL SIGUSR1
#define STACK_BYTES (64 * KIB)
#define MSR_IA32_MISC_ENABLE 0x1a0
#define MISC_ENABLE_FAST_STRING 1

/* KVM_RUN; the mutexes; the eventfd of vcpus; the kick's return and the thread's end. */
const struct confine_list vcpu_calls = CONFINE_LIST(
	CONFINE_ALLOW_IF(SYS_ioctl, 1, KVM_RUN), CONFINE_ALLOW(SYS_futex), CONFINE_ALLOW(SYS_write),
	CONFINE_ALLOW(SYS_rt_sigreturn), CONFINE_ALLOW(SYS_rt_sigprocmask),
	CONFINE_ALLOW_IF(SYS_madvise, 2, MADV_DONTNEED), CONFINE_ALLOW(SYS_exit),
	CONFINE_ALLOW(SYS_exit_group), CONFINE_ALLOW(SYS_restart_syscall));

/* ---- set-up ---- */

static int set_cpuid(const struct vcpus *vcpus, int kvm_fd, struct err *err)
{
	auto_free struct kvm_cpuid2 *cpuid = NULL;
	int r = cpuid_get_supported(kvm_fd, &cpuid, err);

	for (unsigned i = 0; i < vcpus->list_len && r == 0; i++) {
		cpuid_for_vcpu(cpuid, i, vcpus->list_len);
		if (ioctl(vcpus->list[i].fd, KVM_SET_CPUID2, cpuid) < 0)
			r = err_sys(err, "set the features of processor %u", i);
	}

	return r;
}

/* Firmware would have switched this on; without it string moves are slow. */
static int set_msrs(const struct vcpu *vcpu, struct err *err)
{
	union vcpu_one_msr msr = { .list.nmsrs = 1 };

	msr.list.entries[0] = (struct kvm_msr_entry){ .index = MSR_IA32_MISC_ENABLE,
						      .data = MISC_ENABLE_FAST_STRING };

	return ioctl(vcpu->fd, KVM_SET_MSRS, &msr) < 0 ? err_sys(err, "set MSRs") : 0;
}

static int make_vcpu(struct vcpus *vcpus, int vm_fd, unsigned index, struct err *err)
{
	struct vcpu *vcpu = &vcpus->list[index];
	void *map;

	vcpu->all = vcpus;
	vcpu->index = index;
	vcpu->fd = ioctl(vm_fd, KVM_CREATE_VCPU, (unsigned long)index);
	if (vcpu->fd < 0)
		return err_sys(err, "make processor %u", index);
	map = mmap(NULL, vcpus->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	if (map == MAP_FAILED)
		return err_sys(err, "map the state of processor %u", index);
	vcpu->run = map;

	return 0;
}

int vcpus_init(struct vcpus *vcpus, int kvm_fd, int vm_fd, unsigned count, struct err *err)
{
	int bytes = ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0), r = 0;

	*vcpus = (struct vcpus){ .event_fd = -1,
				 .lock = PTHREAD_MUTEX_INITIALIZER,
				 .changed = PTHREAD_COND_INITIALIZER };
	if (bytes < (int)sizeof(struct kvm_run))
		return err_set(err, EIO, "KVM has no state of processors");
	vcpus->run_bytes = (size_t)bytes;
	vcpus->list = calloc(count, sizeof(*vcpus->list));
	if (!vcpus->list)
		return err_set(err, ENOMEM, "out of memory");
	vcpus->list_len = count;
	for (unsigned i = 0; i < count; i++)
		vcpus->list[i].fd = -1;
	vcpus->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vcpus->event_fd < 0)
		r = err_sys(err, "make an eventfd");
	for (unsigned i = 0; i < count && r == 0; i++)
		r = make_vcpu(vcpus, vm_fd, i, err);
	if (r == 0)
		r = set_cpuid(vcpus, kvm_fd, err);
	for (unsigned i = 0; i < count && r == 0; i++)
		r = set_msrs(&vcpus->list[i], err);
	if (r < 0)
		vcpus_done(vcpus);

	return r;
}

int vcpu_set_entry(const struct vcpu *vcpu, const struct kvm_regs *regs,
		   const struct kvm_sregs *sregs, struct err *err)
{
	struct kvm_sregs now;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &now) < 0)
		return err_sys(err, "read the processor's state");
	now.cs = sregs->cs;
	now.ds = sregs->ds;
	now.es = sregs->es;
	now.fs = sregs->fs;
	now.gs = sregs->gs;
	now.ss = sregs->ss;
	now.tr = sregs->tr;
	now.gdt = sregs->gdt;
	now.idt = sregs->idt;
	now.cr0 = sregs->cr0;
	now.cr3 = sregs->cr3;
	now.cr4 = sregs->cr4;
	now.efer = sregs->efer;
	if (ioctl(vcpu->fd, KVM_SET_SREGS, &now) < 0 || ioctl(vcpu->fd, KVM_SET_REGS, regs) < 0)
		return err_sys(err, "set the processor's state");

	return 0;
}

/* ---- a processor's thread ---- */

static void tell(const struct vcpus *vcpus)
{
	fd_raise(vcpus->event_fd);
}

static void stop_with(struct vcpus *all, enum vcpu_stop why, const struct err *failure)
{
	(void)pthread_mutex_lock(&all->lock);
	if (all->stop == VCPU_GOES_ON) {
		all->stop = why;
		all->failure = *failure;
	}
	(void)pthread_mutex_unlock(&all->lock);
	tell(all);
}

static void stop(const struct vcpu *vcpu, enum vcpu_stop why, int code, const char *text)
{
	struct err failure = ERR_INIT;

	err_set(&failure, code, "processor %u: %s", vcpu->index, text);
	stop_with(vcpu->all, why, &failure);
}

static void handle_port(struct vcpu *vcpu)
{
	const struct kvm_run *run = vcpu->run;
	uint8_t *data = (uint8_t *)vcpu->run + run->io.data_offset;
	bool write = run->io.direction == KVM_EXIT_IO_OUT;

	for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size) {
		if (!write)
			memset(data, 0xff, run->io.size);
		vcpu->all->ops->port(vcpu->all->ctx, run->io.port, data, run->io.size, write);
	}
}

static void handle_mmio(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (!run->mmio.is_write)
		memset(run->mmio.data, 0xff, sizeof(run->mmio.data));
	vcpu->all->ops->mmio(vcpu->all->ctx, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
			     run->mmio.is_write);
}

/* False when it cannot go on. */
static bool handle_exit(struct vcpu *vcpu)
{
	char text[96];

	switch (vcpu->run->exit_reason) {
	case KVM_EXIT_IO:
		vcpu->port_exits++;
		handle_port(vcpu);
		return true;
	case KVM_EXIT_MMIO:
		vcpu->mmio_exits++;
		handle_mmio(vcpu);
		return true;
	case KVM_EXIT_SHUTDOWN:
		stop(vcpu, VCPU_TRIPLE_FAULT, EFAULT, "a fault that it could not handle");
		return false;
	case KVM_EXIT_INTERNAL_ERROR:
		(void)snprintf(text, sizeof(text), "KVM cannot execute an instruction (%u)",
			       vcpu->run->internal.suberror);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		(void)snprintf(
			text, sizeof(text), "KVM cannot enter the guest (%#llx)",
			(unsigned long long)vcpu->run->fail_entry.hardware_entry_failure_reason);
		break;
	default:
		(void)snprintf(text, sizeof(text), "KVM stopped it (%u)", vcpu->run->exit_reason);
		break;
	}
	stop(vcpu, VCPU_FAILED, EIO, text);

	return false;
}

/* Wait until it may run. False when the thread is to end. */
static bool park(struct vcpu *vcpu, bool for_ever)
{
	struct vcpus *all = vcpu->all;
	bool leave;

	(void)pthread_mutex_lock(&all->lock);
	all->parked++;
	if (all->parked == all->list_len && all->pausing)
		tell(all);
	while (!all->leave && (for_ever || !all->want_run))
		(void)pthread_cond_wait(&all->changed, &all->lock);
	leave = all->leave;
	if (!leave) {
		all->parked--;
		/* A later wish to pause sets it again, under the lock. */
		vcpu->run->immediate_exit = 0;
	}
	(void)pthread_mutex_unlock(&all->lock);

	return !leave;
}

static void run(struct vcpu *vcpu)
{
	bool able = true;

	while (park(vcpu, !able)) {
		while (able) {
			if (ioctl(vcpu->fd, KVM_RUN, 0) == 0) {
				able = handle_exit(vcpu);
			} else if (errno == EINTR) {
				/* A kick for an earlier wish may come late. */
				if (__atomic_load_n(&vcpu->run->immediate_exit, __ATOMIC_ACQUIRE))
					break;
			} else if (errno != EAGAIN) {
				stop(vcpu, VCPU_FAILED, errno, strerrordesc_np(errno));
				able = false;
			}
		}
	}
}

static void *thread_main(void *arg)
{
	struct vcpu *vcpu = arg;
	struct vcpus *all = vcpu->all;
	struct err err = ERR_INIT;
	int r = 0;

	/* From here on the thread may not even give memory back. */
	if (all->confined)
		r = seccomp_apply(&all->filter, &err);
	if (r == 0)
		run(vcpu);
	else
		stop_with(all, VCPU_FAILED, &err);

	return NULL;
}

static void on_kick(int signo)
{
	(void)signo;
}

static int start_thread(struct vcpu *vcpu, struct err *err)
{
	pthread_attr_t attr;
	int r;

	(void)pthread_attr_init(&attr);
	(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
	r = pthread_create(&vcpu->thread, &attr, thread_main, vcpu);
	(void)pthread_attr_destroy(&attr);
	if (r != 0)
		return err_set(err, r, "start the thread of processor %u", vcpu->index);
	vcpu->has_thread = true;

	return 0;
}

int vcpus_start(struct vcpus *vcpus, const struct confine_list *const *confine, size_t confine_len,
		struct err *err)
{
	struct sigaction act = { .sa_handler = on_kick };
	int r = 0;

	if (sigaction(KICK_SIGNAL, &act, NULL) < 0)
		return err_sys(err, "handle the kick");
	if (confine)
		r = confine_compile(confine, confine_len, &vcpus->filter, err);
	vcpus->confined = confine != NULL;
	for (unsigned i = 0; i < vcpus->list_len && r == 0; i++)
		r = start_thread(&vcpus->list[i], err);

	return r;
}

/* ---- from outside ---- */

void vcpus_resume(struct vcpus *vcpus)
{
	(void)pthread_mutex_lock(&vcpus->lock);
	vcpus->want_run = true;
	vcpus->pausing = false;
	(void)pthread_mutex_unlock(&vcpus->lock);
	/* Not before: a thread that wakes up wants the lock. */
	(void)pthread_cond_broadcast(&vcpus->changed);
}

static void kick_all(struct vcpus *vcpus)
{
	for (unsigned i = 0; i < vcpus->list_len; i++) {
		struct vcpu *vcpu = &vcpus->list[i];

		if (!vcpu->has_thread)
			continue;
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_RELEASE);
		(void)pthread_kill(vcpu->thread, KICK_SIGNAL);
	}
}

void vcpus_pause(struct vcpus *vcpus)
{
	(void)pthread_mutex_lock(&vcpus->lock);
	vcpus->want_run = false;
	vcpus->pausing = true;
	if (vcpus->parked == vcpus->list_len)
		tell(vcpus);
	else
		kick_all(vcpus);
	(void)pthread_mutex_unlock(&vcpus->lock);
}

bool vcpus_are_parked(struct vcpus *vcpus)
{
	bool parked;

	(void)pthread_mutex_lock(&vcpus->lock);
	parked = !vcpus->want_run && vcpus->parked == vcpus->list_len;
	(void)pthread_mutex_unlock(&vcpus->lock);

	return parked;
}

enum vcpu_stop vcpus_stop_reason(struct vcpus *vcpus, struct err *ret_failure)
{
	enum vcpu_stop why;

	(void)pthread_mutex_lock(&vcpus->lock);
	why = vcpus->stop;
	*ret_failure = vcpus->failure;
	(void)pthread_mutex_unlock(&vcpus->lock);

	return why;
}

void vcpus_done(struct vcpus *vcpus)
{
	(void)pthread_mutex_lock(&vcpus->lock);
	vcpus->leave = true;
	vcpus->want_run = false;
	kick_all(vcpus);
	(void)pthread_cond_broadcast(&vcpus->changed);
	(void)pthread_mutex_unlock(&vcpus->lock);
	for (unsigned i = 0; i < vcpus->list_len; i++) {
		struct vcpu *vcpu = &vcpus->list[i];

		if (vcpu->has_thread)
			(void)pthread_join(vcpu->thread, NULL);
		if (vcpu->run)
			(void)munmap(vcpu->run, vcpus->run_bytes);
		fd_close(vcpu->fd);
	}
	free(vcpus->list);
	vcpus->list = NULL;
	vcpus->list_len = 0;
	vcpus->event_fd = fd_close(vcpus->event_fd);
	seccomp_filter_done(&vcpus->filter);
}
