/* SPDX-License-Identifier: Apache-2.0
 *
 * test_fd.c - whole reads and writes, resolution below a root, descriptors over sockets
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/path.h"
#include "check.h"
#include "top.h"

static void write_file(int dir_fd, const char *name, const char *text)
{
	auto_close int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

/* ---- fd_open_in() ---- */

static void check_in(int root_fd, const char *path, const char *want)
{
	auto_close int fd = fd_open_in(root_fd, path, O_RDONLY, 0, NULL);
	char buf[32] = "";

	if (!want) {
		if (fd >= 0)
			fail_msg("'%s' was opened", path);
		return;
	}
	if (fd < 0)
		fail_msg("'%s': %s", path, strerror(-fd));
	assert_true(fd_read_all(fd, buf, sizeof(buf) - 1) >= 0);
	assert_string_equal(buf, want);
}

static void test_open_in(void **state)
{
	auto_close int root_fd = -1;
	char outside[128];

	(void)state;
	write_file(top_fd, "secret", "outside");
	(void)snprintf(outside, sizeof(outside), "%s/secret", top);
	assert_int_equal(mkdirat(top_fd, "root", 0755), 0);
	root_fd = openat(top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	write_file(root_fd, "secret", "inside");
	assert_int_equal(mkdirat(root_fd, "d", 0755), 0);
	assert_int_equal(symlinkat(outside, root_fd, "abs"), 0);
	assert_int_equal(symlinkat("../../../../secret", root_fd, "d/up"), 0);
	assert_int_equal(symlinkat("/proc/self/root", root_fd, "magic"), 0);
	assert_int_equal(symlinkat("loop", root_fd, "loop"), 0);

	check_in(root_fd, "secret", "inside");
	check_in(root_fd, "/secret", "inside");
	check_in(root_fd, "../secret", "inside");
	check_in(root_fd, "/d/../../../secret", "inside");
	check_in(root_fd, "d/up", "inside");
	check_in(root_fd, outside, NULL);
	check_in(root_fd, "abs", NULL);
	check_in(root_fd, "magic/etc/passwd", NULL);
	check_in(root_fd, "loop", NULL);
	assert_int_equal(fd_open_in(root_fd, "loop", O_RDONLY, 0, NULL), -ELOOP);
	assert_int_equal(fd_open_in(root_fd, "none", O_RDONLY, 0, NULL), -ENOENT);

	/* Magic links inside a real procfs are refused, too. */
	fd_close(root_fd);
	root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(fd_open_in(root_fd, "proc/self/fd/0", O_RDONLY, 0, NULL), -ELOOP);
	assert_int_equal(fd_open_in(root_fd, "proc/self/root/etc", O_RDONLY, 0, NULL), -ELOOP);
}

static void test_open_in_creates(void **state)
{
	auto_close int fd = -1;
	struct stat st;

	(void)state;
	assert_int_equal(symlinkat("../made", top_fd, "link"), 0);
	fd = fd_open_in(top_fd, "link", O_WRONLY | O_CREAT | O_EXCL, 0640, NULL);
	assert_int_equal(fd, -EEXIST);
	umask(0);
	fd = fd_open_in(top_fd, "link", O_WRONLY | O_CREAT, 0640, NULL);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstatat(top_fd, "made", &st, AT_SYMLINK_NOFOLLOW), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0640);
}

/* ---- files ---- */

static void test_read_file_limit(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 16383, 16384, 16385, 70000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		auto_free char *want = calloc(1, sizes[i] + 1), *got = NULL;
		size_t len = 99;

		memset(want, 'x', sizes[i]);
		write_file(top_fd, "file", want);
		assert_int_equal(fd_read_file(top_fd, "file", sizes[i], &got, &len, NULL), 0);
		assert_int_equal(len, sizes[i]);
		assert_string_equal(got, want);
		free(got);
		got = NULL;
		assert_int_equal(fd_read_file(top_fd, "file", sizes[i] + 1, &got, NULL, NULL), 0);
		assert_string_equal(got, want);
		if (sizes[i] > 0) {
			free(got);
			got = NULL;
			assert_int_equal(
				fd_read_file(top_fd, "file", sizes[i] - 1, &got, &len, NULL),
				-EFBIG);
			assert_null(got);
		}
	}
	assert_int_equal(fd_read_file(top_fd, "none", 10, NULL, NULL, NULL), -ENOENT);
	assert_int_equal(fd_read_file(top_fd, ".", 10, NULL, NULL, NULL), -EISDIR);
}

static void test_replace_file(void **state)
{
	auto_free char *text = NULL;
	struct stat before, after;

	(void)state;
	write_file(top_fd, "rec", "old");
	/* What a killed writer leaves behind, and what a planted symlink would lead to. */
	write_file(top_fd, "rec.tmp", "half a rec");
	assert_int_equal(fstatat(top_fd, "rec", &before, 0), 0);
	assert_int_equal(fd_replace_file(top_fd, "rec", "new", 3, 0600, NULL), 0);
	assert_int_equal(fstatat(top_fd, "rec", &after, 0), 0);
	assert_true(before.st_ino != after.st_ino);
	assert_int_equal(fd_read_file(top_fd, "rec", 10, &text, NULL, NULL), 0);
	assert_string_equal(text, "new");
	assert_int_equal(faccessat(top_fd, "rec.tmp", F_OK, AT_SYMLINK_NOFOLLOW), -1);

	assert_int_equal(symlinkat("rec", top_fd, "rec.tmp"), 0);
	assert_int_equal(fd_replace_file(top_fd, "rec", "newer", 5, 0600, NULL), -ELOOP);
	assert_int_equal(unlinkat(top_fd, "rec.tmp", 0), 0);
}

