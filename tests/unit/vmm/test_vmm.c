/* SPDX-License-Identifier: Apache-2.0
 *
 * test_vmm.c - whole machines, confined, driven over the control socket as hull-monitor does
 *
 * The hypervisor is a child of the test; its kernels are a few bytes of 32-bit code behind a PVH
 * note. Where there is no /dev/kvm the tests are skipped.
 */
#include "vmm/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "check.h"
#include "tiny_kernel.h"
#include "vmm/layout.h"

#define WAIT_MS 20000

struct fixture {
	int control_fd, console_fd, port_fd; /* our ends */
	pid_t pid;
	uint32_t seq;
	struct vmmproto_msg end;
	bool ended;
};

/* ---- the starter's part ---- */

static void take(struct fixture *f, struct vmmproto_msg *ret)
{
	struct pollfd pfd = { .fd = f->control_fd, .events = POLLIN };
	uint8_t packet[2048];
	ssize_t n;

	assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
	n = recv(f->control_fd, packet, sizeof(packet), 0);
	assert_true(n > 0);
	*ret = (struct vmmproto_msg){ 0 };
	assert_int_equal(vmmproto_decode(packet, (size_t)n, ret), 0);
}

static void say(struct fixture *f, struct vmmproto_msg *msg)
{
	auto_free uint8_t *packet = malloc(VMMPROTO_PACKET_MAX_BYTES);
	int n;

	msg->seq = ++f->seq;
	n = vmmproto_encode(msg, packet, VMMPROTO_PACKET_MAX_BYTES);
	assert_true(n > 0);
	assert_int_equal(send(f->control_fd, packet, (size_t)n, MSG_NOSIGNAL), n);
}

/* Returns the answer's code; the whole answer into @ret unless it is NULL. */
static uint32_t ask(struct fixture *f, enum vmmproto_type type, struct vmmproto_msg *ret)
{
	struct vmmproto_msg msg = { .type = type }, answer;

	say(f, &msg);
	for (;;) {
		take(f, &answer);
		if (answer.type == VMMPROTO_REPLY)
			break;
		f->end = answer;
		f->ended = true;
	}
	assert_int_equal(answer.seq, f->seq);
	if (ret)
		*ret = answer;

	return answer.code;
}

static void wait_end(struct fixture *f, enum vmmproto_end why)
{
	if (!f->ended)
		take(f, &f->end);
	assert_int_equal(f->end.type, VMMPROTO_END);
	assert_int_equal(f->end.end, why);
	assert_true(strlen(f->end.text) > 0);
}

/* The console says @text within the time limit. */
static void expect_console(struct fixture *f, const char *text)
{
	char buf[64] = "";
	size_t have = 0, want = strlen(text);

	while (have < want) {
		struct pollfd pfd = { .fd = f->console_fd, .events = POLLIN };
		ssize_t n;

		assert_int_equal(poll(&pfd, 1, WAIT_MS), 1);
		n = read(f->console_fd, buf + have, want - have);
		assert_true(n > 0);
		have += (size_t)n;
	}
	assert_string_equal(buf, text);
}

/* ---- the hypervisor's part ---- */

static NORETURN void be_hypervisor(int control_fd)
{
	struct control *control = calloc(1, sizeof(*control));

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	_exit(control && control_serve(control, control_fd, NULL) == 0 ? 0 : 125);
}

