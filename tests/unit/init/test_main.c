/* SPDX-License-Identifier: Apache-2.0
 *
 * test_main.c - hull-init, run as a program: statuses, signals, orphans, the terminal
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "check.h"

#define DEADLINE_S 20

static const char *program; /* argv[1] */

/* A hull-init that runs, and both ends of its standard streams in one. */
struct run {
	pid_t pid;
	int fd;
};

static struct run start(const char *script, bool terminal)
{
	struct run run = { .pid = -1, .fd = -1 };
	int pipe_fds[2];

	if (terminal) {
		run.pid = forkpty(&run.fd, NULL, NULL, NULL);
	} else {
		assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
		run.fd = pipe_fds[0];
		run.pid = fork();
	}
	assert_true(run.pid >= 0);
	if (run.pid == 0) {
		/* What a careless parent may leave behind. */
		signal(SIGCHLD, SIG_IGN);
		/* What runs in the background ignores these, and its shells cannot trap them. */
		signal(SIGINT, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		if (!terminal)
			dup2(pipe_fds[1], STDOUT_FILENO);
		execl(program, "hull-init", "--", "sh", "-c", script, NULL);
		_exit(99);
	}
	if (!terminal)
		close(pipe_fds[1]);

	return run;
}

/* Reads up to and with the next newline. */
static void read_line(int fd, char *buf, size_t room)
{
	size_t used = 0;

	while (used + 1 < room && (used == 0 || buf[used - 1] != '\n'))
		if (read(fd, buf + used, 1) != 1)
			break;
		else
			used++;
	buf[used] = '\0';
	buf[strcspn(buf, "\r\n")] = '\0';
}

static int finish(struct run *run)
{
	int wstatus;

	assert_int_equal(waitpid(run->pid, &wstatus, 0), run->pid);
	assert_true(WIFEXITED(wstatus));
	run->fd = fd_close(run->fd);

	return WEXITSTATUS(wstatus);
}

static void test_status(void **state)
{
	static const struct {
		const char *script;
		int status;
	} cases[] = {
		{ "exit 0", 0 },
		{ "exit 3", 3 },
		{ "kill -TERM $$", 128 + SIGTERM },
		{ "kill -KILL $$", 128 + SIGKILL },
		/* An orphan that ends first must not be taken for the command. */
		{ "p=$(sh -c 'exit 9 & echo $!'); while kill -0 $p; do :; done 2>/dev/null; exit 4",
		  4 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct run run = start(cases[i].script, false);

		assert_int_equal(finish(&run), cases[i].status);
	}
}

static int run_argv(const char *const argv[])
{
	pid_t pid = fork();
	int wstatus;

	assert_true(pid >= 0);
	if (pid == 0) {
		close(STDERR_FILENO);
		execv(program, (char *const *)(uintptr_t)argv);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &wstatus, 0), pid);

	return WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : -1;
}

static void test_cannot_run(void **state)
{
	(void)state;
	assert_int_equal(run_argv((const char *[]){ "hull-init", "--", "/no/such", NULL }), 127);
	assert_int_equal(run_argv((const char *[]){ "hull-init", "--", "/dev/null", NULL }), 126);
	assert_int_equal(run_argv((const char *[]){ "hull-init", "--hold", "/no/such", NULL }),
			 127);
	assert_int_equal(run_argv((const char *[]){ "hull-init", "--hold", "/dev/null", NULL }),
			 126);
	assert_int_equal(run_argv((const char *[]){ "hull-init", "--", NULL }), 125);
	assert_int_equal(run_argv((const char *[]){ "hull-init", NULL }), 125);
	assert_int_equal(run_argv((const char *[]){ "hull-init", "-x", "true", NULL }), 125);
}

static void test_forwards(void **state)
{
	static const int signals[] = { SIGTERM, SIGINT,	 SIGHUP,  SIGUSR1,
				       SIGUSR2, SIGQUIT, SIGPIPE, SIGALRM };
	char line[64];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		struct run run = start("trap 'exit 40' TERM INT HUP USR1 USR2 QUIT PIPE ALRM; "
				       "echo ready; while :; do sleep 0.01; done",
				       false);

		read_line(run.fd, line, sizeof(line));
		assert_string_equal(line, "ready");
		assert_int_equal(kill(run.pid, signals[i]), 0);
		assert_int_equal(finish(&run), 40);
	}
}

