/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.h - one workload with a run directory of its own, for the tests of the monitor
 */
#ifndef TESTS_MONITOR_FIXTURE_H
#define TESTS_MONITOR_FIXTURE_H

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/path.h"
#include "monitor/client.h"

#include "check.h"

struct fixture {
	char dir[64], log_path[96], reaped_path[96], reap_command[128];
	struct spec_sandbox spec;
	char *reap_args[4];
	struct monitor_start start;
	struct monitor_client *client, *other;
	struct err err;
};

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/hull-test-monitor-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	(void)snprintf(f->log_path, sizeof(f->log_path), "%s/log", f->dir);
	(void)snprintf(f->reaped_path, sizeof(f->reaped_path), "%s/reaped", f->dir);
	(void)snprintf(f->reap_command, sizeof(f->reap_command), "echo done > %s", f->reaped_path);
	f->reap_args[0] = strdup("/bin/sh");
	f->reap_args[1] = strdup("-c");
	f->reap_args[2] = f->reap_command;
	f->spec.id = strdup("0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	f->spec.hostname = strdup("double");
	f->spec.process.cwd = strdup("/");
	f->spec.process.user = strdup("");
	f->start = (struct monitor_start){
		.level = "container",
		.run_dir = f->dir,
		.spec = &f->spec,
		.rw_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC),
		.log = { .path = f->log_path, .max_files = 3 },
		.cache_dir = "/nonexistent",
		.reap_args = f->reap_args,
		.claim_reap = true,
	};
	*state = f;

	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	monitor_client_free(f->client);
	fd_close(f->start.rw_fd);
	free(f->reap_args[0]);
	free(f->reap_args[1]);
	spec_sandbox_done(&f->spec);
	(void)path_rmtree(AT_FDCWD, f->dir, NULL);
	free(f);

	return 0;
}

static inline void set_command(struct spec_process *process, const char *script)
{
	assert_int_equal(strv_add(&process->args, "/bin/sh"), 0);
	assert_int_equal(strv_add(&process->args, "-c"), 0);
	assert_int_equal(strv_add(&process->args, script), 0);
}

static inline void start(struct fixture *f, const char *script)
{
	char text[1024];
	int r;

	set_command(&f->spec.process, script);
	r = monitor_start(&f->start, -1, &f->client, &f->err);
	if (r < 0)
		print_error("start: %s\n", err_text(&f->err, text, sizeof(text)));
	assert_int_equal(r, 0);
}

static inline enum monitor_phase phase(struct fixture *f)
{
	struct monitor_state state;

	assert_int_equal(monitor_read_state(f->dir, &state, NULL), 0);

	return state.phase;
}

/* Wait until the monitor is in @wanted: it changes by itself, never back. */
static inline void await_phase(struct fixture *f, enum monitor_phase wanted)
{
	int64_t deadline_ns = clock_now_ns() + 20 * NS_PER_SEC;

	while (phase(f) != wanted) {
		assert_true(clock_now_ns() < deadline_ns);
		usleep(2000);
	}
}

/* Wait until process @pid, which is not our child, has ended; its parent may be slow to reap it. */
static inline void await_death(pid_t pid)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd wait = { .fd = pidfd, .events = POLLIN };

	if (pidfd >= 0)
		assert_int_equal(poll(&wait, 1, 20000), 1);
	fd_close(pidfd);
}

static inline void await_file(const char *path)
{
	int64_t deadline_ns = clock_now_ns() + 20 * NS_PER_SEC;

	while (access(path, F_OK) < 0) {
		assert_true(clock_now_ns() < deadline_ns);
		usleep(2000);
	}
}

#endif
