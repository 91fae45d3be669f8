/* SPDX-License-Identifier: Apache-2.0
 *
 * vmm.c - one machine: memory, processors, interrupts, devices, and the loop that serves them
 */
#include "vmm/vmm.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/rand.h"
#include "vmm/acpi.h"
#include "vmm/boot.h"
#include "vmm/layout.h"
#include "vmm/vm_fd.h"

#define GENERATION_BYTES 16
/* For a kernel that says that it panics before it prints why: when a task of it has the console. */
#define PANIC_WORDS_NS NS_PER_SEC

/*
 * The loop, the locks, the kicks of processors (pthread_kill), and what the allocator needs when
 * the driver of a device makes it grow.
 */
static const struct confine_list loop_calls = CONFINE_LIST(
	CONFINE_ALLOW(SYS_epoll_wait), CONFINE_ALLOW(SYS_epoll_ctl), CONFINE_ALLOW(SYS_futex),
	CONFINE_ALLOW(SYS_read), CONFINE_ALLOW(SYS_write), CONFINE_ALLOW(SYS_clock_gettime),
	CONFINE_ALLOW(SYS_rt_sigprocmask), CONFINE_ALLOW(SYS_getpid), CONFINE_ALLOW(SYS_gettid),
	CONFINE_ALLOW_IF(SYS_tgkill, 2, SIGUSR1), CONFINE_ALLOW(SYS_brk),
	CONFINE_ALLOW_IF_BOTH(SYS_mmap, 2, PROT_READ | PROT_WRITE, 3, MAP_PRIVATE | MAP_ANONYMOUS),
	CONFINE_ALLOW(SYS_munmap), CONFINE_ALLOW(SYS_close), CONFINE_ALLOW(SYS_restart_syscall),
	CONFINE_ALLOW(SYS_exit_group), CONFINE_ALLOW(SYS_exit));

/* ---- what the guest does ---- */

static void end_panicked(struct vmm *vmm)
{
	const char *reason = vmm->chipset.panic.reason;

	vmm_end(vmm, VMMPROTO_END_PANIC, *reason ? reason : "the guest's kernel has not said why");
}

static void on_silence(void *ctx)
{
	end_panicked(ctx);
}

/* A kernel without a driver for the panic port may still have printed why it goes. */
static void end_with_hint(struct vmm *vmm, enum vmmproto_end why, const char *text)
{
	const char *reason = vmm->chipset.panic.reason;
	char both[VMMPROTO_TEXT_MAX + 1];

	if (vmm->panicked) {
		end_panicked(vmm);
		return;
	}
	if (*reason == '\0') {
		vmm_end(vmm, why, text);
		return;
	}
	(void)snprintf(both, sizeof(both), "%s, after it printed that its kernel panics: %s", text,
		       reason);
	vmm_end(vmm, why, both);
}

static void take_wish(struct vmm *vmm)
{
	/* It prints why, or goes on to what it does after a panic. */
	if (vmm->panicked) {
		if (vmm->chipset.panic.reason[0] || vmm->chipset.wish != CHIPSET_PANIC)
			end_panicked(vmm);
		return;
	}
	switch (vmm->chipset.wish) {
	case CHIPSET_NOTHING:
		break;
	case CHIPSET_POWER_OFF:
		vmm_end(vmm, VMMPROTO_END_POWER_OFF, "the guest has switched itself off");
		break;
	case CHIPSET_RESET:
		end_with_hint(vmm, VMMPROTO_END_RESET, "the guest has asked for a reset");
		break;
	case CHIPSET_PANIC:
		vmm->panicked = true;
		if (vmm->chipset.panic.reason[0])
			end_panicked(vmm);
		else /* the loop sees to it that this takes an end */
			fd_raise(vmm->vcpus.event_fd);
		break;
	}
}

static void on_port(void *ctx, uint16_t port, void *data, unsigned bytes, bool write)
{
	struct vmm *vmm = ctx;

	(void)pthread_mutex_lock(&vmm->lock);
	if (write) {
		if (!pci_bus_port_write(&vmm->bus, port, data, bytes))
			chipset_write(&vmm->chipset, port, data, bytes);
		take_wish(vmm);
	} else if (!pci_bus_port_read(&vmm->bus, port, data, bytes)) {
		chipset_read(&vmm->chipset, port, data, bytes);
	}
	(void)pthread_mutex_unlock(&vmm->lock);
}

