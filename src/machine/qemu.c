/* SPDX-License-Identifier: Apache-2.0
 *
 * qemu.c - a machine by QEMU
 *
 * QEMU runs as nobody in a jail (jail.h), then changes its root to an empty directory and denies
 * itself most system calls before the guest runs. It opens nothing: what it works with comes as
 * descriptors, except the kernel, its initramfs and the firmware, which it must open by name and
 * sees as read-only files of its root.
 *
 * The machine is a q35 with qboot: it calibrates its clock itself, which the smaller microvm
 * does not do reliably without KVM. All devices are virtio on the root bus; when there are more
 * than it has slots they share slots, eight functions each.
 */
#include "machine/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/strv.h"
#include "linux/caps.h"
#include "linux/mounts.h"
#include "linux/ns.h"
#include "machine/guest.h"
#include "machine/jail.h"
#include "machine/kvm.h"
#include "machine/qmp.h"

#define QEMU_PROGRAM "/usr/bin/qemu-system-x86_64"
#define QEMU_FIRMWARE "/usr/share/qemu/qboot.rom"
#define SLOT_FIRST 1 /* 0 is the host bridge */
#define SLOT_LAST 30 /* 31 is the ISA bridge */
#define SLOTS (SLOT_LAST - SLOT_FIRST + 1)
#define SLOT_FUNCTIONS 8
/* How long one that has closed its stream may take to end. */
#define EXIT_LIMIT_MS 500
#define FIXED_DEVICES 3 /* stream, random numbers, balloon */

#define KERNEL_WORDS GUEST_WORDS " no_timer_check"
/*
 * For a single processor without KVM. Other timers than the processor's own, which the kernel
 * would watch for 100 ms to learn how fast it is. No rewriting of each locked instruction, which
 * would gain nothing and make QEMU translate again.
 */
#define KERNEL_WORDS_TCG_ONE " nolapic_timer noreplace-smp"

struct machine {
	struct jail_child child;
	struct qmp qmp;
	uint64_t memory_bytes;
	bool kvm;
};

/* A command line that is being written, and the descriptors it mentions. */
struct line {
	const struct machine_config *config;
	struct strv argv;
	int *fds;
	size_t fds_len;
	unsigned devices, devices_max;
	bool io_uring;
	bool failed; /* out of memory */
};

static void line_done(struct line *line)
{
	strv_done(&line->argv);
	free(line->fds);
}
DEFINE_AUTO_DONE(line)

static void PRINTF_LIKE(2, 3) add(struct line *line, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	if (strv_give(&line->argv, text) < 0)
		line->failed = true;
}

static void add_words(struct line *line, const char *const *words)
{
	for (; *words; words++)
		add(line, "%s", *words);
}

/* The descriptor's number, after noting that QEMU inherits it. */
static int pass(struct line *line, int fd)
{
	line->fds[line->fds_len++] = fd;

	return fd;
}

/* "-device TYPE,addr=...,PROPERTIES" at the next free place of the root bus. */
static void PRINTF_LIKE(2, 3) add_device(struct line *line, const char *fmt, ...)
{
	unsigned n = line->devices++;
	auto_free char *properties = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&properties, fmt, ap) < 0)
		properties = NULL;
	va_end(ap);
	if (!properties) {
		line->failed = true;
		return;
	}
	add(line, "-device");
	if (line->devices_max <= SLOTS)
		add(line, "%s,addr=%x", properties, SLOT_FIRST + n);
	else
		add(line, "%s,addr=%x.%x,multifunction=on", properties,
		    SLOT_FIRST + n / SLOT_FUNCTIONS, n % SLOT_FUNCTIONS);
}

/* A console, for who looks for a reason, hears everything. */
static void add_kernel_words(struct line *line, bool kvm)
{
	const char *more = kvm || line->config->cpus > 1 ? "" : KERNEL_WORDS_TCG_ONE;

	add(line, "-append");
	if (line->config->cmdline)
		add(line, "%s", line->config->cmdline);
	else
		add(line, "%s%s%s", KERNEL_WORDS, more,
		    line->config->console_fd < 0 ? " quiet" : " console=ttyS0");
}

