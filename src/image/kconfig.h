/* SPDX-License-Identifier: Apache-2.0
 *
 * kconfig.h - what the configuration of a packaged kernel says
 */
#ifndef IMAGE_KCONFIG_H
#define IMAGE_KCONFIG_H

#include <stdbool.h>

/**
 * kconfig_takes_unsigned() - Does a kernel load modules that have no signature?
 * @kernel:	host path of the kernel
 * @modules:	host path of its modules
 *
 * Distributions put the configuration beside vmlinuz-VERSION, as config-VERSION, or beside the
 * modules, as config.
 *
 * Return: true when it is there and says so.
 */
bool kconfig_takes_unsigned(const char *kernel, const char *modules);

#endif
