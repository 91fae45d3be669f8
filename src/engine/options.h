/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h - reads and checks those options whose value is a small language
 */
#ifndef ENGINE_OPTIONS_H
#define ENGINE_OPTIONS_H

#include "base/err.h"
#include "engine/config.h"

struct monitor_level;

/*
 * Each reads its list into @config (NULL: nothing was given) and answers 0 or a negative errno;
 * what Docker knows and Hull does not is refused by name.
 */

/* no-new-privileges[=BOOL], seccomp=FILE|unconfined|default, systempaths=unconfined ... */
int options_security(const struct strv *texts, struct engine_config *config, struct err *err);
/* size=BYTES */
int options_storage(const struct strv *texts, struct engine_config *config, struct err *err);
/* max-size=BYTES, max-file=N */
int options_log(const struct strv *texts, struct engine_config *config, struct err *err);

/**
 * options_modes() - Check and complete where namespaces come from
 * @config:	@config->modes is completed: no member but the optional ones is NULL afterwards
 * @level:	what it can share with the host
 * @err:	kind UNSUPPORTED when the level cannot, with its reason; --device, --kernel and
 *		--storage-opt size are checked likewise
 *
 * --privileged, and sharing a namespace with the host or another container, imply
 * --userns host, unless the user says --userns private.
 *
 * Return: 0 or a negative errno.
 */
int options_modes(struct engine_config *config, const struct monitor_level *level, struct err *err);

/* Numbers in range, also that of @level; they hold for every start. 0 or a negative errno. */
int options_limits(const struct engine_config *config, const struct monitor_level *level,
		   struct err *err);

#endif