static bool is_socket(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static void add_console(struct line *line)
{
	int fd = line->config->console_fd;

	if (fd < 0)
		return;
	pass(line, fd);
	if (is_socket(fd)) {
		add(line, "-chardev");
		add(line, "socket,id=console,fd=%d", fd);
	} else {
		add(line, "-add-fd");
		add(line, "fd=%d,set=%d", fd, fd);
		add(line, "-chardev");
		add(line, "file,id=console,path=/dev/fdset/%d", fd);
	}
	add(line, "-serial");
	add(line, "chardev:console");
}

static void add_machine(struct line *line, bool kvm)
{
	static const char *const always[] = {
		"-nodefaults",
		"-no-user-config",
		"-no-reboot",
		"-display",
		"none",
		"-chroot",
		"/empty",
		"-sandbox",
		"on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
		"-bios",
		QEMU_FIRMWARE,
		"-kernel",
		"/kernel",
		NULL
	};
	uint64_t mib = line->config->memory_bytes / MIB;

	add(line, QEMU_PROGRAM);
	add(line, "-M");
	add(line, "q35,sata=off,smbus=off,vmport=off,memory-backend=m");
	add(line, "-accel");
	add(line, "%s", kvm ? "kvm" : "tcg,thread=multi,tb-size=128");
	add(line, "-cpu");
	add(line, "%s", kvm ? "host" : "max");
	add(line, "-smp");
	add(line, "%u", line->config->cpus);
	add(line, "-m");
	add(line, "%llu", (unsigned long long)mib);
	/* Share daemons map the guest's memory too. */
	add(line, "-object");
	if (line->config->shares_len > 0)
		add(line, "memory-backend-memfd,id=m,size=%lluM,share=on", (unsigned long long)mib);
	else
		add(line, "memory-backend-ram,id=m,size=%lluM", (unsigned long long)mib);
	add_words(line, always);
	if (line->config->initrd_fd >= 0) {
		add(line, "-initrd");
		add(line, "/initrd");
	}
	add_kernel_words(line, kvm);
	add_console(line);
}

static void add_disk(struct line *line, const struct machine_disk *disk)
{
	int fd = pass(line, disk->fd);

	add(line, "-add-fd");
	add(line, "fd=%d,set=%d", fd, fd);
	add(line, "-blockdev");
	/* Layers are shared by machines: no locks. A zeroed or discarded block takes no space. */
	add(line, "driver=raw,node-name=d%d,%s,file.driver=file,file.filename=/dev/fdset/%d%s", fd,
	    disk->readonly ? "read-only=on,file.locking=off"
			   : "discard=unmap,detect-zeroes=unmap,file.discard=unmap",
	    fd, line->io_uring ? ",file.aio=io_uring" : "");
	add_device(line, "virtio-blk-pci,drive=d%d,serial=%s", fd, disk->serial);
}

/* The port by which a kernel says that it panics; it is on the ISA bridge and takes no slot. */
static void add_panic(struct line *line)
{
	add(line, "-device");
	add(line, "pvpanic,events=1");
	add(line, "-action");
	add(line, "panic=exit-failure");
}

static void add_devices(struct line *line, int qmp_fd)
{
	const struct machine_config *config = line->config;

	add(line, "-chardev");
	add(line, "socket,id=qmp,fd=%d", pass(line, qmp_fd));
	add(line, "-mon");
	add(line, "chardev=qmp,mode=control");
	if (config->stream_fd >= 0) {
		add(line, "-chardev");
		add(line, "socket,id=stream,fd=%d", pass(line, config->stream_fd));
		add_device(line, "virtio-serial-pci,max_ports=2,id=ports");
		add(line, "-device");
		add(line, "virtserialport,bus=ports.0,nr=1,chardev=stream,name=%s",
		    config->port_name);
	}
	for (size_t i = 0; i < config->disks_len; i++)
		add_disk(line, &config->disks[i]);
	for (size_t i = 0; i < config->shares_len; i++) {
		int fd = pass(line, config->shares[i].sock_fd);

		add(line, "-chardev");
		add(line, "socket,id=fs%d,fd=%d", fd, fd);
		add_device(line, "vhost-user-fs-pci,chardev=fs%d,tag=%s", fd,
			   config->shares[i].tag);
	}
	add_panic(line);
	add_device(line, "virtio-rng-pci");
	add_device(line, "virtio-balloon-pci,free-page-reporting=on,deflate-on-oom=on");
}

/* Some hosts forbid io_uring altogether; QEMU would only notice when it starts. */
static bool have_io_uring(void)
{
	struct io_uring_params params = { 0 };
	auto_close int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

	return fd >= 0;
}

static int write_line(struct line *line, bool kvm, int qmp_fd, struct err *err)
{
	const struct machine_config *config = line->config;
	size_t devices = FIXED_DEVICES + config->disks_len + config->shares_len;

	if (devices > SLOTS * SLOT_FUNCTIONS)
		return err_set(err, E2BIG, "%zu layers and mounts are more than a machine can have",
			       config->disks_len + config->shares_len);
	line->devices_max = (unsigned)devices;
	line->io_uring = have_io_uring();
	/* One for each device, one for QMP, one for the console. */
	line->fds = calloc(devices + 2, sizeof(*line->fds));
	if (!line->fds)
		return err_set(err, ENOMEM, "out of memory");
	add_machine(line, kvm);
	add_devices(line, qmp_fd);

	return line->failed ? err_set(err, ENOMEM, "out of memory") : 0;
}

static int spawn(const struct machine_config *config, int qmp_fd, struct machine *m,
		 struct err *err)
{
	auto_done(line) line = { .config = config };
	struct jail_mount mounts[] = {
		{ .target = "/kernel", .fd = config->kernel_fd, .attrs = MOUNT_ATTR_RDONLY },
		{ .target = "/initrd", .fd = config->initrd_fd, .attrs = MOUNT_ATTR_RDONLY },
	};
	struct jail jail = {
		.argv = &line.argv,
		.mounts = mounts,
		.mounts_len = config->initrd_fd < 0 ? 1 : 2,
		.flags = JAIL_USERNS | (m->kvm ? JAIL_KVM : 0U),
		.caps = CAPS_BIT(CAP_SYS_CHROOT),
		.cgroup = config->cgroup,
		.cgroup_fd = config->cgroup_fd,
	};
	int r = write_line(&line, m->kvm, qmp_fd, err);

	if (r < 0)
		return r;
	jail.fds = line.fds;
	jail.fds_len = line.fds_len;

	return jail_spawn(&jail, &m->child, err);
}

static int qemu_probe(struct err *err)
{
	int r = 0;

	if (access(QEMU_PROGRAM, X_OK) < 0)
		r = err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "QEMU is not installed");
	else if (access(QEMU_FIRMWARE, R_OK) < 0)
		r = err_setk(err, ERR_UNSUPPORTED, ENOTSUP, "QEMU's firmware is not installed");
	if (r < 0)
		err_hint(err, "apt-get install qemu-system-x86");

	return r;
}

