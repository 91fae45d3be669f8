/* SPDX-License-Identifier: Apache-2.0
 *
 * machine.h - one virtual machine as a process: start it, freeze it, see it end
 *
 * What is inside is not known here: a machine boots a kernel with an initramfs and has disks,
 * shares and one byte stream to whatever listens in the guest. Each hypervisor is one
 * struct machine_ops. A machine dies with the process that started it.
 */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct cgroup;
struct machine;

#define MACHINE_MEMORY_MIN_BYTES (96 * MIB) /* less boots no distribution kernel */
#define MACHINE_CPUS_MAX 128

/* A raw disk; the guest knows it by its serial number. */
struct machine_disk {
	int fd;
	const char *serial;
	bool readonly;
};

/* A directory tree served by a vhost-user file system daemon. */
struct machine_share {
	int sock_fd; /* connected to the daemon */
	const char *tag;
};

/* A network card on a tap device that the caller has made. */
struct machine_net {
	const int *tap_fds; /* one for each pair of queues, with IFF_VNET_HDR */
	size_t tap_fds_len;
	uint8_t mac[6];
	uint16_t mtu; /* 0: 1500 */
};

/**
 * struct machine_config - what to build; all of it is borrowed
 * @memory_bytes: of the guest, at least MACHINE_MEMORY_MIN_BYTES
 * @cpus:	at least 1
 * @kernel_fd:	uncompressed ELF kernel with a PVH entry, or bzImage
 * @initrd_fd:	initramfs, or -1
 * @disks:	disks
 * @disks_len:	their number
 * @shares:	shares
 * @shares_len:	their number
 * @pmems:	files that the guest has in its address space, read-only and shared; hull-vmm
 *		alone, and without shares
 * @pmems_len:	their number
 * @nets:	network cards; hull-vmm alone
 * @nets_len:	their number
 * @port_name:	name of the stream's port in the guest
 * @stream_fd:	the machine's end of the stream, a socket; -1: there is no port
 * @console_fd:	what is behind the serial port: a file that receives the kernel's messages, or a
 *		socket, which gives its input too; or -1
 * @cmdline:	of the kernel; NULL: what Hull's own guest needs
 * @cgroup:	group its processes are born into, made already; or NULL
 * @cgroup_fd:	its v2 directory, or -1
 */
struct machine_config {
	uint64_t memory_bytes;
	unsigned cpus;
	int kernel_fd, initrd_fd;
	const struct machine_disk *disks;
	size_t disks_len;
	const struct machine_share *shares;
	size_t shares_len;
	const int *pmems;
	size_t pmems_len;
	const struct machine_net *nets;
	size_t nets_len;
	const char *port_name;
	int stream_fd;
	int console_fd;
	const char *cmdline;
	const struct cgroup *cgroup;
	int cgroup_fd;
};

/* Why a machine has ended. */
enum machine_end {
	MACHINE_END_UNKNOWN = 0, /* killed, or its hypervisor failed */
	MACHINE_END_POWER_OFF,	 /* the guest has switched itself off */
	MACHINE_END_RESET,	 /* it has asked for a reset; by QEMU, a triple fault is one too */
	MACHINE_END_PANIC,	 /* its kernel has said that it panics */
	MACHINE_END_TRIPLE_FAULT,
};

/**
 * struct machine_ops - a hypervisor
 * @name:	for messages
 * @probe:	are its programs installed? 0 or a negative errno
 * @start:	start a machine; the caller owns @ret
 * @pause:	stop (true) or resume its processors; waits until it is so. What failed may still
 *		happen later
 * @balloon:	ask the guest to give up @bytes of its memory, all in all; it does as far as it can
 * @press_button: press its power button: a guest that looks at it switches itself off
 * @kill:	end it at once; @death_fd tells when
 * @free:	kill it, wait for its end, forget it; NULL allowed
 * @pid:	process, in the caller's pid namespace
 * @death_fd:	borrowed descriptor, readable once the process has ended
 * @last_words:	what the process said before it ended, into @buf; "" when nothing
 * @end:	why the guest ended, once @death_fd tells that it has
 * @describe:	one word for people; borrowed
 */
struct machine_ops {
	const char *name;
	int (*probe)(struct err *err);
	int (*start)(const struct machine_config *config, struct machine **ret, struct err *err);
	int (*pause)(struct machine *m, bool paused, struct err *err);
	int (*balloon)(struct machine *m, uint64_t bytes, struct err *err);
	int (*press_button)(struct machine *m, struct err *err);
	void (*kill)(struct machine *m);
	void (*free)(struct machine *m);
	pid_t (*pid)(const struct machine *m);
	int (*death_fd)(const struct machine *m);
	void (*last_words)(struct machine *m, char *buf, size_t buf_bytes);
	enum machine_end (*end)(struct machine *m);
	const char *(*describe)(const struct machine *m);
};

/* hull-vmm, our own: on a KVM that can run an unmodified kernel. */
extern const struct machine_ops machine_hullvmm_ops;

/* QEMU: on KVM where that can run an unmodified kernel, else with its own translator. */
extern const struct machine_ops machine_qemu_ops;

/* The same, where KVM is known not to: it is not looked at again. */
extern const struct machine_ops machine_tcg_ops;

/**
 * machine_choose() - The hypervisor for a machine on this host
 * @ret:	one that can run machines here
 * @ret_probe_fd: what is left of the look at KVM, or -1: to be closed once the machine has been
 *		started, see kvm.h. NULL: nothing is left
 * @err:	filled in on failure, may be NULL
 *
 * HULL_MACHINE=hull-vmm or qemu in the environment asks for one by name; else it is hull-vmm where
 * KVM can run an unmodified kernel, and QEMU elsewhere. KVM is probed (kvm.h), at most once.
 *
 * Return: 0, -EINVAL, -ENOTSUP or another negative errno.
 */
int machine_choose(const struct machine_ops **ret, int *ret_probe_fd, struct err *err);

/* Say by what machines of @ops run here, and whether on KVM, into @ret; its code is 0. */
void machine_remark(const struct machine_ops *ops, struct err *ret);

/**
 * machine_find() - A hypervisor by name, without asking whether this host can run it
 * @name:	hull-vmm or qemu
 * @ret:	for kernels that ask less of a host than distribution kernels do
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 or -EINVAL.
 */
int machine_find(const char *name, const struct machine_ops **ret, struct err *err);

#endif
