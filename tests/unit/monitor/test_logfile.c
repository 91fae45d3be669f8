/* SPDX-License-Identifier: Apache-2.0
 *
 * test_logfile.c - what goes into a log comes out of it, across rotations and kills
 */
#include "monitor/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "base/strbuf.h"
#include "monitor/client.h"
#include "monitor/state.h"

#include "check.h"

#define TEXT_MAX (64 * MIB)
/* Of a line of six digits. */
#define ENTRY_BYTES                                                       \
	strlen("{\"time\":\"2026-11-26T00:47:39.123456789Z\",\"stream\":" \
	       "\"stdout\",\"log\":\"000000\\n\"}\n")

struct fixture {
	char dir[64], path[80];
	struct monitor_log log;
	struct monitor_log_query query;
};

/* What a reading delivered. */
struct seen {
	struct strbuf text[2];
	size_t entries, partial;
	uint64_t lost_bytes;
	int64_t first_wall_ns;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/hull-test-log-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->path, sizeof(f->path), "%s/log", f->dir);
	f->log = (struct monitor_log){ .path = f->path, .max_files = 3 };
	f->query = (struct monitor_log_query){ .run_dir = f->dir, .tail = -1 };
	*state = f;

	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	(void)path_rmtree(AT_FDCWD, f->dir, NULL);
	free(f);

	return 0;
}

static int see(void *ctx, const struct monitor_log_entry *entry)
{
	struct seen *seen = ctx;

	assert_in_range(entry->stream, 1, 2);
	assert_in_range(entry->text_len, 1, LOGFILE_SPLIT_BYTES);
	seen->entries++;
	seen->partial += entry->partial;
	if (seen->first_wall_ns == 0)
		seen->first_wall_ns = entry->wall_ns;
	assert_int_equal(strbuf_add(&seen->text[entry->stream - 1], entry->text, entry->text_len),
			 0);

	return 0;
}

static void see_lost(void *ctx, uint64_t lost_bytes)
{
	struct seen *seen = ctx;

	seen->lost_bytes += lost_bytes;
}

static void read_log(struct fixture *f, struct seen *ret)
{
	f->query.log = f->log;
	*ret = (struct seen){ .text = { STRBUF_INIT(TEXT_MAX), STRBUF_INIT(TEXT_MAX) } };
	assert_int_equal(monitor_log_read(&f->query, see, see_lost, ret, NULL), 0);
}

static void seen_done(struct seen *seen)
{
	strbuf_done(&seen->text[0]);
	strbuf_done(&seen->text[1]);
}

static void write_log(struct fixture *f, const char *text)
{
	struct logfile *lf = NULL;

	assert_int_equal(logfile_open(&f->log, &lf, NULL), 0);
	logfile_write(lf, 1, text, strlen(text));
	logfile_close(lf);
}

/* Any bytes, written in any pieces, come out again in order, for each stream. */
static void test_model(void **state)
{
	struct fixture *f = *state;
	struct strbuf model[2] = { STRBUF_INIT(TEXT_MAX), STRBUF_INIT(TEXT_MAX) };
	struct logfile *lf = NULL;
	struct seen seen;

	srand(3);
	f->log.max_bytes = 50000;
	f->log.max_files = 1000;
	for (int run = 0; run < 3; run++) {
		assert_int_equal(logfile_open(&f->log, &lf, NULL), 0);
		for (int i = 0; i < 400; i++) {
			static char piece[40000];
			int kind = rand() % 4, stream = rand() % 2;
			size_t len = (size_t)rand() % (i % 50 == 0 ? sizeof(piece) : 300);

			for (size_t k = 0; k < len; k++) {
				piece[k] = (char)(kind == 0 ? rand() : 'a' + rand() % 26);
				if (kind == 1 && k + 2 < len) {
					memcpy(piece + k, "\xc3\xa9\xe2", 3);
					k += 2;
				}
				if (rand() % (i % 50 == 0 ? 20000 : 80) == 0)
					piece[k] = '\n';
			}
			logfile_write(lf, stream + 1, piece, len);
			assert_int_equal(strbuf_add(&model[stream], piece, len), 0);
		}
		logfile_close(lf);
	}
	read_log(f, &seen);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(seen.text[i].len, model[i].len);
		assert_memory_equal(seen.text[i].text, model[i].text, model[i].len);
		strbuf_done(&model[i]);
	}
	assert_int_equal(seen.lost_bytes, 0);
	assert_true(seen.partial > 0);
	seen_done(&seen);
}

