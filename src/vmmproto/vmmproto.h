/* SPDX-License-Identifier: Apache-2.0
 *
 * vmmproto.h - control messages of hull-vmm: one schema, bounded, binary
 *
 * The starter of a machine and its hull-vmm share a SOCK_SEQPACKET pair; a packet is a message. The
 * starter asks, one request at a time, and each gets one REPLY with its number. The machine speaks
 * unasked once, END, before it ends. When either side has closed its end the other gives up.
 *
 * Integers are little-endian; a text is its length (16 bits) and its bytes. Descriptors are numbers
 * that the program has inherited. Both sides treat what they receive as hostile: a message that is
 * cut short, has bytes left over or a field outside its range is refused whole.
 */
#ifndef VMMPROTO_VMMPROTO_H
#define VMMPROTO_VMMPROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define VMMPROTO_VERSION 1
#define VMMPROTO_PACKET_MAX_BYTES 32768
#define VMMPROTO_CMDLINE_MAX 2047
#define VMMPROTO_NAME_MAX 36 /* of ports, tags and serial numbers; virtio has 20 to 36 */
#define VMMPROTO_TEXT_MAX 511
#define VMMPROTO_DISKS_MAX 201 /* the most layers, and a writable one */
#define VMMPROTO_SHARES_MAX 64
#define VMMPROTO_PORTS_MAX 16
#define VMMPROTO_NETS_MAX 8
#define VMMPROTO_NET_PAIRS_MAX 8
#define VMMPROTO_PMEMS_MAX 200 /* the most layers */
#define VMMPROTO_MAC_BYTES 6
#define VMMPROTO_CID_MIN 3 /* of a guest: what is below has a meaning of its own */
#define VMMPROTO_CPUS_MAX 64

enum vmmproto_type {
	VMMPROTO_CONFIG = 1,	 /* make the machine; @config */
	VMMPROTO_START,		 /* let it run */
	VMMPROTO_PAUSE,		 /* answered once no processor runs */
	VMMPROTO_RESUME,	 /* a pause that is under way fails with ECANCELED */
	VMMPROTO_STATS,		 /* answered with @stats */
	VMMPROTO_POWER_BUTTON,	 /* press it */
	VMMPROTO_NEW_GENERATION, /* it is a copy: give it an identity of its own */
	VMMPROTO_BALLOON,	 /* ask the guest to give up @bytes */
	VMMPROTO_QUIT,		 /* end the machine */
	VMMPROTO_REPLY,		 /* @code and @text, or @stats */
	VMMPROTO_END,		 /* @end and @text */
};

enum vmmproto_end {
	VMMPROTO_END_POWER_OFF = 1, /* the guest has switched itself off */
	VMMPROTO_END_RESET,	    /* the guest has asked for a reset */
	VMMPROTO_END_TRIPLE_FAULT,  /* a processor could not handle a fault */
	VMMPROTO_END_PANIC,	    /* the guest's kernel has given up, and said so */
	VMMPROTO_END_FAILED,	    /* KVM or we could not go on */
};

/* A raw disk. */
struct vmmproto_disk {
	int32_t fd;
	bool readonly;
	char serial[VMMPROTO_NAME_MAX + 1];
};

/* A byte stream: a port of the console. */
struct vmmproto_port {
	int32_t fd; /* socket */
	char name[VMMPROTO_NAME_MAX + 1];
};

/* A file that the guest finds in its address space, read-only and shared. */
struct vmmproto_pmem {
	int32_t fd;
};

/**
 * struct vmmproto_net - a network card
 * @fds:	of /dev/net/tun, one for each pair of queues, all attached to one device with
 *IFF_TAP, IFF_NO_PI, IFF_VNET_HDR and, when they are several, IFF_MULTI_QUEUE
 * @fds_len:	1 to VMMPROTO_NET_PAIRS_MAX
 * @mac:	address of the guest, not a group's
 * @mtu:	largest packet without segmentation; 0: 1500
 */
struct vmmproto_net {
	int32_t fds[VMMPROTO_NET_PAIRS_MAX];
	size_t fds_len;
	uint8_t mac[VMMPROTO_MAC_BYTES];
	uint16_t mtu;
};

enum vmmproto_vsock_kind {
	VMMPROTO_VSOCK_CONNECT = 1, /* to @port of your side; @token is the asker's */
	VMMPROTO_VSOCK_ANSWER,	    /* to the CONNECT of @token; @error: errno value, 0: done */
};