static void on_mmio(void *ctx, uint64_t gpa, void *data, unsigned bytes, bool write)
{
	struct vmm *vmm = ctx;

	(void)pthread_mutex_lock(&vmm->lock);
	if (write)
		(void)pci_bus_write(&vmm->bus, gpa, data, bytes);
	else
		(void)pci_bus_read(&vmm->bus, gpa, data, bytes);
	(void)pthread_mutex_unlock(&vmm->lock);
}

static const struct vcpu_ops ops = { .port = on_port, .mmio = on_mmio };

/* ---- events ---- */

static void on_vcpus(void *ctx, uint32_t events)
{
	struct vmm *vmm = ctx;
	struct err failure;
	uint64_t count;
	char text[VMMPROTO_TEXT_MAX + 1];

	(void)events;
	(void)!read(vmm->vcpus.event_fd, &count, sizeof(count));
	switch (vcpus_stop_reason(&vmm->vcpus, &failure)) {
	case VCPU_GOES_ON:
		break;
	case VCPU_TRIPLE_FAULT:
		end_with_hint(vmm, VMMPROTO_END_TRIPLE_FAULT,
			      err_text(&failure, text, sizeof(text)));
		break;
	case VCPU_FAILED:
		vmm_end(vmm, VMMPROTO_END_FAILED, err_text(&failure, text, sizeof(text)));
		break;
	}
	if (vmm->panicked && !vmm->silence.armed)
		loop_timer_arm(&vmm->loop, &vmm->silence, clock_now_ns() + PANIC_WORDS_NS);
	if (vmm->on_parked && vcpus_are_parked(&vmm->vcpus)) {
		void (*fn)(void *) = take_ptr(vmm->on_parked);

		devices_pause(&vmm->devices, true);
		fn(vmm->on_parked_ctx);
	}
}

void vmm_end(struct vmm *vmm, enum vmmproto_end why, const char *text)
{
	if (vmm->end)
		return;
	vmm->end = why;
	err_set(&vmm->end_text, ESHUTDOWN, "%s", text);
	fd_raise(vmm->vcpus.event_fd);
}

void vmm_pause(struct vmm *vmm, void (*fn)(void *ctx), void *ctx)
{
	vmm->on_parked = fn;
	vmm->on_parked_ctx = ctx;
	vcpus_pause(&vmm->vcpus);
}

void vmm_resume(struct vmm *vmm)
{
	vmm->on_parked = NULL;
	devices_pause(&vmm->devices, false);
	vcpus_resume(&vmm->vcpus);
}

/* ---- life ---- */

/* Queues and vectors need a descriptor each: more than shells usually allow. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit);
}

int vmm_new_generation(struct vmm *vmm, struct err *err)
{
	uint8_t id[GENERATION_BYTES];
	int r;

	rand_bytes(id, sizeof(id));
	r = memory_write(&vmm->memory, GPA(LAYOUT_GENERATION), id, sizeof(id));
	if (r < 0)
		return err_set(err, -r, "write the generation");
	if (vmm->started)
		chipset_tell_generation(&vmm->chipset);

	return 0;
}

static int load_kernel(struct vmm *vmm, const struct vmmproto_config *config, struct err *err)
{
	struct boot_config boot = { .kernel_fd = config->kernel_fd,
				    .initrd_fd = config->initrd_fd,
				    .cmdline = config->cmdline,
				    .rsdp_gpa = LAYOUT_ACPI };
	struct boot_entry entry;
	int r = acpi_load(&vmm->memory, config->cpus, err);

	if (r == 0)
		r = vmm_new_generation(vmm, err);
	if (r == 0)
		r = boot_load(&vmm->memory, &boot, &entry, err);

	return r < 0 ? r : vcpu_set_entry(&vmm->vcpus.list[0], &entry.regs, &entry.sregs, err);
}

static int add_devices(struct vmm *vmm, struct vmmproto_config *config, struct err *err)
{
	struct virtio_env env = { .loop = &vmm->loop, .bus = &vmm->bus, .memory = &vmm->memory };
	int r = irq_router_init(&vmm->router, vmm->vm_fd, err);

	if (r < 0)
		return r;
	pci_bus_init(&vmm->bus, &vmm->router);
	r = chipset_init(&vmm->chipset, &vmm->router, vmm->console_fd, err);
	if (r == 0)
		r = serial_init(&vmm->serial, &vmm->loop, &vmm->chipset.uart, vmm->console_fd, err);
	if (r == 0)
		r = devices_init(&vmm->devices, &env, config, err);

	return r < 0 ? r : pci_bus_make_pages(&vmm->bus, err);
}

int vmm_init(struct vmm *vmm, struct vmmproto_config *config, struct err *err)
{
	int r;

	vmm->kvm_fd = take_fd(config->kvm_fd);
	vmm->console_fd = take_fd(config->console_fd);
	vmm->chipset = (struct chipset){ .uart_fd = -1 };
	vmm->silence = (struct loop_timer){ .fn = on_silence, .ctx = vmm };
	vmm->vm_fd = vmm->vcpus.event_fd = vmm->memory.fd = -1;
	(void)pthread_mutex_init(&vmm->lock, NULL);
	raise_descriptor_limit();
	r = memory_init(&vmm->memory, config->memory_bytes,
			config->shares_len > 0 ? MEMORY_SHARED : MEMORY_PRIVATE, -1, err);
	if (r == 0)
		r = devices_map(&vmm->memory, config, err);
	if (r < 0)
		return r;
	vmm->vm_fd = r = vm_fd_open(vmm->kvm_fd, &vmm->memory, err);
	if (r >= 0)
		r = vcpus_init(&vmm->vcpus, vmm->kvm_fd, vmm->vm_fd, config->cpus, err);
	if (r < 0)
		return r;
	vmm->vcpus.ops = &ops;
	vmm->vcpus.ctx = vmm;
	r = add_devices(vmm, config, err);
	if (r == 0)
		r = load_kernel(vmm, config, err);
	/* They are in memory: whoever takes this program over gets no files for it. */
	config->kernel_fd = fd_close(config->kernel_fd);
	config->initrd_fd = fd_close(config->initrd_fd);
	if (r < 0)
		return r;
	vmm->vcpus_source =
		(struct loop_source){ .fd = vmm->vcpus.event_fd, .fn = on_vcpus, .ctx = vmm };
	r = loop_add(&vmm->loop, &vmm->vcpus_source, EPOLLIN);

	return r < 0 ? err_set(err, -r, "watch the processors") : 0;
}

