/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_monitor.c - what a monitor reads from a client, a client from a monitor, and a log file
 *
 * The input is used three times: as a stream of frames, as the reply of a monitor, and as the
 * content of a log.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor/client.h"
#include "monitor/logfile.h"
#include "monitor/proto.h"

/* More than this does not fit into the buffer of a socket. */
#define STREAM_MAX_BYTES (64 * KIB)

static void check_frame(const struct proto_reader *in)
{
	struct proto_reply reply;
	struct proto_start start;
	struct err err = ERR_INIT;
	struct slice rest;
	const char *text;

	fuzz_assert(in->header.len <= PROTO_MAX_BYTES);
	fuzz_assert(in->body[in->header.len] == '\0');
	if (proto_get_reply(in, &reply, &rest, &err) < 0) {
		char all[2 * sizeof(err.frames)];

		fuzz_assert(err.code > 0);
		fuzz_assert(strnlen(err.hint, sizeof(err.hint)) < sizeof(err.hint));
		fuzz_assert(strlen(err_text(&err, all, sizeof(all))) < sizeof(all));
	}
	if (proto_get(in, &start, sizeof(start), &rest) < 0)
		return;
	while ((text = proto_next_text(&rest)))
		fuzz_assert(text + strlen(text) < in->body + in->header.len);
}

static void read_frames(const uint8_t *data, size_t len)
{
	struct proto_reader in = { 0 };
	int ends[2], r;

	if (len > STREAM_MAX_BYTES)
		return;
	fuzz_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
	fuzz_assert(len == 0 || write(ends[0], data, len) == (ssize_t)len);
	close(ends[0]);
	while ((r = proto_read(&in, ends[1])) == 1) {
		check_frame(&in);
		proto_reader_done(&in);
	}
	fuzz_assert(r == -EPIPE || r == -EPROTO);
	proto_reader_done(&in);
	close(ends[1]);
}

static int check_entry(void *ctx, const struct monitor_log_entry *entry)
{
	size_t *total = ctx;

	fuzz_assert(entry->stream == 1 || entry->stream == 2);
	fuzz_assert(entry->text);
	*total += entry->text_len;

	return 0;
}

static void read_log(const uint8_t *data, size_t len)
{
	char dir[] = "/tmp/hull-fuzz-XXXXXX", path[64];
	struct monitor_log_query query = { .log = { .path = path, .max_files = 1 },
					   .run_dir = "/nonexistent",
					   .tail = -1 };
	size_t all = 0, last = 0;
	int fd;

	fuzz_assert(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	fuzz_assert(fd >= 0);
	fuzz_assert(len == 0 || write(fd, data, len) == (ssize_t)len);
	close(fd);
	(void)monitor_log_read(&query, check_entry, NULL, &all, NULL);
	fuzz_assert(all <= len);
	query.tail = 1;
	(void)monitor_log_read(&query, check_entry, NULL, &last, NULL);
	fuzz_assert(last <= all);
	(void)unlink(path);
	(void)rmdir(dir);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	read_frames(data, len);
	read_log(data, len);

	return 0;
}
