/* SPDX-License-Identifier: Apache-2.0
 *
 * test_vcpu.c - tiny guests on KVM: exits, interrupts, pause, state
 *
 * The guests are a few bytes of 16-bit code in real mode: any KVM can run them, also one that
 * cannot run a kernel. Where there is no /dev/kvm the tests are skipped.
 */
#include "vmm/vcpu.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "check.h"
#include "vmm/irq.h"
#include "vmm/memory.h"
#include "vmm/vm_fd.h"

#define CODE_GPA 0x1000
#define STACK_TOP 0x8000
#define COUNTER_GPA 0x3000
#define WAIT_MS 10000
#define DONE_PORT 0x10
#define VALUE_PORT 0x80 /* the interrupt controllers do not answer there */

struct access {
	uint64_t where;
	uint32_t value;
	unsigned bytes;
	bool write;
};

struct fixture {
	int kvm_fd, vm_fd;
	struct memory mem;
	struct irq_router router;
	struct vcpus vcpus;
	pthread_mutex_t lock;
	struct access seen[64];
	unsigned seen_len;
	int done_fd; /* raised by a write to DONE_PORT */
};

static void note(struct fixture *f, uint64_t where, const void *data, unsigned bytes, bool write)
{
	uint32_t value = 0;

	memcpy(&value, data, MIN(bytes, 4U));
	(void)pthread_mutex_lock(&f->lock);
	if (f->seen_len < ARRAY_SIZE(f->seen))
		f->seen[f->seen_len++] = (struct access){ where, value, bytes, write };
	(void)pthread_mutex_unlock(&f->lock);
}

static void on_port(void *ctx, uint16_t port, void *data, unsigned bytes, bool write)
{
	struct fixture *f = ctx;

	if (!write && port == VALUE_PORT)
		memset(data, 0x5a, bytes);
	note(f, port, data, bytes, write);
	if (write && port == DONE_PORT)
		fd_raise(f->done_fd);
}

static void on_mmio(void *ctx, uint64_t gpa, void *data, unsigned bytes, bool write)
{
	if (!write)
		memset(data, 0x77, bytes);
	note(ctx, gpa, data, bytes, write);
}

static const struct vcpu_ops ops = { .port = on_port, .mmio = on_mmio };

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC),
			      .vm_fd = -1,
			      .mem.fd = -1,
			      .lock = PTHREAD_MUTEX_INITIALIZER };
	*state = &f;
	if (f.kvm_fd < 0)
		return 0;
	if (memory_init(&f.mem, MEMORY_MIN_BYTES, MEMORY_PRIVATE, -1, NULL) < 0)
		return -1;
	f.vm_fd = vm_fd_open(f.kvm_fd, &f.mem, NULL);
	if (f.vm_fd < 0 || irq_router_init(&f.router, f.vm_fd, NULL) < 0)
		return -1;
	f.done_fd = eventfd(0, EFD_CLOEXEC);

	return f.done_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->vcpus.list)
		vcpus_done(&f->vcpus);
	irq_router_done(&f->router);
	fd_close(f->done_fd);
	fd_close(f->vm_fd);
	fd_close(f->kvm_fd);
	memory_done(&f->mem);

	return 0;
}

/* Processors of which the first begins with @code in real mode at CODE_GPA. */
static void make(struct fixture *f, unsigned count, const void *code, size_t bytes)
{
	struct kvm_segment data = { .limit = 0xffff, .type = 3, .present = 1, .s = 1 };
	struct kvm_segment text = { .limit = 0xffff, .type = 11, .present = 1, .s = 1 };
	struct kvm_sregs sregs = { .cs = text,
				   .ds = data,
				   .es = data,
				   .fs = data,
				   .gs = data,
				   .ss = data,
				   .tr = { .limit = 0xffff, .type = 11, .present = 1 },
				   .idt = { .limit = 0x3ff },
				   .cr0 = 0x10 };
	struct kvm_regs regs = { .rip = CODE_GPA, .rflags = 2, .rsp = STACK_TOP };

	if (f->kvm_fd < 0)
		skip();
	assert_int_equal(vcpus_init(&f->vcpus, f->kvm_fd, f->vm_fd, count, NULL), 0);
	f->vcpus.ops = &ops;
	f->vcpus.ctx = f;
	assert_int_equal(memory_write(&f->mem, GPA(CODE_GPA), code, bytes), 0);
	assert_int_equal(vcpu_set_entry(&f->vcpus.list[0], &regs, &sregs, NULL), 0);
}

static void go(struct fixture *f)
{
	assert_int_equal(vcpus_start(&f->vcpus, NULL, 0, NULL), 0);
	vcpus_resume(&f->vcpus);
}

static void wait_for(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t count;

	assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
	assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
}

