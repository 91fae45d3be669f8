/* SPDX-License-Identifier: Apache-2.0
 *
 * qmp.c - lines of JSON to and from QEMU
 */
#include "machine/qmp.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/fd.h"
#include "wire/json.h"

#define ANSWER_LIMIT_NS (10 * NS_PER_SEC)
#define LINES_MAX 4096 /* that are taken in search of one: events, and what QEMU makes up */

void qmp_init(struct qmp *qmp, int fd)
{
	*qmp = (struct qmp){ .fd = fd, .in = STRBUF_INIT(QMP_LINE_MAX_BYTES) };
}

void qmp_done(struct qmp *qmp)
{
	qmp->fd = fd_close(qmp->fd);
	strbuf_done(&qmp->in);
}

static int receive_some(struct qmp *qmp, int64_t deadline_ns, struct err *err)
{
	struct pollfd pfd = { .fd = qmp->fd, .events = POLLIN };
	char chunk[4096];
	ssize_t n;

	n = poll(&pfd, 1, clock_poll_ms(deadline_ns));
	if (n < 0 && errno == EINTR)
		return 0;
	if (n == 0)
		return err_set(err, ETIMEDOUT, "QEMU does not answer");
	n = recv(qmp->fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0)
		return err_set(err, EPIPE, "QEMU has gone");

	return strbuf_add(&qmp->in, chunk, (size_t)n) < 0
		       ? err_set(err, EPROTO, "QEMU sent a line that is too long")
		       : 0;
}

/* The next document; the caller owns it. */
static int read_line(struct qmp *qmp, int64_t deadline_ns, json_t **ret, struct err *err)
{
	const char *end;
	int r = 0;

	while (!(end = qmp->in.len ? memchr(qmp->in.text, '\n', qmp->in.len) : NULL) && r == 0)
		r = receive_some(qmp, deadline_ns, err);
	if (r < 0)
		return r;
	r = json_parse(qmp->in.text, (size_t)(end - qmp->in.text), "answer of QEMU", ret, err);
	strbuf_consume(&qmp->in, (size_t)(end + 1 - qmp->in.text));

	return r;
}

/* Skip greeting and events until the answer to the first command that is owed one. */
static int read_answer(struct qmp *qmp, int64_t deadline_ns, struct err *err)
{
	for (unsigned i = 0; i < LINES_MAX; i++) {
		auto_json *line = NULL;
		const json_t *failure = NULL;
		const char *text = "it refused";
		int r = read_line(qmp, deadline_ns, &line, err);

		if (r < 0)
			return r;
		if (json_object_get(line, "return")) {
			qmp->owed--;
			return 0;
		}
		if (json_get_object(line, "error", &failure, err) < 0)
			return -EINVAL;
		if (!failure)
			continue;
		qmp->owed--;
		(void)json_get_text(failure, "desc", &text, NULL);
		return err_set(err, EIO, "QEMU said: %s", text);
	}

	return err_set(err, EPROTO, "QEMU says everything but an answer");
}

static int send_command(struct qmp *qmp, const char *name, const char *arguments, struct err *err)
{
	char line[256];
	int len = snprintf(line, sizeof(line), "{\"execute\":\"%s\"%s%s}\n", name,
			   arguments ? ",\"arguments\":" : "", arguments ? arguments : "");
	ssize_t n = send(qmp->fd, line, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n != len)
		return err_set(err, EPIPE, "QEMU does not take commands");
	qmp->owed++;

	return 0;
}

/* Answers come in order: those to earlier commands first, which nobody waits for any more. */
static int send_and_wait(struct qmp *qmp, const char *name, const char *arguments,
			 int64_t deadline_ns, struct err *err)
{
	int r = send_command(qmp, name, arguments, err);
	unsigned owed;

	if (r < 0)
		return r;
	do {
		owed = qmp->owed;
		r = read_answer(qmp, deadline_ns, err);
	} while (qmp->owed > 0 && qmp->owed < owed);

	return r;
}

int qmp_command(struct qmp *qmp, const char *name, const char *arguments, struct err *err)
{
	int64_t deadline_ns = clock_now_ns() + ANSWER_LIMIT_NS;
	int r = 0;

	if (!qmp->greeted)
		r = send_and_wait(qmp, "qmp_capabilities", NULL, deadline_ns, err);
	if (r == 0) {
		qmp->greeted = true;
		r = send_and_wait(qmp, name, arguments, deadline_ns, err);
	}

	return r < 0 ? err_wrap(err, r, "QEMU command '%s'", name) : 0;
}

int qmp_ask_for_events(struct qmp *qmp)
{
	int r = send_command(qmp, "qmp_capabilities", NULL, NULL);

	qmp->greeted = r == 0;

	return r;
}

void qmp_shutdown_reason(struct qmp *qmp, char *buf, size_t buf_bytes)
{
	buf[0] = '\0';
	for (unsigned i = 0; i < LINES_MAX; i++) {
		auto_json *line = NULL;
		const char *event = "", *reason = "";

		if (read_line(qmp, clock_now_ns(), &line, NULL) < 0)
			return;
		(void)json_get_text(line, "event", &event, NULL);
		if (strcmp(event, "SHUTDOWN") != 0)
			continue;
		(void)json_get_text(json_object_get(line, "data"), "reason", &reason, NULL);
		(void)snprintf(buf, buf_bytes, "%s", reason);
	}
}