static void configure(struct fixture *f, struct vmmproto_config *config, const void *text,
		      size_t len)
{
	struct vmmproto_msg msg = { .type = VMMPROTO_CONFIG, .config = config };
	int control_fds[2], console_fds[2], port_fds[2];

	config->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (config->kvm_fd < 0) {
		print_message("skipped: there is no /dev/kvm\n");
		skip();
	}
#if defined(__SANITIZE_ADDRESS__)
	fd_close(config->kvm_fd);
	print_message("skipped: the sanitizer makes system calls that the filter refuses\n");
	skip();
#endif
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control_fds), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port_fds), 0);
	assert_int_equal(pipe2(console_fds, O_CLOEXEC), 0);
	config->kernel_fd = text ? tiny_kernel(text, len) : memfd_create("empty", MFD_CLOEXEC);
	config->initrd_fd = -1;
	config->console_fd = console_fds[1];
	config->ports_len = 1;
	config->ports[0].fd = port_fds[1];
	config->memory_bytes = 64 * MIB;
	config->disks_len = 1;
	config->disks[0] =
		(struct vmmproto_disk){ .fd = memfd_create("disk", MFD_CLOEXEC), .serial = "d" };
	assert_int_equal(ftruncate(config->disks[0].fd, (off_t)MIB), 0);
	(void)snprintf(config->ports[0].name, sizeof(config->ports[0].name), "port");
	f->pid = fork();
	if (f->pid == 0) {
		fd_close(control_fds[0]);
		be_hypervisor(control_fds[1]);
	}
	f->control_fd = control_fds[0];
	f->console_fd = console_fds[0];
	f->port_fd = port_fds[0];
	say(f, &msg);
	fd_close(control_fds[1]);
	fd_close(console_fds[1]);
	fd_close(port_fds[1]);
	fd_close(config->kvm_fd);
	fd_close(config->kernel_fd);
	fd_close(config->disks[0].fd);
}

/* A machine that runs @text on @cpus processors. */
static void run(struct fixture *f, unsigned cpus, const void *text, size_t len)
{
	static struct vmmproto_config
		config; /* large, and a test that is skipped leaves by a jump */
	struct vmmproto_msg answer;

	config = (struct vmmproto_config){ .cpus = cpus };
	configure(f, &config, text, len);
	take(f, &answer);
	assert_string_equal(answer.text, "");
	assert_int_equal(answer.code, 0);
	assert_int_equal(ask(f, VMMPROTO_START, NULL), 0);
}

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .control_fd = -1, .console_fd = -1, .port_fd = -1 };
	*state = &f;

	return 0;
}

/* Every machine ends when we go, whatever it does. */
static int teardown(void **state)
{
	struct fixture *f = *state;
	int wstatus = 0;

	fd_close(f->control_fd);
	fd_close(f->console_fd);
	fd_close(f->port_fd);
	if (f->pid > 0 && waitpid(f->pid, &wstatus, 0) != f->pid)
		return -1;

	/* A signal would be a call that is not listed. */
	return WIFEXITED(wstatus) ? 0 : -1;
}

static void test_power_off(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0x66, 0xba, 0x00, 0x06, /* mov dx, 0x600 */
		0xb0, 0x34, 0xee,	/* mov al, 0x34; out dx, al */
		0xeb, 0xfe,		/* jmp to itself */
	};

	run(f, 1, text, sizeof(text));
	wait_end(f, VMMPROTO_END_POWER_OFF);
}

static void test_reset(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = { 0x66, 0xba, 0x02, 0x06, 0xb0, 0x01, 0xee, 0xeb, 0xfe };

	run(f, 1, text, sizeof(text));
	wait_end(f, VMMPROTO_END_RESET);
}

/* Configuration space by ports; the address is no write to the reset register among them, 0xcf9. */
static void test_pci_ports(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0x66, 0xba, 0xf8, 0x0c,	      /* mov dx, 0xcf8 */
		0xb8, 0x00, 0x04, 0x00, 0x80, /* mov eax, 0x80000400 */
		0xef,			      /* out dx, eax: a function that does not exist */
		0xb8, 0x00, 0x00, 0x00, 0x80, /* mov eax, 0x80000000 */
		0xef,			      /* out dx, eax: the host bridge */
		0x66, 0xba, 0xfc, 0x0c, 0xed, /* mov dx, 0xcfc; in eax, dx */
		0x66, 0xba, 0xf8, 0x03, 0xee, /* mov dx, 0x3f8; out dx, al */
		0x66, 0xba, 0x00, 0x06,	      /* mov dx, 0x600 */
		0xb0, 0x34, 0xee,	      /* mov al, 0x34; out dx, al */
		0xeb, 0xfe,		      /* jmp to itself */
	};

	run(f, 1, text, sizeof(text));
	wait_end(f, VMMPROTO_END_POWER_OFF);
	expect_console(f, "6"); /* the low byte of its vendor, 0x1b36 */
}