/* The command starts with an empty signal mask. */
static void test_mask(void **state)
{
	struct run run = start("grep ^SigBlk /proc/self/status", false);
	char line[64];

	(void)state;
	read_line(run.fd, line, sizeof(line));
	assert_string_equal(line, "SigBlk:\t0000000000000000");
	assert_int_equal(finish(&run), 0);
}

static bool exists(pid_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

static void test_reaps_orphans(void **state)
{
	struct run run = start("sh -c 'sleep 0.05 & echo $!'; read x", true);
	char line[64];
	uint64_t orphan;

	(void)state;
	read_line(run.fd, line, sizeof(line));
	assert_int_equal(parse_u64(line, 2, INT32_MAX, &orphan), 0);
	/* A zombie would exist until hull-init ends, which it does not before we let it. */
	for (time_t end = time(NULL) + DEADLINE_S; exists((pid_t)orphan) && time(NULL) < end;)
		(void)poll(NULL, 0, 5);
	assert_false(exists((pid_t)orphan));
	assert_true(exists(run.pid));
	assert_int_equal(write(run.fd, "\n", 1), 1);
	assert_int_equal(finish(&run), 0);
}

/* A background group would be stopped by SIGTTIN at its first read. */
static void test_terminal(void **state)
{
	struct run run = start("stty -echo; echo ready; read x; echo got $x; exit 5", true);
	char line[64];

	(void)state;
	read_line(run.fd, line, sizeof(line));
	assert_string_equal(line, "ready");
	assert_int_equal(write(run.fd, "word\n", 5), 5);
	read_line(run.fd, line, sizeof(line));
	assert_string_equal(line, "got word");
	assert_int_equal(finish(&run), 5);

	run = start("stty -echo; echo ready; exec sleep 60", true);
	read_line(run.fd, line, sizeof(line));
	assert_int_equal(write(run.fd, "\x03", 1), 1);
	assert_int_equal(finish(&run), 128 + SIGINT);
}

/* ^Z does not stop the command for ever: nobody could continue it. */
static void test_suspend(void **state)
{
	struct run run = start("stty -echo; echo ready; read x; echo got $x", true);
	char line[64];

	(void)state;
	read_line(run.fd, line, sizeof(line));
	assert_string_equal(line, "ready");
	assert_int_equal(write(run.fd, "\x1aword\n", 6), 6);
	read_line(run.fd, line, sizeof(line));
	assert_string_equal(line, "got word");
	assert_int_equal(finish(&run), 0);
}

/* Start hull-init with @argv; both ends of its input and output are pipes. */
static pid_t start_probe(char *const argv[], int *ret_in_fd, int *ret_out_fd)
{
	int in[2], out[2];
	pid_t pid;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		execv(program, argv);
		_exit(99);
	}
	close(in[0]);
	close(out[1]);
	*ret_in_fd = in[1];
	*ret_out_fd = out[0];

	return pid;
}

static int hold(const char *script, bool end_input)
{
	char *const argv[] = { (char[]){ "hull-init" }, (char[]){ "--hold" }, (char[]){ "sh" },
			       (char[]){ "-c" },	strdup(script),	      NULL };
	struct run run;
	char line[64];
	int in_fd;

	run.pid = start_probe(argv, &in_fd, &run.fd);
	free(argv[4]);
	read_line(run.fd, line, sizeof(line));
	assert_string_equal(line, "here");
	if (end_input)
		in_fd = fd_close(in_fd);
	/* Nothing of it holds the output any more once it has ended. */
	while (read(run.fd, line, sizeof(line)) > 0)
		;
	fd_close(in_fd);

	return finish(&run);
}

