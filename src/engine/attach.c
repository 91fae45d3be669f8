/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.c - joins the caller's streams to a process of a workload
 */
#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine/internal.h"

/* The process gets the size of the caller's terminal from the beginning. */
void engine_terminal_size(struct spec_process *process, const struct engine_streams *streams)
{
	struct winsize size;

	if (!process->terminal || !streams)
		return;
	if (ioctl(streams->stdout_fd, TIOCGWINSZ, &size) == 0 ||
	    ioctl(streams->stdin_fd, TIOCGWINSZ, &size) == 0) {
		process->rows = size.ws_row;
		process->cols = size.ws_col;
	}
}

int engine_relay(struct monitor_client *client, const struct relay *relay,
		 const struct engine_streams *streams, struct monitor_end *ret, struct err *err)
{
	bool raw = relay->terminal && streams->stdin_fd >= 0 && isatty(streams->stdin_fd);
	struct monitor_attach attach = {
		.proc = relay->proc,
		.stdin_fd = streams->stdin_fd,
		.stdout_fd = streams->stdout_fd,
		.stderr_fd = relay->terminal ? -1 : streams->stderr_fd,
		.terminal = relay->terminal,
		.raw_fd = raw ? streams->stdin_fd : -1,
		.detach_keys = raw ? streams->detach_keys : NULL,
		.detach_keys_len = raw ? streams->detach_keys_len : 0,
		.forward_signals = streams->forward_signals,
		.begin = relay->begin,
	};

	return monitor_attach(client, &attach, ret, err);
}

int engine_attach(struct engine *e, const char *ref, const struct engine_streams *streams,
		  struct engine_end *ret_end, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	struct engine_streams wanted = *streams;
	struct relay relay = { 0 };
	struct monitor_end end = { 0 };
	int r = engine_find(e, ref, &c, err);

	if (r == 0)
		r = engine_connect(e, &c, &client, err);
	if (r == 0 && !c.config.open_stdin)
		wanted.stdin_fd = -1;
	relay.terminal = c.config.tty;
	if (r == 0)
		r = engine_relay(client, &relay, &wanted, &end, err);
	if (r < 0)
		return err_wrap(err, r, "cannot attach to container '%s'", ref);
	*ret_end = (struct engine_end){ end.detached, end.exit_status, end.oom, "" };

	return 0;
}