/* By the way of last resort: real mode, and a jump to where firmware would be. */
static void test_reset_vector(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0x0f, 0x01, 0x15, 0x30, 0x00, 0x10, 0x00,    /* lgdt [0x100030] */
		0xea, 0x0e, 0x00, 0x00, 0x00, 0x08, 0x00,    /* jmp 8:0xe, in 16 bits from there */
		0x0f, 0x20, 0xc0, 0x24, 0xfe,		     /* mov eax, cr0; and al, 0xfe */
		0x0f, 0x22, 0xc0,			     /* mov cr0, eax */
		0xea, 0x00, 0x00, 0xff, 0xff,		     /* jmp 0xffff:0 */
		0x90, 0x90, 0x90, 0x90, 0x90,		     /* up to 0x20 */
		0,    0,    0,	  0,	0,    0,    0,	  0, /* the table: no segment, then ... */
		0xff, 0xff, 0,	  0,	0x10, 0x9a, 0,	  0, /* ... code at 0x100000 */
		0x0f, 0x00, 0x20, 0x00, 0x10, 0x00,	     /* 0x30: where the table is */
	};

	run(f, 1, text, sizeof(text));
	wait_end(f, VMMPROTO_END_RESET);
}

static void test_triple_fault(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0x0f, 0x20, 0xc0,	      /* mov eax, cr0 */
		0x0d, 0x00, 0x00, 0x00, 0x80, /* or eax, paging */
		0x0f, 0x22, 0xc0,	      /* mov cr0, eax: nothing is mapped */
		0x90, 0xeb, 0xfe,
	};

	run(f, 1, text, sizeof(text));
	wait_end(f, VMMPROTO_END_TRIPLE_FAULT);
}

/* Prints why it panics and then writes @value to port @port. */
static void run_panic(struct fixture *f, uint8_t port_low, uint8_t value)
{
	uint8_t text[64] = {
		0x66, 0xba,  0xf8,     0x03,	   /* mov dx, 0x3f8 */
		0xbe, 0x19,  0x00,     0x10, 0x00, /* mov esi, the text */
		0xb9, 0x1e,  0x00,     0x00, 0x00, /* mov ecx, its length */
		0xf3, 0x6e,			   /* rep outsb */
		0x66, 0xba,  port_low, 0x06,	   /* mov dx, port */
		0xb0, value, 0xee,		   /* mov al, value; out dx, al */
		0xeb, 0xfe,
	};

	memcpy(text + 0x19, "Kernel panic - not syncing: x\n", 0x1e);
	run(f, 1, text, sizeof(text));
}

static void test_panic(void **state)
{
	struct fixture *f = *state;

	run_panic(f, LAYOUT_PANIC & 0xff, 1);
	wait_end(f, VMMPROTO_END_PANIC);
	assert_string_equal(f->end.text, "x");
}

/*
 * One that could not print at first, another task of it having the console: it says that it panics,
 * then prints @text, which follows the code up to a NUL, and resets.
 */
static void run_late_panic(struct fixture *f, const char *words)
{
	uint8_t text[64] = {
		0x66, 0xba, 0x03, 0x06,	      /* mov dx, 0x603 */
		0xb0, 0x01, 0xee,	      /* mov al, 1; out dx, al */
		0x66, 0xba, 0xf8, 0x03,	      /* mov dx, 0x3f8 */
		0xbe, 0x21, 0x00, 0x10, 0x00, /* mov esi, the text */
		0xac,			      /* again: lodsb */
		0x84, 0xc0,		      /* test al, al */
		0x74, 0x03,		      /* jz on */
		0xee, 0xeb, 0xf8,	      /* out dx, al; jmp again */
		0x66, 0xba, 0x02, 0x06,	      /* on: mov dx, 0x602 */
		0xb0, 0x01, 0xee,	      /* mov al, 1; out dx, al */
		0xeb, 0xfe,
	};

	memcpy(text + 0x21, words, strlen(words) + 1);
	run(f, 1, text, sizeof(text));
}

static void test_panic_printed_late(void **state)
{
	struct fixture *f = *state;

	run_late_panic(f, "Kernel panic - not syncing: z\n");
	wait_end(f, VMMPROTO_END_PANIC);
	assert_string_equal(f->end.text, "z");
}

