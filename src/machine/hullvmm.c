/* SPDX-License-Identifier: Apache-2.0
 *
 * hullvmm.c - a machine by hull-vmm, our own hypervisor on KVM
 *
 * The program starts in a jail (jail.h), inherits every descriptor it will ever have, and is told
 * what they are over a control socket (vmmproto.h). It is in the hands of its guest at any time:
 * what it answers is bounded in size and time.
 */
#include "machine/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/strv.h"
#include "linux/caps.h"
#include "linux/mounts.h"
#include "linux/ns.h"
#include "machine/guest.h"
#include "machine/jail.h"
#include "vmmproto/vmmproto.h"

#define PROGRAM "hull-vmm"
#define PROGRAM_IN_JAIL "/" PROGRAM
#define START_LIMIT_NS (60 * NS_PER_SEC)
#define ANSWER_LIMIT_NS (10 * NS_PER_SEC)
/* Packets that are taken in search of one: late answers, its end, and what it makes up. */
#define PACKETS_MAX 64
/* Control, KVM, kernel, initramfs, console, sockets; then those that there are many of. */
#define FDS_MAX                                                             \
	(6 + VMMPROTO_PORTS_MAX + VMMPROTO_DISKS_MAX + VMMPROTO_PMEMS_MAX + \
	 VMMPROTO_NETS_MAX * VMMPROTO_NET_PAIRS_MAX + VMMPROTO_SHARES_MAX)

/*
 * No search of ports for chipsets with quirks (some 200 exits). A reset goes by ACPI: without the
 * word Linux would look for firmware. The serial port is there to say why the kernel panics, and
 * nothing else unless somebody listens.
 */
#define KERNEL_WORDS GUEST_WORDS " reboot=a 8250.nr_uarts=1 pci=noearly console=ttyS0"
#define KERNEL_WORDS_QUIET " loglevel=3"

struct machine {
	struct jail_child child;
	int control_fd;
	uint32_t seq;
	bool ended; /* it has said why, in @end */
	enum vmmproto_end end;
	char end_text[VMMPROTO_TEXT_MAX + 1];
};

static int hullvmm_probe(struct err *err)
{
	char path[PATH_MAX];

	return path_helper(PROGRAM, path, sizeof(path), err);
}

/* ---- what it says ---- */

