/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - hull-monitor: the process that owns one workload and outlives whoever started it
 *
 * hull starts it with a socket as standard input and no arguments; see proto.h for what comes
 * over it. The monitor leaves the session, so that no terminal's hang-up reaches it, and keeps
 * nothing of its starter open.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/failpoint.h"
#include "base/log.h"
#include "monitor/server.h"

/* A starter that sends no request within this time is none. */
#define START_NS (30 * NS_PER_SEC)

static int usage(FILE *to, int status)
{
	fputs("usage: hull-monitor --probe LEVEL | --version | --help\n"
	      "The process behind a workload; started by hull. See hull-monitor(8).\n",
	      to);

	return status;
}

static int probe(const char *level, struct err *err)
{
	const struct sandbox_ops *ops = sandbox_find(level);

	if (!ops)
		return err_setk(err, ERR_USAGE, EINVAL, "unknown isolation level '%s'", level);

	return ops->probe(err);
}

static int probe_and_print(const char *level)
{
	struct err err = ERR_INIT;
	char text[sizeof(err.frames) * 2];

	if (probe(level, &err) == 0) {
		printf("%s\n", err_text(&err, text, sizeof(text)));
		return 0;
	}
	fprintf(stderr, "hull-monitor: level '%s': %s\n", level,
		err_text(&err, text, sizeof(text)));
	if (err.hint[0] != '\0')
		fprintf(stderr, "hint: %s\n", err.hint);

	return 1;
}

/* Wait for the first frame, whole. 0 or a negative errno. */
static int receive_first(struct proto_reader *frame, int sock_fd)
{
	int64_t deadline_ns = clock_now_ns() + START_NS;
	int r;

	while ((r = proto_read(frame, sock_fd)) != 1) {
		struct pollfd wait = { .fd = sock_fd, .events = POLLIN };

		if (r != -EAGAIN)
			return r;
		if (poll(&wait, 1, clock_poll_ms(deadline_ns)) == 0)
			return -ETIMEDOUT;
	}

	return 0;
}

static void ignore_signal(int signo)
{
	(void)signo;
}

static void take_signal(void *ctx, uint32_t events)
{
	struct monitor *m = ctx;
	struct signalfd_siginfo info;

	(void)events;
	if (read(m->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info))
		life_kill(m);
}

/* SIGTERM ends the workload; nothing else that a person or terminal sends reaches it. */
static int set_signals(struct monitor *m, struct err *err)
{
	/* A handler, not SIG_IGN: it does not survive the exec of a workload. */
	struct sigaction action = { .sa_handler = ignore_signal, .sa_flags = SA_RESTART };
	sigset_t mask;

	(void)sigaction(SIGPIPE, &action, NULL);
	(void)sigaction(SIGHUP, &action, NULL);
	(void)sigaction(SIGQUIT, &action, NULL);
	/* Of a limit on the size of files that the log has met: its writes fail then. */
	(void)sigaction(SIGXFSZ, &action, NULL);
	/* Ignored, it would keep the status of our children from us. */
	(void)signal(SIGCHLD, SIG_DFL);
	sigemptyset(&mask);
	sigaddset(&mask, SIGTERM);
	sigaddset(&mask, SIGINT);
	m->signal_fd = loop_signal_fd(&mask, err);
	if (m->signal_fd < 0)
		return m->signal_fd;
	m->signals = (struct loop_source){ .fd = m->signal_fd, .fn = take_signal, .ctx = m };

	return loop_add(&m->loop, &m->signals, EPOLLIN);
}

/* Run the sandbox to its end. The caller has sent nothing yet to @sock_fd, which is taken. */
static int serve(struct monitor *m, struct proto_reader *frame, int sock_fd)
{
	struct err err = ERR_INIT;
	int r, sent;

	r = set_signals(m, &err);
	if (r == 0)
		r = life_create(m, frame, sock_fd, &err);
	proto_reader_done(frame);
	sent = proto_send_reply(sock_fd, PROTO_START, r, 0, &err);
	if (r < 0) {
		/* Nobody is left who knows that there is something to undo. */
		m->orphan = sent < 0;
		fd_close(sock_fd);
		return r;
	}
	if (!client_new(m, sock_fd, true) || server_listen(m, &err) < 0) {
		m->orphan = true;
		return life_discard(m, &err);
	}

	return loop_run(&m->loop, &err);
}

/* At the very end: what the engine wants done after a workload. Returns only if it fails. */
static int reap(const struct monitor *m)
{
	sigset_t none;

	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)execv(m->reap_args.items[0], strv_argv(&m->reap_args));

	return 127;
}

static int run(int sock_fd)
{
	struct proto_reader frame = { 0 };
	struct monitor *m = calloc(1, sizeof(*m));
	struct err err = ERR_INIT;

	if (!m || loop_init(&m->loop, &err) < 0 || receive_first(&frame, sock_fd) < 0)
		return 1;
	m->run_fd = m->lock_fd = m->listen_fd = -1;
	if (frame.header.type == PROTO_PROBE) {
		int r = probe(frame.body, &err);

		r = r < 0 ? proto_send_reply(sock_fd, PROTO_PROBE, r, 0, &err)
			  : proto_send_document(sock_fd, PROTO_PROBE, &err, sizeof(err));
		return r < 0;
	}
	if (frame.header.type != PROTO_START)
		return 1;
	(void)serve(m, &frame, sock_fd);
	failpoint("monitor-told");

	return (m->orphan || (m->ended && !m->reap_told)) && m->reap_args.len > 0 ? reap(m) : 0;
}

int main(int argc, char **argv)
{
	struct stat st;
	int sock_fd;

	log_set_program("hull-monitor");
	if (argc == 3 && strcmp(argv[1], "--probe") == 0)
		return probe_and_print(argv[2]);
	if (argc == 2 && strcmp(argv[1], "--version") == 0)
		return puts("hull-monitor " HULL_VERSION) < 0;
	if (argc == 2 && strcmp(argv[1], "--help") == 0)
		return usage(stdout, 0);
	if (argc != 1 || fstat(STDIN_FILENO, &st) < 0 || !S_ISSOCK(st.st_mode))
		return usage(stderr, 125);

	/* Before Linux 6.14 the name of what is executed by descriptor is its number. */
	(void)prctl(PR_SET_NAME, "hull-monitor");
	/* Out of the session, and out of the way of unmounts. Fails only for a group leader. */
	(void)setsid();
	(void)umask(022);
	if (chdir("/") < 0)
		return 1;
	/* Number 0 becomes /dev/null, as 1 and 2 are already. */
	sock_fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	if (sock_fd < 0 || dup2(STDOUT_FILENO, STDIN_FILENO) < 0)
		return 1;

	return run(sock_fd);
}