/* A panic it is, whatever it does next. */
static void test_panic_then_reset(void **state)
{
	struct fixture *f = *state;

	run_late_panic(f, "");
	wait_end(f, VMMPROTO_END_PANIC);
	assert_string_equal(f->end.text, "the guest's kernel has not said why");
}

/* What is printed ends nothing, and what ends it is told as what it is. */
static void test_panic_printed(void **state)
{
	struct fixture *f = *state;

	run_panic(f, LAYOUT_RESET & 0xff, 1);
	wait_end(f, VMMPROTO_END_RESET);
	assert_non_null(strstr(f->end.text, "its kernel panics: x"));
}

/* A crash kernel will take over (2), and ends as it likes: by a panic that is not printed. */
static void test_panic_silent(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0x66, 0xba, 0x03, 0x06, /* mov dx, 0x603 */
		0xec,			/* in al, dx: what may be told */
		0x88, 0xc4,		/* mov ah, al */
		0xb0, 0x02, 0xee,	/* mov al, 2; out dx, al */
		0x88, 0xe0, 0xee,	/* mov al, ah; out dx, al */
		0xeb, 0xfe,
	};

	run(f, 1, text, sizeof(text));
	wait_end(f, VMMPROTO_END_PANIC);
	assert_string_equal(f->end.text, "the guest's kernel has not said why");
}

/* Reads the vendor of the first PCI device twice and says it on the serial port. */
static void test_pci_and_console(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0x8b, 0x1d, 0x00, 0x80, 0x00, 0xe0, /* mov ebx, [ECAM + slot 1] */
		0xa1, 0x00, 0x80, 0x00, 0xe0,	    /* mov eax, the same */
		0x66, 0xba, 0xf8, 0x03,		    /* mov dx, 0x3f8 */
		0xee,				    /* out dx, al */
		0x88, 0xe0, 0xee,		    /* mov al, ah; out dx, al */
		0xeb, 0xfe,
	};

	struct vmmproto_msg answer;

	run(f, 1, text, sizeof(text));
	expect_console(f, "\xf4\x1a");
	/* Only the first read of a function leaves the guest. */
	assert_int_equal(ask(f, VMMPROTO_STATS, &answer), 0);
	assert_int_equal(answer.stats.mmio_exits, 1);
}

/* What is written there is seen by the next read, of which the second does not leave the guest. */
static void test_pci_write(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0xbb, 0x04, 0x80, 0x00, 0xe0, /* mov ebx, COMMAND of slot 1 */
		0x66, 0xc7, 0x03, 0x06, 0x00, /* mov word [ebx], memory and master */
		0x8b, 0x03,		      /* mov eax, [ebx] */
		0x66, 0xba, 0xf8, 0x03, 0xee, /* mov dx, 0x3f8; out dx, al */
		0x66, 0xc7, 0x03, 0x00, 0x00, /* mov word [ebx], 0 */
		0x8b, 0x03, 0x0c, 0x40, 0xee, /* mov eax, [ebx]; or al, '@'; out dx, al */
		0xeb, 0xfe,
	};
	struct vmmproto_msg answer;

	run(f, 1, text, sizeof(text));
	expect_console(f, "\x06@");
	assert_int_equal(ask(f, VMMPROTO_STATS, &answer), 0);
	assert_int_equal(answer.stats.mmio_exits, 3);
}

/* The register window of virtio in configuration space: each read of it counts. */
static void test_pci_window(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0xbb, 0x00, 0x80, 0x00, 0xe0, /* mov ebx, slot 1 */
		0x0f, 0xb6, 0x43, 0x34,	      /* movzx eax, [ebx + 0x34]: first capability */
		0x89, 0xc6,		      /* next: mov esi, eax */
		0x0f, 0xb6, 0x44, 0x33, 0x01, /* movzx eax, [ebx + esi + 1] */
		0x80, 0x7c, 0x33, 0x03, 0x05, /* cmp byte [ebx + esi + 3], PCI_CFG */
		0x75, 0xf2,		      /* jne next */
		0xc7, 0x44, 0x33, 0x08, 0x12, 0, 0, 0, /* offset: queues, of the common registers */
		0xc7, 0x44, 0x33, 0x0c, 0x02, 0, 0, 0, /* length: two bytes */
		0x8b, 0x44, 0x33, 0x10,		       /* mov eax, [ebx + esi + 16] */
		0x66, 0xba, 0xf8, 0x03, 0xee,	       /* mov dx, 0x3f8; out dx, al */
		0xeb, 0xfe,
	};

	run(f, 1, text, sizeof(text));
	expect_console(f, "\x04"); /* a console of two ports has four queues */
}