static void qemu_kill(struct machine *m)
{
	(void)ns_signal(m->child.pidfd, SIGKILL);
}

static void qemu_free(struct machine *m)
{
	if (!m)
		return;
	jail_child_done(&m->child);
	qmp_done(&m->qmp);
	free(m);
}

/* It opens them as nobody. */
static int check_kernel(const struct machine_config *config, struct err *err)
{
	const int fds[] = { config->kernel_fd, config->initrd_fd };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		if (fds[i] < 0)
			continue;
		if (fstat(fds[i], &st) < 0)
			return err_sys(err, "look at the kernel");
		if (st.st_mode & S_IROTH)
			continue;
		(void)err_setk(err, ERR_USAGE, EACCES,
			       "QEMU, which runs as nobody, may not read "
			       "the kernel or the initramfs");
		err_hint(err, "chmod o+r");
		return -EACCES;
	}

	return 0;
}

static int start(const struct machine_config *config, bool kvm, struct machine **ret,
		 struct err *err)
{
	int socks[2], r;
	struct machine *m;

	if (config->memory_bytes < MACHINE_MEMORY_MIN_BYTES)
		return err_setk(err, ERR_USAGE, EINVAL, "a machine of less than %llu MiB",
				(unsigned long long)(MACHINE_MEMORY_MIN_BYTES / MIB));
	if (config->pmems_len > 0 || config->nets_len > 0)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"QEMU's machines have no network cards and no files in memory");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "make a socket pair");
	m = calloc(1, sizeof(*m));
	if (!m) {
		fd_close(socks[0]);
		fd_close(socks[1]);
		return err_set(err, ENOMEM, "out of memory");
	}
	m->child = (struct jail_child){ .pidfd = -1, .stderr_fd = -1 };
	m->memory_bytes = config->memory_bytes;
	m->kvm = kvm;
	qmp_init(&m->qmp, socks[0]);
	r = check_kernel(config, err);
	if (r == 0)
		r = spawn(config, socks[1], m, err);
	fd_close(socks[1]);
	if (r == 0 && is_socket(config->console_fd))
		(void)qmp_ask_for_events(&m->qmp);
	if (r < 0) {
		qemu_free(m);
		return r;
	}
	*ret = m;

	return 0;
}

