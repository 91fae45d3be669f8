/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - hull-init: process 1 of a workload that was not written to be one (--init), and what
 * hull compare has run inside (probe.h)
 *
 * Process 1 inherits every orphan and must reap it, and the kernel drops signals to it that it
 * does not handle. hull-init takes both duties and runs the real command as its child:
 *
 *   - all signals are blocked and read one at a time with sigwaitinfo(2); those for the workload
 *     are passed on to the command;
 *   - SIGCHLD reaps whatever has ended; when it is the command, its status becomes ours, and
 *     with process 1 the kernel ends what is left;
 *   - the command gets a process group of its own in the foreground of the terminal, as a shell
 *     would give it, so that ^C reaches it and not us as well.
 *
 * It is started in a root that it does not trust: static, no configuration, no files but the
 * probe's own.
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/log.h"
#include "init/probe.h"

static const char usage[] = "usage: hull-init [--] COMMAND [ARGUMENT...] | --version | --help\n"
			    "for hull compare: hull-init --probe | --hold COMMAND [ARGUMENT...]";

/* Signals that report a fault of our own code: blocked, they would be lost or loop. */
static const int own_signals[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP };

/* Become the foreground job of the terminal, if there is one; SIGTTOU is still blocked. */
static void take_terminal(void)
{
	if (setpgid(0, 0) < 0)
		return;
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (tcsetpgrp(fd, getpgrp()) == 0)
			return;
}

static NORETURN void run_command(char *const argv[], const sigset_t *old_mask)
{
	int code;

	take_terminal();
	sigprocmask(SIG_SETMASK, old_mask, NULL);
	execvp(argv[0], argv);

	code = errno;
	log_error("cannot run '%s': %s", argv[0], strerror(code));
	_exit(code == ENOENT ? EXIT_NO_COMMAND : EXIT_CANNOT_EXEC);
}

/* Reap all that has ended. True when the command did: @ret_status is what to exit with. */
static bool reap(pid_t command, int *ret_status)
{
	bool ended = false;
	int wstatus;
	pid_t pid;

	while ((pid = waitpid(-1, &wstatus, WNOHANG | WUNTRACED)) > 0) {
		if (WIFSTOPPED(wstatus)) {
			/* ^Z: no shell is outside that could ever continue the command. */
			if (pid == command && WSTOPSIG(wstatus) == SIGTSTP)
				(void)kill(-command, SIGCONT);
		} else if (pid == command) {
			*ret_status = exit_status_of(wstatus);
			ended = true;
		}
	}

	return ended;
}

static int serve(pid_t command, const sigset_t *signals)
{
	int status = EXIT_NOT_STARTED;

	for (;;) {
		int signo = sigwaitinfo(signals, NULL);

		if (signo == SIGCHLD) {
			if (reap(command, &status))
				return status;
		} else if (signo > 0) {
			(void)kill(command, signo);
		}
	}
}

int main(int argc, char *argv[])
{
	int first = argc > 1 && strcmp(argv[1], "--") == 0 ? 2 : 1;
	sigset_t signals, old_mask;
	pid_t command;

	log_set_program("hull-init");
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		(void)puts("hull-init " HULL_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		(void)puts(usage);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--probe") == 0)
		return probe_measure();
	if (argc > 2 && strcmp(argv[1], "--hold") == 0)
		return probe_hold(argv + 2);
	if (first >= argc || (first == 1 && argv[1][0] == '-')) {
		log_error("%s", usage);
		return EXIT_NOT_STARTED;
	}

	sigfillset(&signals);
	for (size_t i = 0; i < ARRAY_SIZE(own_signals); i++)
		sigdelset(&signals, own_signals[i]);
	sigprocmask(SIG_BLOCK, &signals, &old_mask);
	/* If it came to us ignored, the kernel would throw the status of the command away. */
	signal(SIGCHLD, SIG_DFL);
	/* Orphans come to us also where we are not process 1. */
	if (getpid() != 1)
		(void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

	command = fork();
	if (command < 0) {
		log_error("cannot start a process: %s", strerror(errno));
		return EXIT_NOT_STARTED;
	}
	if (command == 0)
		run_command(&argv[first], &old_mask);

	return serve(command, &signals);
}
