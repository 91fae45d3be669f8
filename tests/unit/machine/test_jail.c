/* SPDX-License-Identifier: Apache-2.0
 *
 * test_jail.c - what a program in a jail sees and may do, told by itself on stderr
 */
#include "machine/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "check.h"

#define LIMIT_MS 20000

/* A shell script in @jail, to its end; what it said is in @words. */
static void run_script(struct jail *jail, const char *script, char *words, size_t words_bytes)
{
	struct jail_child child = { .pidfd = -1, .stderr_fd = -1 };
	struct pollfd pfd;
	struct strv argv = { 0 };

	assert_int_equal(strv_add(&argv, "/usr/bin/sh"), 0);
	assert_int_equal(strv_add(&argv, "-c"), 0);
	assert_int_equal(strv_add(&argv, script), 0);
	jail->argv = &argv;
	jail->cgroup_fd = -1;
	assert_int_equal(jail_spawn(jail, &child, NULL), 0);
	pfd = (struct pollfd){ .fd = child.pidfd, .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, LIMIT_MS), 1);
	jail_last_words(&child, words, words_bytes);
	jail_child_done(&child);
	strv_done(&argv);
}

static void test_an_empty_root(void **state)
{
	struct jail jail = { 0 };
	char words[512];

	(void)state;
	run_script(&jail, "cd /; echo * $(echo dev/* etc/*) >&2", words, sizeof(words));
	/* The loader's cache, and that alone. */
	assert_null(strstr(words, "etc/passwd"));
	assert_string_equal(strstr(words, " etc/"), " etc/ld.so.cache");
	assert_null(strstr(words, "home"));
	assert_null(strstr(words, "tmp"));
	assert_non_null(strstr(words, "usr"));
	assert_non_null(strstr(words, "dev/null"));
	assert_null(strstr(words, "dev/kvm"));
	/* Nothing in it can be changed, and nothing else is mounted. */
	run_script(&jail, "touch /usr/x 2>/dev/null && echo wrote >&2; echo done >&2", words,
		   sizeof(words));
	assert_string_equal(words, "done");
}

static void test_only_what_it_is_given(void **state)
{
	int fds[2], other[2];
	struct jail jail = { .fds = fds, .fds_len = 1 };
	char words[512], script[128];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(other), 0);
	(void)snprintf(script, sizeof(script),
		       "(: >&%d) && echo given >&2; (: >&%d) 2>/dev/null && echo leaked >&2",
		       fds[0], other[1]);
	run_script(&jail, script, words, sizeof(words));
	assert_string_equal(words, "given");
	for (int i = 0; i < 2; i++) {
		fd_close(fds[i]);
		fd_close(other[i]);
	}
}

/* A file alone in its directory; a directory read-only; what lies beside them is not there. */
static void test_mounts(void **state)
{
	char dir[] = "/tmp/hull-jail-XXXXXX", path[64], words[512];
	auto_close int dir_fd = -1, file_fd = -1;
	struct jail_mount mounts[2];
	struct jail jail = { .mounts = mounts, .mounts_len = 2 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/secret", dir);
	dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	file_fd = openat(dir_fd, "mine", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	assert_true(dir_fd >= 0 && file_fd >= 0);
	assert_int_equal(fd_close(openat(dir_fd, "secret", O_CREAT | O_WRONLY, 0644)), -1);
	mounts[0] = (struct jail_mount){ .target = "/share/file", .fd = file_fd };
	mounts[1] =
		(struct jail_mount){ .target = "/ro", .fd = dir_fd, .attrs = MOUNT_ATTR_RDONLY };
	run_script(&jail,
		   "echo /share/* >&2; echo text >/share/file; "
		   "echo /ro/* >&2; (echo x >/ro/new) 2>/dev/null && echo wrote >&2",
		   words, sizeof(words));
	assert_string_equal(words, "/share/file;/ro/mine /ro/secret");
	assert_int_equal(pread(file_fd, words, sizeof(words), 0), 5);
	assert_int_equal(path_rmtree(AT_FDCWD, dir, NULL), 0);
}

/* Nobody on the host, root of nothing but its namespace, and no way back. */
static void test_user_namespace(void **state)
{
	struct jail jail = { .flags = JAIL_USERNS | JAIL_PROC };
	char words[512];

	(void)state;
	run_script(
		&jail,
		"while read -r a b c; do case $a in Uid:|NoNewPrivs:|CapEff:|CapBnd:) "
		"echo $a$b >&2;; esac; done </proc/self/status; read -r a b c </proc/self/uid_map; "
		"echo $a,$b,$c >&2; echo /proc/[0-9]* >&2",
		words, sizeof(words));
	assert_non_null(strstr(words, "Uid:0;"));
	assert_non_null(strstr(words, "CapEff:0000000000000000"));
	assert_non_null(strstr(words, "CapBnd:0000000000000000"));
	assert_non_null(strstr(words, "NoNewPrivs:1"));
	assert_non_null(strstr(words, "0,65534,1"));
	/* It is the only process it can see. */
	assert_non_null(strstr(words, "/proc/1"));
	assert_null(strstr(words, "/proc/2"));
}

static void test_failure_is_told(void **state)
{
	struct jail_child child = { .pidfd = -1, .stderr_fd = -1 };
	struct strv argv = { 0 };
	struct jail jail = { .argv = &argv, .cgroup_fd = -1 };
	struct err err = ERR_INIT;
	char text[256];

	(void)state;
	assert_int_equal(strv_add(&argv, "/usr/bin/no-such-program"), 0);
	assert_int_equal(jail_spawn(&jail, &child, &err), -ENOENT);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)), "no-such-program"));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	strv_done(&argv);
}

/* Its starter is killed: it goes too. The pipe that it inherited tells. */
static void test_dies_with_its_starter(void **state)
{
	struct pollfd pfd;
	int fds[2];
	pid_t pid;
	char byte;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		struct jail_child child;
		struct strv argv = { 0 };
		struct jail jail = { .argv = &argv, .fds = &fds[1], .fds_len = 1, .cgroup_fd = -1 };

		(void)strv_add(&argv, "/usr/bin/sleep");
		(void)strv_add(&argv, "1000");
		if (jail_spawn(&jail, &child, NULL) == 0)
			(void)!write(fds[1], "x", 1);
		for (;;)
			(void)pause();
	}
	fd_close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	pfd = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	assert_int_equal(poll(&pfd, 1, LIMIT_MS), 1);
	assert_int_equal(read(fds[0], &byte, 1), 0);
	fd_close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_root),
		cmocka_unit_test(test_only_what_it_is_given),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_user_namespace),
		cmocka_unit_test(test_failure_is_told),
		cmocka_unit_test(test_dies_with_its_starter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
