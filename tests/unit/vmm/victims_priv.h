/* SPDX-License-Identifier: Apache-2.0
 *
 * victims_priv.h - the victims that are connected to more than a file, for the table of victims
 */
#ifndef TESTS_VMM_VICTIMS_PRIV_H
#define TESTS_VMM_VICTIMS_PRIV_H

#include "vmm/victims.h"

/* A pair of sockets that never wait: ours, and into @ret_theirs the device's. */
int victim_pair(int *ret_theirs);
/* Read and forget what there is. */
void victim_drain(int fd);

/* See struct victim. */
void *fs_make(struct lying_guest *g);
void fs_free(void *thing);
void fs_works(struct lying_guest *g, void *thing);
void *net_make(struct lying_guest *g);
void net_free(void *thing);
void net_poke(void *thing, const uint8_t *bytes, size_t len);
void net_works(struct lying_guest *g, void *thing);
void *net_pairs_make(struct lying_guest *g);
void net_pairs_work(struct lying_guest *g, void *thing);
void *vsock_make(struct lying_guest *g);
void vsock_free(void *thing);
void vsock_poke(void *thing, const uint8_t *bytes, size_t len);
void vsock_works(struct lying_guest *g, void *thing);

#endif