static void test_write_file(void **state)
{
	auto_free char *text = NULL;

	(void)state;
	write_file(top_fd, "w", "");
	assert_int_equal(fd_write_file(top_fd, "w", "1234", NULL), 0);
	assert_int_equal(fd_read_file(top_fd, "w", 10, &text, NULL, NULL), 0);
	assert_string_equal(text, "1234");
	assert_int_equal(fd_write_file(top_fd, "none", "1", NULL), -ENOENT);
}

/* ---- pipes and sockets ---- */

static void *slow_writer(void *ctx)
{
	int fd = *(int *)ctx;

	for (char c = 'a'; c <= 'j'; c++) {
		assert_int_equal(write(fd, &c, 1), 1);
		(void)sched_yield();
	}
	close(fd);

	return NULL;
}

static void test_read_all(void **state)
{
	pthread_t thread;
	int fds[2];
	char buf[32];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(pthread_create(&thread, NULL, slow_writer, &fds[1]), 0);
	assert_int_equal(fd_read_all(fds[0], buf, 4), 4);
	assert_memory_equal(buf, "abcd", 4);
	assert_int_equal(fd_read_all(fds[0], buf, sizeof(buf)), 6);
	assert_memory_equal(buf, "efghij", 6);
	assert_int_equal(fd_read_all(fds[0], buf, sizeof(buf)), 0);
	pthread_join(thread, NULL);
	close(fds[0]);
	assert_int_equal(fd_read_all(-1, buf, 1), -EBADF);
	assert_int_equal(fd_write_all(-1, buf, 1), -EBADF);
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;

	return count;
}

static void test_send_recv(void **state)
{
	int pair[2], fds[FD_PASS_MAX], got[FD_PASS_MAX], before;
	struct stat want, st;
	size_t got_len = 99;
	char buf[8];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	for (size_t i = 0; i < FD_PASS_MAX; i++)
		fds[i] = top_fd;
	assert_int_equal(fstat(top_fd, &want), 0);

	assert_int_equal(fd_send(pair[0], "plain", 5, NULL, 0), 5);
	assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, FD_PASS_MAX, &got_len), 5);
	assert_int_equal(got_len, 0);

	assert_int_equal(fd_send(pair[0], "x", 1, fds, FD_PASS_MAX), 1);
	assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, FD_PASS_MAX, &got_len), 1);
	assert_int_equal(got_len, FD_PASS_MAX);
	for (size_t i = 0; i < got_len; i++) {
		assert_int_equal(fcntl(got[i], F_GETFD), FD_CLOEXEC);
		assert_int_equal(fstat(got[i], &st), 0);
		assert_int_equal(st.st_ino, want.st_ino);
		close(got[i]);
	}
	assert_int_equal(fd_send(pair[0], "x", 1, fds, FD_PASS_MAX + 1), -EMSGSIZE);

	/* More than expected: refused, and none of them stays open. */
	before = count_fds();
	assert_int_equal(fd_send(pair[0], "x", 1, fds, 3), 1);
	assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, 2, &got_len), -EMSGSIZE);
	assert_int_equal(got_len, 0);
	assert_int_equal(count_fds(), before);

	close(pair[0]);
	assert_int_equal(fd_recv(pair[1], buf, sizeof(buf), got, 2, &got_len), 0);
	assert_int_equal(fd_send(pair[1], "x", 1, NULL, 0), -EPIPE);
	close(pair[1]);
}

static void test_flags(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(fd_set_nonblock(fds[0], 1), 0);
	assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fd_set_nonblock(fds[0], 0), 0);
	assert_int_equal(fcntl(fds[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fd_keep_on_exec(fds[0]), 0);
	assert_int_equal(fcntl(fds[0], F_GETFD), 0);
	errno = ENOTTY;
	assert_int_equal(fd_close(fds[0]), -1);
	assert_int_equal(fd_close(-1), -1);
	assert_int_equal(errno, ENOTTY);
	close(fds[1]);
	assert_int_equal(fd_set_nonblock(fds[0], 1), -EBADF);
	assert_int_equal(fd_keep_on_exec(fds[0]), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_open_in),		cmocka_unit_test(test_open_in_creates),
		cmocka_unit_test(test_read_file_limit), cmocka_unit_test(test_replace_file),
		cmocka_unit_test(test_write_file),	cmocka_unit_test(test_read_all),
		cmocka_unit_test(test_send_recv),	cmocka_unit_test(test_flags),
	};

	return cmocka_run_group_tests(tests, top_setup, top_teardown);
}