/* Take one packet until @deadline_ns. 0, -ETIMEDOUT, -EPIPE when there is no more, or another. */
static int receive(struct machine *m, int64_t deadline_ns, struct vmmproto_msg *ret)
{
	struct pollfd pfd = { .fd = m->control_fd, .events = POLLIN };
	uint8_t packet[sizeof(*ret) + 64];
	ssize_t n;
	int r;

	do
		r = poll(&pfd, 1, clock_poll_ms(deadline_ns));
	while (r < 0 && errno == EINTR && clock_now_ns() < deadline_ns);
	if (r <= 0)
		return r == 0 || errno == EINTR ? -ETIMEDOUT : -errno;
	n = recv(m->control_fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0 && errno == ECONNRESET) /* told once, before its last words: see fd_recv() */
		n = recv(m->control_fd, packet, sizeof(packet), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE;
	*ret = (struct vmmproto_msg){ 0 };

	return (size_t)n > sizeof(packet) ? -EPROTO : vmmproto_decode(packet, (size_t)n, ret);
}

/* Its text may come to a terminal. */
static void make_printable(char *text)
{
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
}

static void note_end(struct machine *m, const struct vmmproto_msg *msg)
{
	m->ended = true;
	m->end = msg->end;
	(void)snprintf(m->end_text, sizeof(m->end_text), "%s", msg->text);
	make_printable(m->end_text);
}

static void listen_for_end(struct machine *m)
{
	struct vmmproto_msg msg;

	for (unsigned i = 0; i < PACKETS_MAX && !m->ended && receive(m, 0, &msg) == 0; i++)
		if (msg.type == VMMPROTO_END)
			note_end(m, &msg);
}

static enum machine_end hullvmm_end(struct machine *m)
{
	listen_for_end(m);
	if (!m->ended)
		return MACHINE_END_UNKNOWN;
	switch (m->end) {
	case VMMPROTO_END_POWER_OFF:
		return MACHINE_END_POWER_OFF;
	case VMMPROTO_END_RESET:
		return MACHINE_END_RESET;
	case VMMPROTO_END_TRIPLE_FAULT:
		return MACHINE_END_TRIPLE_FAULT;
	case VMMPROTO_END_PANIC:
		return MACHINE_END_PANIC;
	default:
		return MACHINE_END_UNKNOWN;
	}
}

static void hullvmm_last_words(struct machine *m, char *buf, size_t buf_bytes)
{
	listen_for_end(m);
	if (m->ended)
		(void)snprintf(buf, buf_bytes, "%s: %s", vmmproto_end_name(m->end), m->end_text);
	else
		jail_last_words(&m->child, buf, buf_bytes);
}

/* Wait for the answer to the latest request. */
static int take_answer(struct machine *m, int64_t deadline_ns, struct vmmproto_msg *ret)
{
	for (unsigned i = 0; i < PACKETS_MAX; i++) {
		int r = receive(m, deadline_ns, ret);

		if (r < 0)
			return r;
		if (ret->type == VMMPROTO_END)
			note_end(m, ret);
		else if (ret->type == VMMPROTO_REPLY && ret->seq == m->seq)
			return 0;
	}

	return -EPROTO;
}

/* Send @msg and wait for its answer. */
static int request(struct machine *m, struct vmmproto_msg *msg, int64_t limit_ns, struct err *err)
{
	auto_free uint8_t *packet = malloc(VMMPROTO_PACKET_MAX_BYTES);
	int64_t deadline_ns = clock_now_ns() + limit_ns;
	struct vmmproto_msg answer;
	char words[256];
	int n, r = 0;

	if (!packet)
		return err_set(err, ENOMEM, "out of memory");
	msg->seq = ++m->seq;
	n = vmmproto_encode(msg, packet, VMMPROTO_PACKET_MAX_BYTES);
	if (n < 0)
		return err_set(err, -n, "the request is too long");
	if (send(m->control_fd, packet, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		r = -errno;
	if (r == 0)
		r = take_answer(m, deadline_ns, &answer);
	if (r == -ETIMEDOUT)
		return err_set(err, ETIMEDOUT, "the hypervisor does not answer");
	if (r == -EPROTO)
		return err_set(err, EPROTO, "the hypervisor answers what it was not asked");
	if (r < 0) {
		hullvmm_last_words(m, words, sizeof(words));
		return err_set(err, -r, "the hypervisor has ended%s%s", *words ? ": " : "", words);
	}
	if (answer.code == 0)
		return 0;
	make_printable(answer.text);

	return err_set(err, MIN(answer.code, 4095U), "%s", answer.text);
}

/* ---- start ---- */

/* Files in memory, and network cards. */
static int describe_more(const struct machine_config *config, struct vmmproto_config *ret,
			 struct err *err)
{
	if (config->pmems_len > VMMPROTO_PMEMS_MAX || config->nets_len > VMMPROTO_NETS_MAX)
		return err_set(err, E2BIG, "%zu network cards and %zu files in memory are too many",
			       config->nets_len, config->pmems_len);
	ret->pmems_len = config->pmems_len;
	for (size_t i = 0; i < config->pmems_len; i++)
		ret->pmems[i].fd = config->pmems[i];
	ret->nets_len = config->nets_len;
	for (size_t i = 0; i < config->nets_len; i++) {
		const struct machine_net *net = &config->nets[i];

		if (net->tap_fds_len < 1 || net->tap_fds_len > VMMPROTO_NET_PAIRS_MAX)
			return err_set(err, EINVAL, "a network card of %zu queues",
				       net->tap_fds_len);
		ret->nets[i] =
			(struct vmmproto_net){ .fds_len = net->tap_fds_len, .mtu = net->mtu };
		memcpy(ret->nets[i].fds, net->tap_fds, net->tap_fds_len * sizeof(int));
		memcpy(ret->nets[i].mac, net->mac, sizeof(net->mac));
	}

	return 0;
}

static int describe(const struct machine_config *config, int kvm_fd, struct vmmproto_config *ret,
		    struct err *err)
{
	if (config->disks_len > VMMPROTO_DISKS_MAX || config->shares_len > VMMPROTO_SHARES_MAX)
		return err_set(err, E2BIG, "%zu layers and mounts are more than a machine can have",
			       config->disks_len + config->shares_len);
	if (config->cmdline && strlen(config->cmdline) > VMMPROTO_CMDLINE_MAX)
		return err_setk(err, ERR_USAGE, E2BIG,
				"the kernel's command line is longer than %d characters",
				VMMPROTO_CMDLINE_MAX);
	if (config->cpus > VMMPROTO_CPUS_MAX) {
		int r = err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				 "hull-vmm has at most %d processors", VMMPROTO_CPUS_MAX);

		err_hint(err, "HULL_MACHINE=qemu asks for QEMU, which has more");
		return r;
	}
	*ret = (struct vmmproto_config){
		.memory_bytes = config->memory_bytes & ~(2 * MIB - 1),
		.cpus = config->cpus,
		.kvm_fd = kvm_fd,
		.kernel_fd = config->kernel_fd,
		.initrd_fd = config->initrd_fd,
		.console_fd = config->console_fd,
		.ports_len = config->stream_fd >= 0 ? 1 : 0,
		.disks_len = config->disks_len,
		.shares_len = config->shares_len,
	};
	ret->ports[0].fd = config->stream_fd;
	if (config->stream_fd >= 0)
		(void)snprintf(ret->ports[0].name, sizeof(ret->ports[0].name), "%s",
			       config->port_name);
	(void)snprintf(ret->cmdline, sizeof(ret->cmdline), "%s%s",
		       config->cmdline ? config->cmdline : KERNEL_WORDS,
		       config->cmdline || config->console_fd >= 0 ? "" : KERNEL_WORDS_QUIET);
	for (size_t i = 0; i < config->disks_len; i++) {
		ret->disks[i].fd = config->disks[i].fd;
		ret->disks[i].readonly = config->disks[i].readonly;
		(void)snprintf(ret->disks[i].serial, sizeof(ret->disks[i].serial), "%s",
			       config->disks[i].serial);
	}
	for (size_t i = 0; i < config->shares_len; i++) {
		ret->shares[i].fd = config->shares[i].sock_fd;
		(void)snprintf(ret->shares[i].tag, sizeof(ret->shares[i].tag), "%s",
			       config->shares[i].tag);
	}

	return describe_more(config, ret, err);
}

static void list_fd(int *fds, size_t *len, int fd)
{
	if (fd >= 0)
		fds[(*len)++] = fd;
}

/* All descriptors that it inherits into @fds, FDS_MAX. Returns how many. */
static size_t list_fds(const struct vmmproto_config *config, int control_fd, int *fds)
{
	size_t n = 0;

	list_fd(fds, &n, control_fd);
	list_fd(fds, &n, config->kvm_fd);
	list_fd(fds, &n, config->kernel_fd);
	list_fd(fds, &n, config->initrd_fd);
	list_fd(fds, &n, config->console_fd);
	for (size_t i = 0; i < config->ports_len; i++)
		list_fd(fds, &n, config->ports[i].fd);
	for (size_t i = 0; i < config->disks_len; i++)
		list_fd(fds, &n, config->disks[i].fd);
	for (size_t i = 0; i < config->pmems_len; i++)
		list_fd(fds, &n, config->pmems[i].fd);
	for (size_t i = 0; i < config->nets_len; i++)
		for (size_t j = 0; j < config->nets[i].fds_len; j++)
			list_fd(fds, &n, config->nets[i].fds[j]);
	if (config->vsock.cid > 0)
		list_fd(fds, &n, config->vsock.fd);
	for (size_t i = 0; i < config->shares_len; i++)
		list_fd(fds, &n, config->shares[i].fd);

	return n;
}

static int spawn(struct machine *m, const struct machine_config *config,
		 const struct vmmproto_config *wire, int control_fd, struct err *err)
{
	auto_done(strv) argv = { 0 };
	char path[PATH_MAX], number[16];
	int fds[FDS_MAX];
	struct jail_mount program = { .target = PROGRAM_IN_JAIL,
				      .source = path,
				      .attrs = MOUNT_ATTR_RDONLY };
	struct jail jail = { .argv = &argv,
			     .mounts = &program,
			     .mounts_len = 1,
			     .fds = fds,
			     .flags = JAIL_USERNS,
			     .caps = CAPS_BIT(CAP_SYS_CHROOT),
			     .cgroup = config->cgroup,
			     .cgroup_fd = config->cgroup_fd };
	int r = path_helper(PROGRAM, path, sizeof(path), err);

	if (r < 0)
		return r;
	(void)snprintf(number, sizeof(number), "%d", control_fd);
	if (strv_add(&argv, PROGRAM_IN_JAIL) < 0 || strv_add(&argv, "--control") < 0 ||
	    strv_add(&argv, number) < 0)
		return err_set(err, ENOMEM, "out of memory");
	jail.fds_len = list_fds(wire, control_fd, fds);

	return jail_spawn(&jail, &m->child, err);
}

static int start(struct machine *m, const struct machine_config *config, struct err *err)
{
	auto_close int kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	auto_free struct vmmproto_config *wire = calloc(1, sizeof(*wire));
	struct vmmproto_msg msg = { .type = VMMPROTO_CONFIG, .config = wire };
	int socks[2], r;

	if (kvm_fd < 0)
		return err_sys(err, "open '/dev/kvm'");
	if (!wire)
		return err_set(err, ENOMEM, "out of memory");
	r = describe(config, kvm_fd, wire, err);
	if (r < 0)
		return r;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, socks) < 0)
		return err_sys(err, "make a socket pair");
	m->control_fd = socks[0];
	r = spawn(m, config, wire, socks[1], err);
	fd_close(socks[1]);
	if (r == 0)
		r = request(m, &msg, START_LIMIT_NS, err);
	msg.type = VMMPROTO_START;
	if (r == 0)
		r = request(m, &msg, START_LIMIT_NS, err);

	return r;
}

