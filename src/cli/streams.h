/* SPDX-License-Identifier: Apache-2.0
 *
 * streams.h - the streams of this process, for commands that stay with a workload
 */
#ifndef CLI_STREAMS_H
#define CLI_STREAMS_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/container.h"

#define DETACH_KEYS_DEFAULT "ctrl-p,ctrl-q"
#define DETACH_KEYS_MAX 16

/* What to attach, and with which keys: as in the entry of --detach-keys and --sig-proxy. */
struct streams_args {
	bool with_stdin, sig_proxy;
	const char *detach_keys;
};

/* @keys holds what @streams borrows: not to be moved. */
struct cli_streams {
	struct engine_streams streams;
	char keys[DETACH_KEYS_MAX];
};

/* Fill in @ret. 0, or -EINVAL for keys that are none, kind USAGE. */
int cli_streams_init(struct cli_streams *ret, const struct streams_args *args, struct err *err);

/* Refuse -it where stdin is no terminal. 0 or -ENOTTY, kind USAGE. */
int cli_streams_check_terminal(bool tty, bool interactive, struct err *err);

/* What a command ends with whose engine call returned @r: the workload's status, 0 if detached. */
int cli_streams_status(int r, const struct engine_end *end);

/* Read "ctrl-p,ctrl-q" or "a,b,ctrl-[": bytes to @buf. Their number or -EINVAL, kind USAGE. */
int cli_detach_keys(const char *text, char buf[DETACH_KEYS_MAX], struct err *err);

#endif
