/* SPDX-License-Identifier: Apache-2.0
 *
 * kconfig.c - what the configuration of a packaged kernel says
 */
#include "image/kconfig.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/mem.h"
#include "base/parse.h"

#define KERNEL_PREFIX "vmlinuz-"
#define CONFIG_MAX_BYTES (4 * MIB)

/* The text, or NULL; the caller frees it. */
static char *read_config(const char *kernel, const char *modules)
{
	const char *slash = strrchr(kernel, '/'), *name = slash ? slash + 1 : kernel;
	auto_free char *path = NULL;
	char *text = NULL;

	if (strncmp(name, KERNEL_PREFIX, strlen(KERNEL_PREFIX)) == 0) {
		path = mem_printf("%.*sconfig-%s", (int)(name - kernel), kernel,
				  name + strlen(KERNEL_PREFIX));
		(void)fd_read_file(AT_FDCWD, path, CONFIG_MAX_BYTES, &text, NULL, NULL);
	}
	if (!text) {
		free(path);
		path = mem_printf("%s/config", modules);
		(void)fd_read_file(AT_FDCWD, path, CONFIG_MAX_BYTES, &text, NULL, NULL);
	}

	return text;
}

bool kconfig_takes_unsigned(const char *kernel, const char *modules)
{
	static const char *const refusing[] = { "CONFIG_MODULE_SIG_FORCE=y",
						"CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y",
						"CONFIG_LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=y" };
	auto_free char *text = read_config(kernel, modules);
	bool is_config = false;
	struct slice rest, line;

	if (!text)
		return false;
	rest = slice_of(text);
	while (slice_next(&rest, '\n', &line)) {
		is_config = is_config || slice_eq(line, "CONFIG_MODULES=y");
		for (size_t i = 0; i < ARRAY_SIZE(refusing); i++)
			if (slice_eq(line, refusing[i]))
				return false;
	}

	return is_config;
}
