/* SPDX-License-Identifier: Apache-2.0
 *
 * compromised.c - turns hull-vmm into one that tries what its guest orders; for tests alone
 *
 * Linked with the program's own main.c and library. The linker's --wrap puts these functions in
 * the place of the library's: the write of a port (the thread of a processor), the look at
 * processors that have stopped (that of the loop), the making of a disk's ring, and the reading of
 * requests. Orders are heard once the machine has been started as far as its starter knows.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "compromised.h"
#include "vmm/chipset.h"
#include "vmm/control.h"
#include "vmm/virtio/blockio.h"
#include "vmm/vmm.h"

/* Configure, start, and one that shows that the starter has got its answers. */
#define REQUESTS_BEFORE 3

static int ordered = -1; /* on the loop's thread */
static bool babbles;
static unsigned requests;

/* Who comes back says so, and ends without a last word of the machine. */
static void try(uint8_t order)
{
	char text[128];
	long result;

	if (order >= attempts_len)
		return;
	result = attempts[order].run();
	(void)snprintf(text, sizeof(text), "%s: %ld\n", attempts[order].name, result);
	(void)!write(STDERR_FILENO, text, strlen(text));
	(void)syscall(SYS_exit_group, 0);
}

/* To whoever asks, and to whoever reads last words. */
static NORETURN void babble(const struct control *control)
{
	const struct vmmproto_msg msg = { .type = VMMPROTO_REPLY };
	uint8_t packet[256];
	int n = vmmproto_encode(&msg, packet, sizeof(packet));

	for (;;) {
		(void)send(control->fd, packet, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
		(void)!write(STDERR_FILENO, "bbbbbb", 6);
	}
}

/* NOLINTBEGIN(bugprone-reserved-identifier): the names are the linker's */
void __real_chipset_write(struct chipset *chipset, uint16_t port, const uint8_t *data,
			  unsigned bytes);
void __wrap_chipset_write(struct chipset *chipset, uint16_t port, const uint8_t *data,
			  unsigned bytes);
void __wrap_chipset_write(struct chipset *chipset, uint16_t port, const uint8_t *data,
			  unsigned bytes)
{
	struct vmm *vmm = (void *)((char *)chipset - offsetof(struct vmm, chipset));

	if (port != PORT_ON_VCPU && port != PORT_ON_LOOP && port != PORT_BABBLE) {
		__real_chipset_write(chipset, port, data, bytes);
	} else if (__atomic_load_n(&requests, __ATOMIC_RELAXED) < REQUESTS_BEFORE) {
		; /* the guest repeats it */
	} else if (port == PORT_ON_VCPU) {
		try(data[0]);
	} else {
		if (port == PORT_BABBLE)
			babbles = true;
		else
			ordered = data[0];
		fd_raise(vmm->vcpus.event_fd);
	}
}

int __real_vmmproto_decode(const uint8_t *packet, size_t len, struct vmmproto_msg *msg);
int __wrap_vmmproto_decode(const uint8_t *packet, size_t len, struct vmmproto_msg *msg);
int __wrap_vmmproto_decode(const uint8_t *packet, size_t len, struct vmmproto_msg *msg)
{
	(void)__atomic_add_fetch(&requests, 1, __ATOMIC_RELAXED);

	return __real_vmmproto_decode(packet, len, msg);
}

enum vcpu_stop __real_vcpus_stop_reason(struct vcpus *vcpus, struct err *ret_failure);
enum vcpu_stop __wrap_vcpus_stop_reason(struct vcpus *vcpus, struct err *ret_failure);
enum vcpu_stop __wrap_vcpus_stop_reason(struct vcpus *vcpus, struct err *ret_failure)
{
	if (babbles)
		babble((void *)((char *)vcpus - offsetof(struct control, vmm.vcpus)));
	if (ordered >= 0)
		try((uint8_t)ordered);

	return __real_vcpus_stop_reason(vcpus, ret_failure);
}

int __real_blockio_init(struct blockio *io, int file_fd, unsigned entries, bool use_ring,
			struct err *err);
int __wrap_blockio_init(struct blockio *io, int file_fd, unsigned entries, bool use_ring,
			struct err *err);
int __wrap_blockio_init(struct blockio *io, int file_fd, unsigned entries, bool use_ring,
			struct err *err)
{
	captured = (struct captured){ .io = io, .disk_fd = file_fd };

	return __real_blockio_init(io, file_fd, entries, use_ring, err);
}
/* NOLINTEND(bugprone-reserved-identifier) */