static void hullvmm_free(struct machine *m)
{
	if (!m)
		return;
	jail_child_done(&m->child);
	fd_close(m->control_fd);
	free(m);
}

static int hullvmm_start(const struct machine_config *config, struct machine **ret, struct err *err)
{
	struct machine *m = calloc(1, sizeof(*m));
	int r;

	if (!m)
		return err_set(err, ENOMEM, "out of memory");
	m->child = (struct jail_child){ .pidfd = -1, .stderr_fd = -1 };
	m->control_fd = -1;
	r = start(m, config, err);
	if (r < 0) {
		hullvmm_free(m);
		return err_wrap(err, r, "start the hypervisor");
	}
	*ret = m;

	return 0;
}

/* ---- while it runs ---- */

static int hullvmm_pause(struct machine *m, bool paused, struct err *err)
{
	struct vmmproto_msg msg = { .type = paused ? VMMPROTO_PAUSE : VMMPROTO_RESUME };

	return request(m, &msg, ANSWER_LIMIT_NS, err);
}

static int hullvmm_balloon(struct machine *m, uint64_t bytes, struct err *err)
{
	struct vmmproto_msg msg = { .type = VMMPROTO_BALLOON, .bytes = bytes };

	return request(m, &msg, ANSWER_LIMIT_NS, err);
}

static int hullvmm_press_button(struct machine *m, struct err *err)
{
	struct vmmproto_msg msg = { .type = VMMPROTO_POWER_BUTTON };

	return request(m, &msg, ANSWER_LIMIT_NS, err);
}

static void hullvmm_kill(struct machine *m)
{
	(void)ns_signal(m->child.pidfd, SIGKILL);
}

static pid_t hullvmm_pid(const struct machine *m)
{
	return m->child.pid;
}

static int hullvmm_death_fd(const struct machine *m)
{
	return m->child.pidfd;
}

static const char *hullvmm_describe(const struct machine *m)
{
	(void)m;

	return "hull-vmm";
}

const struct machine_ops machine_hullvmm_ops = {
	.name = PROGRAM,
	.probe = hullvmm_probe,
	.start = hullvmm_start,
	.pause = hullvmm_pause,
	.balloon = hullvmm_balloon,
	.press_button = hullvmm_press_button,
	.kill = hullvmm_kill,
	.free = hullvmm_free,
	.pid = hullvmm_pid,
	.death_fd = hullvmm_death_fd,
	.last_words = hullvmm_last_words,
	.end = hullvmm_end,
	.describe = hullvmm_describe,
};