/* Never more than the limits; the newest is kept, whole lines of it. */
static void test_rotation(void **state)
{
	struct fixture *f = *state;
	struct logfile *lf = NULL;
	struct seen seen;
	struct stat st;
	char path[100], line[32];
	unsigned first, n = 0;

	f->log.max_bytes = 10000;
	assert_int_equal(logfile_open(&f->log, &lf, NULL), 0);
	for (int i = 0; i < 2000; i++) {
		(void)snprintf(line, sizeof(line), "%06d\n", i);
		logfile_write(lf, 1, line, 7);
	}
	logfile_close(lf);
	for (int i = 0; i < 4; i++) {
		(void)snprintf(path, sizeof(path), i ? "%s.%d" : "%s", f->path, i);
		if (i == 3) {
			assert_int_equal(stat(path, &st), -1);
			break;
		}
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size <= 10000);
	}
	read_log(f, &seen);
	assert_int_equal(seen.text[0].len, seen.entries * 7);
	first = 2000 - (unsigned)seen.entries;
	assert_in_range(seen.entries, 200, 400);
	for (size_t at = 0; at < seen.text[0].len; at += 7, n++) {
		(void)snprintf(line, sizeof(line), "%06u\n", first + n);
		assert_memory_equal(seen.text[0].text + at, line, 7);
	}
	seen_done(&seen);
}

static void test_split(void **state)
{
	struct fixture *f = *state;
	static char text[40002];
	struct seen seen;

	memset(text, 'x', 40000);
	text[40000] = '\n';
	write_log(f, text);
	read_log(f, &seen);
	assert_int_equal(seen.entries, 3);
	assert_int_equal(seen.partial, 2);
	assert_string_equal(strbuf_get(&seen.text[0]), text);
	seen_done(&seen);

	/* A tail counts lines, not entries. */
	write_log(f, "short\n");
	f->query.tail = 2;
	read_log(f, &seen);
	assert_int_equal(seen.entries, 4);
	seen_done(&seen);
	f->query.tail = 1;
	read_log(f, &seen);
	assert_string_equal(strbuf_get(&seen.text[0]), "short\n");
	seen_done(&seen);
	f->query.tail = 0;
	read_log(f, &seen);
	assert_int_equal(seen.entries, 0);
	seen_done(&seen);
}

static void test_times(void **state)
{
	struct fixture *f = *state;
	struct seen seen;
	int64_t between_ns;

	write_log(f, "old\n");
	usleep(2000);
	between_ns = clock_wall_ns();
	usleep(2000);
	write_log(f, "new\n");
	f->query.since_wall_ns = between_ns;
	read_log(f, &seen);
	assert_string_equal(strbuf_get(&seen.text[0]), "new\n");
	assert_true(seen.first_wall_ns > between_ns);
	seen_done(&seen);
	f->query.since_wall_ns = 0;
	f->query.until_wall_ns = between_ns;
	read_log(f, &seen);
	assert_string_equal(strbuf_get(&seen.text[0]), "old\n");
	seen_done(&seen);
}

/* A monitor killed in the middle of a write spoils one entry, no other. */
static void test_torn(void **state)
{
	struct fixture *f = *state;
	struct seen seen;
	int fd;

	write_log(f, "before\n");
	fd = open(f->path, O_WRONLY | O_APPEND);
	assert_int_equal(write(fd, "{\"time\":\"20", 11), 11);
	close(fd);
	write_log(f, "after\n");
	read_log(f, &seen);
	assert_string_equal(strbuf_get(&seen.text[0]), "before\nafter\n");
	assert_int_equal(seen.lost_bytes, 12);
	seen_done(&seen);
}

