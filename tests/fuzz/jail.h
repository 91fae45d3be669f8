/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.h - a filesystem of its own for targets that need files
 */
#ifndef TESTS_FUZZ_JAIL_H
#define TESTS_FUZZ_JAIL_H

/*
 * Enter a user namespace as its root, and make a tmpfs that is attached nowhere: devices cannot
 * be made in it, and nothing of it is left. Returns a descriptor of its root.
 */
int jail_enter(void);

#endif
