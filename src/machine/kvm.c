/* SPDX-License-Identifier: Apache-2.0
 *
 * kvm.c - the probe of /dev/kvm: a guest of one processor, two pages of tables and some bytes
 *
 * The guest starts in 64-bit mode at CODE_GPA with a 2 MiB page that maps its memory to itself.
 * It executes LOCK CMPXCHG16B, which kernels use in their memory allocator and which a KVM that
 * interprets privileged code may not know, and then writes to a port. Only the exit for that
 * write is success.
 */
#include "machine/kvm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <signal.h>
#include <unistd.h>

#include "base/fd.h"

#define GUEST_BYTES (2 * MIB)
#define PML4_GPA 0x1000
#define PDPT_GPA 0x2000
#define PD_GPA 0x3000
#define CODE_GPA 0x4000
#define DATA_GPA 0x5000 /* aligned to 16 bytes, as CMPXCHG16B demands */
#define DONE_PORT 0x10
/*
 * A KVM that works needs well below a millisecond; one under an emulator needs a few, and more
 * than 40 while all its code is still to be translated. What counts is processor time: a busy
 * host is no reason to doubt its KVM.
 */
#define RUN_LIMIT_CPU_MS 400
#define RUN_LIMIT_S 3

#define PTE_PRESENT_RW 0x3
#define PTE_LARGE 0x80
#define CR0_PE_PG_WP_NE_ET_MP 0x80010033
#define CR4_PAE_OSFXSR 0x220
#define EFER_LME_LMA 0x500

/* The guest compares rdx:rax (zero) with memory (zero) and stores rcx:rbx (zero). */
static const unsigned char guest_code[] = {
	0xf0, 0x48,	 0x0f, 0xc7, 0x0e, /* lock cmpxchg16b [rsi] */
	0xe6, DONE_PORT,		   /* out DONE_PORT, al */
	0xf4,				   /* hlt */
};

struct probe {
	int kvm_fd, vm_fd, vcpu_fd;
	unsigned char *memory;
	struct kvm_run *run;
	size_t run_bytes;
};

static void probe_done(struct probe *p)
{
	if (p->run)
		(void)munmap(p->run, p->run_bytes);
	fd_close(p->vcpu_fd);
	fd_close(p->vm_fd);
	fd_close(p->kvm_fd);
	if (p->memory)
		(void)munmap(p->memory, GUEST_BYTES);
}
DEFINE_AUTO_DONE(probe)

static int make_guest(struct probe *p, struct err *err)
{
	struct kvm_userspace_memory_region region = { .memory_size = GUEST_BYTES };
	void *map;
	int bytes;

	p->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (p->kvm_fd < 0)
		return err_sys(err, "open '/dev/kvm'");
	p->vm_fd = ioctl(p->kvm_fd, KVM_CREATE_VM, 0);
	if (p->vm_fd < 0)
		return err_sys(err, "make a guest");
	map = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return err_sys(err, "map the guest's memory");
	p->memory = map;
	region.userspace_addr = (uintptr_t)map;
	if (ioctl(p->vm_fd, KVM_SET_USER_MEMORY_REGION, &region) < 0)
		return err_sys(err, "give the guest memory");
	p->vcpu_fd = ioctl(p->vm_fd, KVM_CREATE_VCPU, 0);
	if (p->vcpu_fd < 0)
		return err_sys(err, "make a virtual processor");
	bytes = ioctl(p->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (bytes < (int)sizeof(struct kvm_run))
		return err_set(err, EIO, "the virtual processor has no state");
	map = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, p->vcpu_fd, 0);
	if (map == MAP_FAILED)
		return err_sys(err, "map the virtual processor's state");
	p->run = map;
	p->run_bytes = (size_t)bytes;

	return 0;
}

static void put_entry(unsigned char *memory, size_t table_gpa, uint64_t entry)
{
	memcpy(memory + table_gpa, &entry, sizeof(entry));
}