/* What does not fit is counted, to the byte that it would have taken; what comes later is kept. */
static void test_full(void **state)
{
	struct fixture *f = *state;
	struct rlimit before, small;
	struct logfile *lf = NULL;
	struct seen seen;
	char line[32];
	unsigned kept;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small = (struct rlimit){ .rlim_cur = 10000, .rlim_max = before.rlim_max };
	assert_int_equal(logfile_open(&f->log, &lf, NULL), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 500; i++) {
		(void)snprintf(line, sizeof(line), "%06d\n", i);
		logfile_write(lf, 1, line, 7);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	logfile_write(lf, 1, "after\n", 6);
	logfile_close(lf);
	read_log(f, &seen);
	kept = (unsigned)seen.entries - 1;
	assert_in_range(kept, 80, 150);
	assert_int_equal(seen.lost_bytes, (500 - kept) * ENTRY_BYTES);
	assert_string_equal(seen.text[0].text + 7 * (size_t)kept, "after\n");
	seen_done(&seen);
}

static void test_absent(void **state)
{
	struct fixture *f = *state;
	struct seen seen;

	read_log(f, &seen);
	assert_int_equal(seen.entries, 0);
	seen_done(&seen);
}

/* A reader that is never further behind than this keeps up. */
#define STEP_LINES 100

/* ---- following: this thread writes, another one reads ---- */

struct follower {
	struct fixture *f;
	struct seen seen;
	int hold_fd;	/* its first entry waits for this, or -1 */
	int holding_fd; /* and is told here */
	int step_fd;	/* told of each STEP_LINES entries, or -1 */
	int result;
};

static int see_held(void *ctx, const struct monitor_log_entry *entry)
{
	struct follower *follower = ctx;
	char c;

	if (follower->hold_fd >= 0 && follower->seen.entries == 0) {
		(void)!write(follower->holding_fd, "x", 1);
		(void)!read(follower->hold_fd, &c, 1);
	}
	if (follower->step_fd >= 0 && follower->seen.entries % STEP_LINES == STEP_LINES - 1)
		(void)!write(follower->step_fd, "x", 1);

	return see(&follower->seen, entry);
}

static void lost_held(void *ctx, uint64_t lost_bytes)
{
	struct follower *follower = ctx;

	see_lost(&follower->seen, lost_bytes);
}

static void *follow(void *arg)
{
	struct follower *follower = arg;

	follower->result =
		monitor_log_read(&follower->f->query, see_held, lost_held, follower, NULL);

	return NULL;
}

#define LINES 5000

/* Write LINES lines while the reader follows; a workload that lives is a lock that is held. */
static void write_followed(struct fixture *f, struct follower *follower, const int hold[2],
			   int step_fd)
{
	int dir_fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int lock_fd = state_lock(dir_fd, NULL);
	struct monitor_state s = { .phase = MONITOR_RUNNING };
	struct logfile *lf = NULL;
	pthread_t thread;
	char line[32], c;

	assert_true(lock_fd >= 0);
	assert_int_equal(state_write(dir_fd, &s, NULL), 0);
	f->query.log = f->log;
	f->query.follow = true;
	follower->f = f;
	follower->seen.text[0] = (struct strbuf)STRBUF_INIT(TEXT_MAX);
	follower->seen.text[1] = (struct strbuf)STRBUF_INIT(TEXT_MAX);
	assert_int_equal(pthread_create(&thread, NULL, follow, follower), 0);
	assert_int_equal(logfile_open(&f->log, &lf, NULL), 0);
	for (int i = 0; i < LINES; i++) {
		(void)snprintf(line, sizeof(line), "%06d\n", i);
		logfile_write(lf, 1, line, 7);
		if (step_fd >= 0 && i % STEP_LINES == STEP_LINES - 1)
			assert_int_equal(read(step_fd, &c, 1), 1);
		if (hold && i == 0)
			assert_int_equal(read(hold[0], &c, 1), 1);
	}
	logfile_close(lf);
	if (hold)
		assert_int_equal(write(hold[1], "x", 1), 1);
	assert_int_equal(state_write_exit(dir_fd, &s, NULL), 0);
	close(lock_fd);
	close(dir_fd);
	pthread_join(thread, NULL);
	assert_int_equal(follower->result, 0);
}

static void test_follow(void **state)
{
	struct fixture *f = *state;
	struct follower follower = { .hold_fd = -1 };
	int step[2];

	assert_int_equal(pipe(step), 0);
	follower.step_fd = step[1];
	f->log.max_bytes = 30000;
	write_followed(f, &follower, NULL, step[0]);
	close(step[0]);
	close(step[1]);
	assert_int_equal(follower.seen.lost_bytes, 0);
	assert_int_equal(follower.seen.entries, LINES);
	assert_memory_equal(follower.seen.text[0].text + 7 * (LINES - 1), "004999\n", 7);
	seen_done(&follower.seen);
}

/* One that does not keep up is told, to the byte, what it has missed. */
static void test_follow_late(void **state)
{
	struct fixture *f = *state;
	struct follower follower = { .step_fd = -1 };
	int holding[2], release[2];

	assert_int_equal(pipe(holding), 0);
	assert_int_equal(pipe(release), 0);
	follower.hold_fd = release[0];
	follower.holding_fd = holding[1];
	f->log.max_bytes = 30000;
	write_followed(f, &follower, (int[]){ holding[0], release[1] }, -1);
	assert_true(follower.seen.entries < LINES);
	assert_true(follower.seen.lost_bytes > 0);
	/* Besides entries only headers are lost: fewer bytes than one entry for each file. */
	assert_int_equal(follower.seen.lost_bytes / ENTRY_BYTES >= LINES - follower.seen.entries,
			 1);
	assert_in_range(follower.seen.lost_bytes, (LINES - follower.seen.entries) * ENTRY_BYTES,
			(LINES - follower.seen.entries) * ENTRY_BYTES * 101 / 100);
	assert_memory_equal(follower.seen.text[0].text + 7 * (follower.seen.entries - 1),
			    "004999\n", 7);
	seen_done(&follower.seen);
	for (int i = 0; i < 2; i++) {
		close(holding[i]);
		close(release[i]);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_model),  TEST(test_rotation), TEST(test_split),
		TEST(test_times),  TEST(test_torn),	TEST(test_full),
		TEST(test_absent), TEST(test_follow),	TEST(test_follow_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
