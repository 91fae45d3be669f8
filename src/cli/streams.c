/* SPDX-License-Identifier: Apache-2.0
 *
 * streams.c - the streams of this process, for commands that stay with a workload
 */
#include "cli/streams.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"

int cli_detach_keys(const char *text, char buf[DETACH_KEYS_MAX], struct err *err)
{
	struct slice rest = slice_of(text), key;
	int len = 0;

	if (!*text)
		return 0;
	while (slice_next(&rest, ',', &key)) {
		bool ctrl = key.len == 6 && strncmp(key.at, "ctrl-", 5) == 0;
		char c = key.len ? key.at[key.len - 1] : '\0';

		if ((key.len != 1 && !ctrl) || len == DETACH_KEYS_MAX ||
		    (ctrl && !((c >= 'a' && c <= 'z') || strchr("@[\\]^_", c))))
			return err_setk(
				err, ERR_USAGE, EINVAL,
				"invalid --detach-keys '%s': expected such as ctrl-p,ctrl-q", text);
		buf[len++] = (char)(ctrl ? c & 0x1f : c);
	}

	return len;
}

int cli_streams_init(struct cli_streams *ret, const struct streams_args *args, struct err *err)
{
	int r = cli_detach_keys(args->detach_keys, ret->keys, err);

	if (r < 0)
		return r;
	ret->streams = (struct engine_streams){
		.stdin_fd = args->with_stdin ? STDIN_FILENO : -1,
		.stdout_fd = STDOUT_FILENO,
		.stderr_fd = STDERR_FILENO,
		.detach_keys = ret->keys,
		.detach_keys_len = (size_t)r,
		.forward_signals = args->sig_proxy,
	};

	return 0;
}

int cli_streams_check_terminal(bool tty, bool interactive, struct err *err)
{
	if (!tty || !interactive || isatty(STDIN_FILENO))
		return 0;
	err_setk(err, ERR_USAGE, ENOTTY, "the input device is not a TTY");
	err_hint(err, "leave -t out when input comes from a pipe or a file");

	return -ENOTTY;
}

int cli_streams_status(int r, const struct engine_end *end)
{
	if (r < 0 || end->detached)
		return r;
	if (end->error[0])
		fprintf(stderr, "hull: %s\n", end->error);

	return end->exit_status;
}