static int set_state(const struct probe *p, struct err *err)
{
	struct kvm_regs regs = { .rip = CODE_GPA, .rsi = DATA_GPA, .rflags = 2 };
	struct kvm_segment flat = { .limit = UINT32_MAX,
				    .present = 1,
				    .s = 1,
				    .g = 1,
				    .type = 3,
				    .db = 1,
				    .selector = 16 };
	struct kvm_sregs sregs;

	put_entry(p->memory, PML4_GPA, PDPT_GPA | PTE_PRESENT_RW);
	put_entry(p->memory, PDPT_GPA, PD_GPA | PTE_PRESENT_RW);
	put_entry(p->memory, PD_GPA, PTE_PRESENT_RW | PTE_LARGE);
	memcpy(p->memory + CODE_GPA, guest_code, sizeof(guest_code));

	if (ioctl(p->vcpu_fd, KVM_GET_SREGS, &sregs) < 0)
		return err_sys(err, "read the virtual processor's state");
	sregs.cr3 = PML4_GPA;
	sregs.cr4 = CR4_PAE_OSFXSR;
	sregs.cr0 = CR0_PE_PG_WP_NE_ET_MP;
	sregs.efer = EFER_LME_LMA;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = flat;
	flat.type = 11;
	flat.db = 0;
	flat.l = 1;
	flat.selector = 8;
	sregs.cs = flat;
	if (ioctl(p->vcpu_fd, KVM_SET_SREGS, &sregs) < 0 ||
	    ioctl(p->vcpu_fd, KVM_SET_REGS, &regs) < 0)
		return err_sys(err, "set the virtual processor's state");

	return 0;
}

static void on_alarm(int signo)
{
	(void)signo;
}

/* KVM_RUN that ends after RUN_LIMIT_CPU_MS: a signal makes it return EINTR. */
static int run_limited(const struct probe *p)
{
	static const int signals[] = { SIGPROF, SIGALRM };
	struct sigaction act = { .sa_handler = on_alarm }, old_acts[ARRAY_SIZE(signals)];
	struct itimerval cpu = { .it_value.tv_usec = RUN_LIMIT_CPU_MS * 1000 };
	struct itimerval real = { .it_value.tv_sec = RUN_LIMIT_S }, off = { 0 };
	sigset_t set, old_set;
	int r;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		(void)sigaction(signals[i], &act, &old_acts[i]);
		sigaddset(&set, signals[i]);
	}
	(void)sigprocmask(SIG_UNBLOCK, &set, &old_set);
	(void)setitimer(ITIMER_PROF, &cpu, NULL);
	(void)setitimer(ITIMER_REAL, &real, NULL);
	r = ioctl(p->vcpu_fd, KVM_RUN, 0) < 0 ? -errno : 0;
	(void)setitimer(ITIMER_PROF, &off, NULL);
	(void)setitimer(ITIMER_REAL, &off, NULL);
	(void)sigprocmask(SIG_SETMASK, &old_set, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaction(signals[i], &old_acts[i], NULL);

	return r;
}

int kvm_probe(int *ret_vm_fd, struct err *err)
{
	auto_done(probe) p = { .kvm_fd = -1, .vm_fd = -1, .vcpu_fd = -1 };
	int r = make_guest(&p, err);

	if (r == 0)
		r = set_state(&p, err);
	if (r < 0)
		return r;

	r = run_limited(&p);
	if (r < 0)
		return err_set(err, -r, "the guest did not end: %s", strerrordesc_np(-r));
	if (p.run->exit_reason != KVM_EXIT_IO || p.run->io.port != DONE_PORT)
		return err_set(err, EOPNOTSUPP,
			       "KVM cannot run an unmodified kernel (exit reason %u)",
			       p.run->exit_reason);
	if (ret_vm_fd)
		*ret_vm_fd = take_fd(p.vm_fd);

	return 0;
}