/* Pause and wait until they have parked. */
static void stop_all(struct fixture *f)
{
	vcpus_pause(&f->vcpus);
	while (!vcpus_are_parked(&f->vcpus))
		wait_for(f->vcpus.event_fd);
}

/* Wait until the guest has changed its counter. */
static void wait_progress(const struct fixture *f, uint32_t before)
{
	int64_t deadline_ns = clock_now_ns() + WAIT_MS * NS_PER_MS;
	uint32_t now = before;

	while (now == before) {
		assert_true(clock_now_ns() < deadline_ns);
		assert_int_equal(memory_read(&f->mem, GPA(COUNTER_GPA), &now, sizeof(now)), 0);
	}
}

static void wait_stopped(struct fixture *f, enum vcpu_stop why)
{
	struct err failure;

	while (vcpus_stop_reason(&f->vcpus, &failure) == VCPU_GOES_ON)
		wait_for(f->vcpus.event_fd);
	assert_int_equal(vcpus_stop_reason(&f->vcpus, &failure), why);
}

static void test_ports(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = {
		0xe4, VALUE_PORT,		      /* in al, VALUE_PORT */
		0xe6, VALUE_PORT + 1,		      /* out VALUE_PORT + 1, al */
		0x66, 0xe5,	      VALUE_PORT,     /* in eax, VALUE_PORT */
		0x66, 0xe7,	      VALUE_PORT + 1, /* out VALUE_PORT + 1, eax */
		0xe5, 0x99,			      /* in ax, 0x99, which nobody answers */
		0xe7, VALUE_PORT + 1,		      /* out VALUE_PORT + 1, ax */
		0xe6, DONE_PORT,      0xf4,
	};

	make(f, 1, code, sizeof(code));
	go(f);
	wait_for(f->done_fd);
	assert_int_equal(f->seen[1].where, VALUE_PORT + 1);
	assert_int_equal(f->seen[1].value, 0x5a);
	assert_int_equal(f->seen[1].bytes, 1);
	assert_int_equal(f->seen[3].value, 0x5a5a5a5a);
	assert_int_equal(f->seen[3].bytes, 4);
	assert_int_equal(f->seen[5].value, 0xffff);
	assert_int_equal(f->vcpus.list[0].port_exits, 7);
}

/* String output is one exit with a count. */
static void test_string_output(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = {
		0xbe, 0x00,	  0x30, /* mov si, COUNTER_GPA */
		0xb9, 0x05,	  0x00, /* mov cx, 5 */
		0xba, VALUE_PORT, 0x00, /* mov dx, VALUE_PORT */
		0xfc, 0xf3,	  0x6e, /* cld; rep outsb */
		0xe6, DONE_PORT,  0xf4,
	};

	make(f, 1, code, sizeof(code));
	assert_int_equal(memory_write(&f->mem, GPA(COUNTER_GPA), "hello", 5), 0);
	go(f);
	wait_for(f->done_fd);
	assert_int_equal(f->seen_len, 6);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(f->seen[i].value, "hello"[i]);
}

/* Addresses of devices are reached through a segment that begins there. */
static void test_mmio(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = {
		0x64, 0xa0,	 0x10, 0x00, /* mov al, fs:[0x10] */
		0x64, 0xa2,	 0x20, 0x00, /* mov fs:[0x20], al */
		0xe6, DONE_PORT, 0xf4,
	};
	struct kvm_sregs sregs;

	make(f, 1, code, sizeof(code));
	assert_int_equal(ioctl(f->vcpus.list[0].fd, KVM_GET_SREGS, &sregs), 0);
	sregs.fs.base = 0xd0000000;
	assert_int_equal(ioctl(f->vcpus.list[0].fd, KVM_SET_SREGS, &sregs), 0);
	go(f);
	wait_for(f->done_fd);
	assert_int_equal(f->seen[0].where, 0xd0000010);
	assert_false(f->seen[0].write);
	assert_int_equal(f->seen[1].where, 0xd0000020);
	assert_int_equal(f->seen[1].value, 0x77);
	assert_true(f->seen[1].write);
	assert_int_equal(f->vcpus.list[0].mmio_exits, 2);
}

/* No page is mapped, not even that of a handler of page faults. */
static void test_triple_fault(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = { 0xf4 };
	struct kvm_sregs sregs;

	make(f, 1, code, sizeof(code));
	assert_int_equal(ioctl(f->vcpus.list[0].fd, KVM_GET_SREGS, &sregs), 0);
	sregs.cr0 |= 0x80000001;
	sregs.cr3 = COUNTER_GPA;
	sregs.idt.limit = 0;
	assert_int_equal(ioctl(f->vcpus.list[0].fd, KVM_SET_SREGS, &sregs), 0);
	go(f);
	wait_stopped(f, VCPU_TRIPLE_FAULT);
	/* It counts as parked from then on, whatever is wished. */
	stop_all(f);
	vcpus_resume(&f->vcpus);
	stop_all(f);
}