/**
 * struct vmmproto_vsock_msg - about one connection between host and guest
 *
 * A packet on the socket of struct vmmproto_vsock, in the byte order of the host, which both ends
 * are of. Either end may ask, and each numbers what it asks. The stream sockets are the starter's:
 * it sends one end with its CONNECT for a program of the host, or with the ANSWER that lets the
 * guest in; hull-vmm never makes one. When the starter closes the socket nothing more can be
 * connected, and what is connected stays so.
 */
struct vmmproto_vsock_msg {
	uint32_t kind, token, port, error;
};

/**
 * struct vmmproto_vsock - sockets between host and guest
 * @cid:	address of the guest, VMMPROTO_CID_MIN or more; 0: there are none, and @fd is
 * nothing
 * @fd:		SOCK_SEQPACKET socket of struct vmmproto_vsock_msg
 */
struct vmmproto_vsock {
	uint32_t cid;
	int32_t fd;
};

/* A directory tree behind a vhost-user daemon. */
struct vmmproto_share {
	int32_t fd;
	char tag[VMMPROTO_NAME_MAX + 1];
};

/**
 * struct vmmproto_config - the machine; descriptors are -1 where there is none
 * @memory_bytes: of the guest
 * @cpus:	1 to VMMPROTO_CPUS_MAX
 * @kvm_fd:	of /dev/kvm
 * @kernel_fd:	ELF kernel with a PVH entry, or bzImage
 * @initrd_fd:	initramfs
 * @console_fd:	where the serial port's output goes; a socket also gives its input
 * @cmdline:	of the kernel
 * @ports:	ports of the console
 * @ports_len:	their number
 * @disks:	disks
 * @disks_len:	their number
 * @pmems:	files in the address space, in the order in which the guest numbers them
 * @pmems_len:	their number
 * @nets:	network cards
 * @nets_len:	their number
 * @vsock:	sockets
 * @shares:	shares
 * @shares_len:	their number
 */
struct vmmproto_config {
	uint64_t memory_bytes;
	uint32_t cpus;
	int32_t kvm_fd, kernel_fd, initrd_fd, console_fd;
	char cmdline[VMMPROTO_CMDLINE_MAX + 1];
	struct vmmproto_port ports[VMMPROTO_PORTS_MAX];
	size_t ports_len;
	struct vmmproto_disk disks[VMMPROTO_DISKS_MAX];
	size_t disks_len;
	struct vmmproto_pmem pmems[VMMPROTO_PMEMS_MAX];
	size_t pmems_len;
	struct vmmproto_net nets[VMMPROTO_NETS_MAX];
	size_t nets_len;
	struct vmmproto_vsock vsock;
	struct vmmproto_share shares[VMMPROTO_SHARES_MAX];
	size_t shares_len;
};

/* What the machine has done so far. */
struct vmmproto_stats {
	uint64_t port_exits, mmio_exits;
};

/**
 * struct vmmproto_msg - a message; which members count depends on @type
 * @type:	enum vmmproto_type
 * @seq:	number of the request; of the request that a REPLY answers
 * @bytes:	of the guest's memory
 * @code:	errno value of a REPLY, 0: done
 * @end:	enum vmmproto_end
 * @text:	why; "" when there is nothing to say
 * @stats:	statistics
 * @config:	borrowed by the encoder, room given to the decoder
 */
struct vmmproto_msg {
	enum vmmproto_type type;
	uint32_t seq, code;
	uint64_t bytes;
	enum vmmproto_end end;
	char text[VMMPROTO_TEXT_MAX + 1];
	struct vmmproto_stats stats;
	struct vmmproto_config *config;
};

/**
 * vmmproto_encode() - Write a message
 * @msg:	message
 * @buf:	destination
 * @buf_bytes:	its size
 *
 * Return: bytes used, or -EMSGSIZE.
 */
int vmmproto_encode(const struct vmmproto_msg *msg, uint8_t *buf, size_t buf_bytes);

/**
 * vmmproto_decode() - Read a message
 * @buf:	packet
 * @buf_bytes:	its size
 * @ret:	filled in; where its config is NULL, a CONFIG is refused
 *
 * Return: 0 or -EPROTO; then @ret holds nothing of use.
 */
int vmmproto_decode(const uint8_t *buf, size_t buf_bytes, struct vmmproto_msg *ret);

/* One word for an end: "power-off", "reset", "triple fault", "guest panic", "failure". */
const char *vmmproto_end_name(enum vmmproto_end end);

#endif