/* The guest, which does nothing but to access a port, runs. */
static void expect_exits(struct fixture *f)
{
	int64_t deadline_ns = clock_now_ns() + WAIT_MS * NS_PER_MS;
	struct vmmproto_msg before, now;

	assert_int_equal(ask(f, VMMPROTO_STATS, &before), 0);
	do {
		assert_true(clock_now_ns() < deadline_ns);
		assert_int_equal(ask(f, VMMPROTO_STATS, &now), 0);
	} while (before.stats.port_exits == now.stats.port_exits);
}

/* Nobody reads what the guest prints for ever: it goes on, and so does everything else. */
static void test_console_stalls(void **state)
{
	struct fixture *f = *state;
	int64_t deadline_ns = clock_now_ns() + WAIT_MS * NS_PER_MS;
	struct vmmproto_msg answer;
	int pipe_bytes;
	static const uint8_t text[] = {
		0x66, 0xba, 0xf8, 0x03, /* mov dx, 0x3f8 */
		0xee,			/* out dx, al */
		0xeb, 0xfd,		/* for ever */
	};

	run(f, 1, text, sizeof(text));
	/* As little as there can be, which a fast guest may already have exceeded. */
	(void)fcntl(f->console_fd, F_SETPIPE_SZ, 1);
	pipe_bytes = fcntl(f->console_fd, F_GETPIPE_SZ);
	assert_true(pipe_bytes > 0);
	do {
		assert_true(clock_now_ns() < deadline_ns);
		assert_int_equal(ask(f, VMMPROTO_STATS, &answer), 0);
	} while (answer.stats.port_exits < 2 * (uint64_t)pipe_bytes);
	assert_int_equal(ask(f, VMMPROTO_PAUSE, NULL), 0);
}

static void test_pause(void **state)
{
	struct fixture *f = *state;
	struct vmmproto_msg one, two;
	static const uint8_t text[] = {
		0xe6, 0x80, /* out 0x80, al */
		0xeb, 0xfc, /* for ever */
	};

	run(f, 2, text, sizeof(text));
	for (int round = 0; round < 5; round++) {
		assert_int_equal(ask(f, VMMPROTO_PAUSE, &one), 0);
		assert_int_equal(ask(f, VMMPROTO_STATS, &one), 0);
		assert_int_equal(ask(f, VMMPROTO_STATS, &two), 0);
		assert_int_equal(one.stats.port_exits, two.stats.port_exits);
		assert_int_equal(ask(f, VMMPROTO_RESUME, NULL), 0);
		expect_exits(f);
	}
	assert_int_equal(ask(f, VMMPROTO_POWER_BUTTON, NULL), 0);
	assert_int_equal(ask(f, VMMPROTO_BALLOON, NULL), 0);
	/* Twice is no mistake. */
	assert_int_equal(ask(f, VMMPROTO_PAUSE, NULL), 0);
	assert_int_equal(ask(f, VMMPROTO_PAUSE, NULL), 0);
	assert_int_equal(ask(f, VMMPROTO_QUIT, NULL), 0);
	wait_end(f, VMMPROTO_END_FAILED);
}