/* A loop that never leaves the guest is stopped all the same, and goes on where it was. */
static void test_pause(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = {
		0x66, 0xff, 0x06, 0x00, 0x30, /* inc dword [COUNTER_GPA] */
		0xeb, 0xf9,		      /* jmp to it */
	};
	uint32_t a, b;

	make(f, 1, code, sizeof(code));
	go(f);
	for (int round = 0; round < 20; round++) {
		stop_all(f);
		assert_int_equal(memory_read(&f->mem, GPA(COUNTER_GPA), &a, sizeof(a)), 0);
		assert_int_equal(memory_read(&f->mem, GPA(COUNTER_GPA), &b, sizeof(b)), 0);
		assert_int_equal(a, b);
		vcpus_resume(&f->vcpus);
		wait_progress(f, a);
	}
}

/* Pausing amid port accesses loses none of them. */
static void test_pause_amid_exits(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = {
		0xe4, VALUE_PORT,		    /* in al, VALUE_PORT */
		0x3c, 0x5a,			    /* cmp al, 0x5a */
		0x75, 0x07,			    /* jne bad */
		0x66, 0xff,	  0x06, 0x00, 0x30, /* inc dword [COUNTER_GPA] */
		0xeb, 0xf3,			    /* jmp to the start */
		0xe6, DONE_PORT,  0xf4,		    /* bad: */
	};
	struct pollfd pfd = { .events = POLLIN };
	uint64_t exits;
	uint32_t count;

	make(f, 1, code, sizeof(code));
	go(f);
	for (int round = 0; round < 50; round++) {
		stop_all(f);
		/* All accesses but the one that may have been completed just now are counted. */
		assert_int_equal(memory_read(&f->mem, GPA(COUNTER_GPA), &count, sizeof(count)), 0);
		exits = f->vcpus.list[0].port_exits;
		assert_in_range(exits - count, 0, 1);
		vcpus_resume(&f->vcpus);
		wait_progress(f, count);
	}
	pfd.fd = f->done_fd;
	assert_int_equal(poll(&pfd, 1, 0), 0);
}

/* The state of one machine continues in another. */
static void test_state(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = {
		0xbb, 0x34,	      0x12, /* mov bx, 0x1234 */
		0xe6, DONE_PORT,	    /* out DONE_PORT, al */
		0xeb, 0xfe,		    /* wait to be stopped: jmp to itself */
		0x89, 0xd8,		    /* mov ax, bx */
		0xe7, VALUE_PORT + 1,	    /* out VALUE_PORT + 1, ax */
		0xe6, DONE_PORT,      0xf4,
	};
	struct vcpu_state *saved = calloc(1, sizeof(*saved)), *again = calloc(1, sizeof(*again));

	make(f, 1, code, sizeof(code));
	go(f);
	wait_for(f->done_fd);
	stop_all(f);
	assert_int_equal(vcpu_save(&f->vcpus.list[0], saved, NULL), 0);
	assert_int_equal(saved->regs.rip, CODE_GPA + 5);
	vcpus_done(&f->vcpus);
	fd_close(f->vm_fd);
	f->vm_fd = vm_fd_open(f->kvm_fd, &f->mem, NULL);
	assert_true(f->vm_fd >= 0);

	saved->regs.rip += 2;
	f->seen_len = 0;
	make(f, 1, code, sizeof(code));
	assert_int_equal(vcpu_load(&f->vcpus.list[0], saved, NULL), 0);
	assert_int_equal(vcpu_save(&f->vcpus.list[0], again, NULL), 0);
	assert_memory_equal(&saved->regs, &again->regs, sizeof(saved->regs));
	assert_memory_equal(&saved->lapic, &again->lapic, sizeof(saved->lapic));
	assert_int_equal(saved->msrs_len, again->msrs_len);
	go(f);
	wait_for(f->done_fd);
	assert_int_equal(f->seen[0].where, VALUE_PORT + 1);
	assert_int_equal(f->seen[0].value, 0x1234);
	free(saved);
	free(again);
}

/* The others wait for the first to start them, and can be stopped while they wait. */
static void test_several(void **state)
{
	struct fixture *f = *state;
	static const uint8_t code[] = { 0xe6, DONE_PORT, 0xeb, 0xfe };

	make(f, 4, code, sizeof(code));
	go(f);
	wait_for(f->done_fd);
	stop_all(f);
	for (unsigned i = 1; i < 4; i++)
		assert_int_equal(f->vcpus.list[i].port_exits, 0);
	vcpus_resume(&f->vcpus);
	stop_all(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ports), TEST(test_string_output),    TEST(test_mmio),
		TEST(test_pause), TEST(test_pause_amid_exits), TEST(test_triple_fault),
		TEST(test_state), TEST(test_several),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
