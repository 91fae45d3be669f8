/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.h - what hull compare has run inside: a program that measures, and one that holds another
 */
#ifndef INIT_PROBE_H
#define INIT_PROBE_H

/**
 * probe_measure() - Say where this is, wait to be asked, measure
 *
 * Prints a line "name=value ..." about the kernel and its own memory at once; when a byte comes in,
 * another about system calls and files. Ends with its input. Return: exit status.
 */
int probe_measure(void);

/**
 * probe_hold() - Run a command for as long as the input lasts
 * @argv:	command, found by PATH
 *
 * So that it cannot outlive whoever wants to measure it. Return: 0 when it has run, however it
 * ended; 126 or 127 when it could not be run.
 */
int probe_hold(char *const argv[]);

#endif