void vmm_done(struct vmm *vmm)
{
	vcpus_done(&vmm->vcpus);
	devices_done(&vmm->devices);
	serial_done(&vmm->serial);
	chipset_done(&vmm->chipset);
	pci_bus_done(&vmm->bus);
	irq_router_done(&vmm->router);
	vmm->vm_fd = fd_close(vmm->vm_fd);
	vmm->kvm_fd = fd_close(vmm->kvm_fd);
	vmm->console_fd = fd_close(vmm->console_fd);
	memory_done(&vmm->memory);
}

int vmm_start(struct vmm *vmm, const struct confine_list *calls, struct err *err)
{
	static const struct confine_list *const vcpu_lists[] = { &vcpu_calls, &uart_calls,
								 &pci_calls };
	const struct confine_list *lists[DEVICES_LISTS_MAX + 8];
	size_t n = devices_calls(&vmm->devices, lists);
	int r;

	r = vcpus_start(&vmm->vcpus, vcpu_lists, ARRAY_SIZE(vcpu_lists), err);
	if (r < 0)
		return r;
	lists[n++] = &irq_calls;
	lists[n++] = &pci_calls;
	lists[n++] = &loop_calls;
	lists[n++] = calls;
	r = confine_thread(lists, n, err);
	if (r < 0)
		return r;
	vmm->started = true;
	vcpus_resume(&vmm->vcpus);

	return 0;
}

/* Waiting happens without the lock, handling with it. */
static void on_wait(void *ctx, bool begins)
{
	struct vmm *vmm = ctx;

	if (begins)
		(void)pthread_mutex_unlock(&vmm->lock);
	else
		(void)pthread_mutex_lock(&vmm->lock);
}

int vmm_run(struct vmm *vmm, struct err *err)
{
	int r = 0;

	vmm->loop.waits = on_wait;
	vmm->loop.waits_ctx = vmm;
	(void)pthread_mutex_lock(&vmm->lock);
	while (r == 0 && !vmm->end)
		r = loop_once(&vmm->loop, -1, err);
	(void)pthread_mutex_unlock(&vmm->lock);
	vmm->loop.waits = NULL;

	return r;
}

void vmm_get_stats(const struct vmm *vmm, struct vmmproto_stats *ret)
{
	*ret = (struct vmmproto_stats){ 0 };
	for (unsigned i = 0; i < vmm->vcpus.list_len; i++) {
		const struct vcpu *vcpu = &vmm->vcpus.list[i];

		ret->port_exits += __atomic_load_n(&vcpu->port_exits, __ATOMIC_RELAXED);
		ret->mmio_exits += __atomic_load_n(&vcpu->mmio_exits, __ATOMIC_RELAXED);
	}
}