/* Resumed while it is still about to pause: both are answered, and it goes on. */
static void test_pause_cancelled(void **state)
{
	struct fixture *f = *state;
	struct vmmproto_msg pause = { .type = VMMPROTO_PAUSE };
	struct vmmproto_msg resume = { .type = VMMPROTO_RESUME }, first, second;
	static const uint8_t text[] = {
		0xe6, 0x80, /* out 0x80, al */
		0xeb, 0xfc, /* for ever */
	};

	run(f, 2, text, sizeof(text));
	for (int round = 0; round < 20; round++) {
		assert_int_equal(kill(f->pid, SIGSTOP), 0);
		say(f, &pause);
		say(f, &resume);
		assert_int_equal(kill(f->pid, SIGCONT), 0);
		take(f, &first);
		take(f, &second);
		assert_int_equal(first.seq, pause.seq);
		assert_true(first.code == 0 || first.code == ECANCELED);
		assert_int_equal(second.seq, resume.seq);
		assert_int_equal(second.code, 0);
		expect_exits(f);
	}
}

/* Says whenever the first bytes of its generation change. */
static void test_generation(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = {
		0x66, 0xba, 0xf8, 0x03,		    /* mov dx, 0x3f8 */
		0x8b, 0x1d, 0x00, 0x00, 0x0f, 0x00, /* again: mov ebx, [0xf0000] */
		0xb0, '!',  0xee,		    /* mov al, '!'; out dx, al */
		0x3b, 0x1d, 0x00, 0x00, 0x0f, 0x00, /* wait: cmp ebx, [0xf0000] */
		0x74, 0xf8,			    /* je wait */
		0xeb, 0xed,			    /* jmp again */
	};

	run(f, 1, text, sizeof(text));
	for (int i = 0; i < 3; i++) {
		expect_console(f, "!");
		assert_int_equal(ask(f, VMMPROTO_NEW_GENERATION, NULL), 0);
	}
	expect_console(f, "!");
}

static void test_order(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = { 0xeb, 0xfe };

	run(f, 1, text, sizeof(text));
	assert_int_equal(ask(f, VMMPROTO_START, NULL), EBUSY);
}

/* The starter goes while the guest runs: teardown() waits for the end. */
static void test_starter_gone(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = { 0xeb, 0xfe };

	run(f, 4, text, sizeof(text));
	f->control_fd = fd_close(f->control_fd);
}

static void test_nonsense(void **state)
{
	struct fixture *f = *state;
	static const uint8_t text[] = { 0xeb, 0xfe };

	run(f, 1, text, sizeof(text));
	assert_int_equal(send(f->control_fd, "nonsense", 8, MSG_NOSIGNAL), 8);
	wait_end(f, VMMPROTO_END_FAILED);
}

/* What is no kernel: the reason comes back, and the process ends by itself. */
static void test_no_kernel(void **state)
{
	struct fixture *f = *state;
	static struct vmmproto_config config; /* as in run() */
	struct vmmproto_msg answer;

	config.cpus = 1;
	configure(f, &config, NULL, 0);
	take(f, &answer);
	assert_int_equal(answer.code, ENODATA);
	assert_string_equal(answer.text, "load the kernel: the file is cut short");
}

/* A daemon could not read what the guest would have it send from such a file. */
static void test_file_and_share(void **state)
{
	struct fixture *f = *state;
	static struct vmmproto_config config; /* as in run() */
	struct vmmproto_msg answer;

	config = (struct vmmproto_config){ .cpus = 1, .pmems_len = 1, .shares_len = 1 };
	config.pmems[0].fd = memfd_create("file", MFD_CLOEXEC);
	config.shares[0].fd = memfd_create("no daemon", MFD_CLOEXEC);
	configure(f, &config, NULL, 0);
	fd_close(config.pmems[0].fd);
	fd_close(config.shares[0].fd);
	take(f, &answer);
	assert_int_equal(answer.code, ENOTSUP);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_console_stalls),
		TEST(test_file_and_share),
		TEST(test_power_off),
		TEST(test_reset),
		TEST(test_triple_fault),
		TEST(test_pci_and_console),
		TEST(test_pause),
		TEST(test_pause_cancelled),
		TEST(test_pci_write),
		TEST(test_pci_window),
		TEST(test_order),
		TEST(test_starter_gone),
		TEST(test_no_kernel),
		TEST(test_nonsense),
		TEST(test_panic),
		TEST(test_reset_vector),
		TEST(test_generation),
		TEST(test_panic_printed),
		TEST(test_panic_silent),
		TEST(test_pci_ports),
		TEST(test_panic_printed_late),
		TEST(test_panic_then_reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