static int qemu_start(const struct machine_config *config, struct machine **ret, struct err *err)
{
	auto_close int probe_fd = -1; /* see kvm.h */

	return start(config, kvm_probe(&probe_fd, NULL) == 0, ret, err);
}

static int tcg_start(const struct machine_config *config, struct machine **ret, struct err *err)
{
	return start(config, false, ret, err);
}

static int qemu_pause(struct machine *m, bool paused, struct err *err)
{
	return qmp_command(&m->qmp, paused ? "stop" : "cont", NULL, err);
}

/* It wants to know what is left. */
static int qemu_balloon(struct machine *m, uint64_t bytes, struct err *err)
{
	char arguments[64];

	(void)snprintf(arguments, sizeof(arguments), "{\"value\":%llu}",
		       (unsigned long long)(m->memory_bytes - MIN(bytes, m->memory_bytes)));

	return qmp_command(&m->qmp, "balloon", arguments, err);
}

static int qemu_press_button(struct machine *m, struct err *err)
{
	return qmp_command(&m->qmp, "system_powerdown", NULL, err);
}

static pid_t qemu_pid(const struct machine *m)
{
	return m->child.pid;
}

static int qemu_death_fd(const struct machine *m)
{
	return m->child.pidfd;
}

/* With the words of add_panic() only a panic makes QEMU fail without a word. */
static void qemu_last_words(struct machine *m, char *buf, size_t buf_bytes)
{
	siginfo_t info = { 0 };
	struct pollfd pfd = { .fd = m->child.pidfd, .events = POLLIN };

	jail_last_words(&m->child, buf, buf_bytes);
	if (*buf || poll(&pfd, 1, EXIT_LIMIT_MS) != 1 ||
	    waitid(P_PIDFD, (id_t)m->child.pidfd, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
	    info.si_code != CLD_EXITED)
		return;
	(void)snprintf(buf, buf_bytes, "%s",
		       info.si_status == 0 ? "power-off or reset: the guest has ended it"
					   : "guest panic: the guest's kernel has given up");
}

static enum machine_end qemu_end(struct machine *m)
{
	static const struct {
		const char *reason;
		enum machine_end end;
	} known[] = {
		{ "guest-shutdown", MACHINE_END_POWER_OFF },
		{ "guest-reset", MACHINE_END_RESET },
		{ "guest-panic", MACHINE_END_PANIC },
	};
	char reason[32];

	qmp_shutdown_reason(&m->qmp, reason, sizeof(reason));
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(known[i].reason, reason) == 0)
			return known[i].end;

	return MACHINE_END_UNKNOWN;
}

static const char *qemu_describe(const struct machine *m)
{
	return m->kvm ? "qemu-kvm" : "qemu-tcg";
}

/* All but how they start. */
#define OPS                                                                                       \
	.name = "qemu", .probe = qemu_probe, .pause = qemu_pause, .balloon = qemu_balloon,        \
	.press_button = qemu_press_button, .kill = qemu_kill, .free = qemu_free, .pid = qemu_pid, \
	.death_fd = qemu_death_fd, .last_words = qemu_last_words, .end = qemu_end,                \
	.describe = qemu_describe

const struct machine_ops machine_qemu_ops = { OPS, .start = qemu_start };
const struct machine_ops machine_tcg_ops = { OPS, .start = tcg_start };