/* A command lives as it likes, but no longer than the input; how it ends is no matter. */
static void test_hold(void **state)
{
	(void)state;
	assert_int_equal(hold("echo here; exit 127", false), 0);
	assert_int_equal(hold("echo here; kill -9 $$", false), 0);
	assert_int_equal(hold("echo here; sleep 1000", true), 0);
}

/* Seen without a shell, which would put its own mask right. */
static void test_hold_mask(void **state)
{
	char *const argv[] = { (char[]){ "hull-init" },
			       (char[]){ "--hold" },
			       (char[]){ "grep" },
			       (char[]){ "^SigBlk" },
			       (char[]){ "/proc/self/status" },
			       NULL };
	struct run run;
	char line[64];
	int in_fd;

	(void)state;
	run.pid = start_probe(argv, &in_fd, &run.fd);
	read_line(run.fd, line, sizeof(line));
	assert_string_equal(line, "SigBlk:\t0000000000000000");
	assert_int_equal(finish(&run), 0);
	fd_close(in_fd);
}

/* The first child of a process; 0 when it has ended without one. */
static pid_t await_child(pid_t pid)
{
	char path[64], text[64];
	siginfo_t info = { 0 };
	uint64_t child = 0;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", pid, pid);
	while (child == 0 && info.si_pid == 0) {
		auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

		text[MAX(n, (ssize_t)0)] = '\0';
		text[strcspn(text, " ")] = '\0';
		if (parse_u64(text, 1, INT32_MAX, &child) < 0)
			child = 0;
		assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	}

	return (pid_t)child;
}

/* Whenever it is killed: also while the command is on its way. */
static void test_hold_is_killed(void **state)
{
	char *const argv[] = { (char[]){ "hull-init" }, (char[]){ "--hold" }, (char[]){ "sleep" },
			       (char[]){ "1000" }, NULL };

	(void)state;
	for (int i = 0; i < 100; i++) {
		int in_fd, out_fd;
		pid_t pid = start_probe(argv, &in_fd, &out_fd), child = await_child(pid);
		struct pollfd pfd = { .fd = out_fd, .events = POLLIN };
		int ended;

		(void)kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		ended = poll(&pfd, 1, DEADLINE_S * 1000);
		if (ended == 0)
			(void)kill(child, SIGKILL);
		assert_int_equal(ended, 1);
		fd_close(in_fd);
		fd_close(out_fd);
	}
}

static void test_probe(void **state)
{
	char *const argv[] = { (char[]){ "hull-init" }, (char[]){ "--probe" }, NULL };
	struct run run;
	char line[1024];
	int in_fd;

	(void)state;
	run.pid = start_probe(argv, &in_fd, &run.fd);
	read_line(run.fd, line, sizeof(line));
	assert_int_equal(strncmp(line, "place kernel=", 13), 0);
	assert_non_null(strstr(line, " boot="));
	assert_non_null(strstr(line, " pss_kib="));
	assert_non_null(strstr(line, " pid:["));
	assert_int_equal(write(in_fd, "m", 1), 1);
	read_line(run.fd, line, sizeof(line));
	assert_int_equal(strncmp(line, "measured call_ps=", 17), 0);
	fd_close(in_fd);
	assert_int_equal(finish(&run), 0);
	assert_true(access("/.hull-probe", F_OK) < 0);
}

int main(int argc, char *argv[])
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),	      cmocka_unit_test(test_cannot_run),
		cmocka_unit_test(test_forwards),      cmocka_unit_test(test_mask),
		cmocka_unit_test(test_reaps_orphans), cmocka_unit_test(test_terminal),
		cmocka_unit_test(test_suspend),	      cmocka_unit_test(test_hold),
		cmocka_unit_test(test_hold_mask),     cmocka_unit_test(test_hold_is_killed),
		cmocka_unit_test(test_probe),
	};

	if (argc != 2)
		return 2;
	program = argv[1];
	/* A hull-init that hangs fails the test instead of the whole run. */
	(void)alarm(6 * DEADLINE_S);

	return cmocka_run_group_tests(tests, NULL, NULL);
}
