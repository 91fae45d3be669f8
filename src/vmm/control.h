/* SPDX-License-Identifier: Apache-2.0
 *
 * control.h - hull-vmm's end of the control descriptor
 */
#ifndef VMM_CONTROL_H
#define VMM_CONTROL_H

#include "vmm/vmm.h"

/**
 * struct control - who gives the orders
 * @fd:		SOCK_SEQPACKET, owned
 * @source:	of the machine's loop
 * @vmm:	the machine, which @configured says has been made
 * @configured:	vmm_init() has been called
 * @pause_seq:	the request to pause that waits for its answer
 * @pausing:	there is one
 */
struct control {
	int fd;
	struct loop_source source;
	struct vmm vmm;
	bool configured;
	uint32_t pause_seq;
	bool pausing;
};

/**
 * control_serve() - Do what the starter says until the machine ends or the starter has gone
 * @control:	zeroed, must not move
 * @fd:		given
 * @err:	filled in on failure, may be NULL
 *
 * Return: 0 when the machine has ended in order, or a negative errno. What it was made of is left
 *	   to the end of the process, which its filters allow no more than that.
 */
int control_serve(struct control *control, int fd, struct err *err);

#endif
