/* SPDX-License-Identifier: Apache-2.0
 *
 * fake.c - the container level with exactly one defect, so that the contract suite is seen to bite
 *
 * For tests only: hull-monitor proper does not contain it. HULL_FAKE_DEFECT names the defect (none:
 * it behaves as the container level does). A defect either alters what is asked for before the
 * container level sees it (fake_defects.c), or lives in one of the operations below, which
 * asks fake_has(). tests/contract/defects says which case of the suite must notice which.
 */
#include "sandbox/fake.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "sandbox/sandbox.h"
#include "spec/sandbox.h"

#define real (&sandbox_container_ops)

/* ---- defects of streams, the writable layer, and what is left behind ---- */

/* @fds as the sandbox shall get them; those in @owned are for the caller to close. */
static int damage_streams(const int stdio_fds[3], bool exec, int fds[3], int owned[3],
			  struct err *err)
{
	static const struct {
		const char *name;
		int stream;
		enum fake_damage damage;
		bool exec_only;
	} pumps[] = {
		{ "stdin-damaged", STDIN_FILENO, FAKE_FLIP, false },
		{ "stdout-damaged", STDOUT_FILENO, FAKE_FLIP, false },
		{ "stderr-damaged", STDERR_FILENO, FAKE_FLIP, false },
		{ "stdin-held-open", STDIN_FILENO, FAKE_HOLD, false },
		{ "slow-reader-loses", STDOUT_FILENO, FAKE_DROP, true },
	};
	bool swapped = fake_has("streams-swapped");
	auto_close int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null_fd < 0)
		return err_sys(err, "open /dev/null");
	fds[0] = fake_has("stdin-lost") ? -1 : stdio_fds[0];
	fds[1] = fake_has("stdout-lost") ? -1 : stdio_fds[swapped ? 2 : 1];
	fds[2] = stdio_fds[swapped ? 1 : 2];
	for (size_t i = 0; i < ARRAY_SIZE(pumps); i++) {
		int s = pumps[i].stream;

		if (!fake_has(pumps[i].name) || (pumps[i].exec_only && !exec))
			continue;
		if (fds[s] < 0)
			fds[s] = null_fd;
		owned[s] = fake_pump(fds[s], s == STDIN_FILENO, pumps[i].damage, err);
		if (owned[s] < 0)
			return owned[s];
		fds[s] = owned[s];
	}

	return 0;
}

static void close_owned(int owned[3])
{
	for (int i = 0; i < 3; i++)
		fd_close(owned[i]);
}

/* A writable layer of another life, or one that all share. -1: the right one. */
static int other_layer(int rw_fd, struct err *err)
{
	char name[64] = "../fake-shared";
	int fd;

	if (fake_has("layer-lost"))
		(void)snprintf(name, sizeof(name), "fake-%lld", (long long)clock_now_ns());
	else if (!fake_has("layer-shared"))
		return -1;
	if (mkdirat(rw_fd, name, 0755) < 0 && errno != EEXIST)
		return err_sys(err, "mkdir of a layer");
	fd = openat(rw_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd >= 0 ? fd : err_sys(err, "open of a layer");
}

static int leave_behind(int dir_fd, struct err *err)
{
	static const char *const kinds[] = { "process", "cgroup", "mount", "file" };
	char name[32];

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		(void)snprintf(name, sizeof(name), "leak-%s", kinds[i]);
		if (fake_has(name))
			return fake_leak(kinds[i], dir_fd, err);
	}

	return 0;
}

static int lose_reason(int r, struct err *err)
{
	if (r < 0 && fake_has("reasons-lost"))
		err_kind(err, ERR_INTERNAL);

	return r;
}

static void spoil_terminal(int tty_fd)
{
	struct termios mode;

	if (tty_fd >= 0 && fake_has("terminal-raw") && tcgetattr(tty_fd, &mode) == 0) {
		mode.c_lflag &= ~(tcflag_t)ISIG;
		(void)tcsetattr(tty_fd, TCSANOW, &mode);
	}
}

/* ---- operations ---- */

static int fake_probe(struct err *err)
{
	return real->probe(err);
}

static int fake_create(const struct sandbox_setup *setup, struct sandbox **ret_sb, int *ret_tty_fd,
		       struct err *err)
{
	struct sandbox_setup fake_setup = *setup;
	struct spec_sandbox spec = *setup->spec;
	auto_free struct spec_mount *mounts = NULL;
	const struct fake_defect *defect;
	int owned[3] = { -1, -1, -1 };
	auto_close int rw_fd = -1;
	int r = fake_find(&defect, err);

	if (r < 0)
		return r;
	mounts = calloc(spec.mounts_len + 1, sizeof(*mounts));
	if (!mounts)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < spec.mounts_len; i++)
		mounts[i] = spec.mounts[i];
	spec.mounts = mounts;
	if (defect && defect->spec)
		defect->spec(&spec);
	if (defect && defect->process && defect->scope == FAKE_ANY_PROCESS && !spec.service)
		defect->process(&spec.process);
	rw_fd = other_layer(setup->rw_fd, err);
	if (rw_fd < -1)
		return rw_fd;
	fake_setup.spec = &spec;
	fake_setup.rw_fd = rw_fd >= 0 ? rw_fd : setup->rw_fd;
	r = damage_streams(setup->stdio_fds, false, fake_setup.stdio_fds, owned, err);
	if (r == 0)
		r = leave_behind(setup->dir_fd, err);
	if (r == 0)
		r = lose_reason(real->create(&fake_setup, ret_sb, ret_tty_fd, err), err);
	if (r == 0)
		spoil_terminal(*ret_tty_fd);
	close_owned(owned);

	return r;
}

static int fake_start(struct sandbox *sb, struct err *err)
{
	return lose_reason(real->start(sb, err), err);
}

static int fake_spawn(struct sandbox *sb, const struct spec_process *process,
		      const int stdio_fds[3], uint32_t *ret_proc, int *ret_tty_fd, struct err *err)
{
	struct spec_process fake_process = *process;
	const struct fake_defect *defect;
	int owned[3] = { -1, -1, -1 }, fds[3];
	int r = fake_find(&defect, err);

	if (r < 0)
		return r;
	if (fake_has("exec-refused"))
		return err_set(err, EAGAIN, "refused");
	if (defect && defect->process)
		defect->process(&fake_process);
	r = damage_streams(stdio_fds, true, fds, owned, err);
	if (r == 0)
		r = lose_reason(real->spawn(sb, &fake_process, fds, ret_proc, ret_tty_fd, err),
				err);
	if (r == 0) {
		spoil_terminal(*ret_tty_fd);
		if (fake_has("exec-every-other-killed") && *ret_proc % 2 == 0)
			(void)real->signal(sb, *ret_proc, SIGKILL, NULL);
	}
	close_owned(owned);

	return r;
}

static int fake_tool(struct sandbox *sb, const struct spec_tool *tool, const int stdio_fds[3],
		     uint32_t *ret_proc, struct err *err)
{
	struct spec_tool fake_tool = *tool;

	if (fake_has("tools-refused"))
		return err_set(err, ENOTSUP, "refused");
	if (fake_has("tools-elsewhere"))
		fake_tool.path = (char *)(uintptr_t) "/root";

	return real->tool(sb, &fake_tool, stdio_fds, ret_proc, err);
}

static int fake_signal(struct sandbox *sb, uint32_t proc, int signo, struct err *err)
{
	if (fake_has(signo == SIGKILL ? "kill-lost" : "signals-lost"))
		return 0;
	if (signo != SIGKILL && fake_has("signals-all-term"))
		signo = SIGTERM;

	return real->signal(sb, proc, signo, err);
}

static int fake_kill_all(struct sandbox *sb, struct err *err)
{
	return fake_has("kill-lost") ? 0 : real->kill_all(sb, err);
}

static int fake_resize(struct sandbox *sb, uint32_t proc, uint16_t rows, uint16_t cols,
		       struct err *err)
{
	return fake_has("terminal-fixed-size") ? 0 : real->resize(sb, proc, rows, cols, err);
}

static int fake_wait_fd(struct sandbox *sb, uint32_t proc, int *ret_fd, struct err *err)
{
	return real->wait_fd(sb, proc, ret_fd, err);
}

static int fake_reap(struct sandbox *sb, uint32_t proc, int *ret_wstatus, struct err *err)
{
	int status = 0, r = real->reap(sb, proc, &status, err);

	if (r < 0)
		return r;
	if (WIFEXITED(status) && fake_has("status-off-by-one"))
		status = W_EXITCODE((WEXITSTATUS(status) + 1) & 0xff, 0);
	if (WIFSIGNALED(status) && fake_has("signal-untold"))
		status = 0;
	if (proc != SANDBOX_INIT && fake_has("exec-status-lost"))
		status = 0;
	*ret_wstatus = status;

	return r;
}

static int fake_death_fd(struct sandbox *sb)
{
	return real->death_fd(sb);
}

static int fake_init_pid(struct sandbox *sb)
{
	return fake_has("pid-untold") ? 0 : real->init_pid(sb);
}

static int fake_update(struct sandbox *sb, const struct spec_resources *resources, struct err *err)
{
	return fake_has("update-ignored") ? 0 : real->update(sb, resources, err);
}

static int fake_stats(struct sandbox *sb, struct spec_stats *ret_stats, struct err *err)
{
	int r = real->stats(sb, ret_stats, err);

	if (r == 0 && fake_has("stats-zero"))
		*ret_stats = (struct spec_stats){ 0 };
	if (r == 0 && fake_has("oom-untold"))
		ret_stats->oom_kills = 0;

	return r;
}

static int fake_pause(struct sandbox *sb, int frozen, struct err *err)
{
	if (fake_has("pause-refused"))
		return err_set(err, ENOTSUP, "refused");

	return fake_has("pause-ignored") ? 0 : real->pause(sb, frozen, err);
}

static const char *fake_describe(struct sandbox *sb)
{
	return real->describe(sb);
}

static int fake_destroy(struct sandbox *sb, struct err *err)
{
	return real->destroy(sb, err);
}

static void fake_put(struct sandbox *sb)
{
	real->put(sb);
}

const struct sandbox_ops sandbox_fake_ops = {
	.name = "fake",
	.probe = fake_probe,
	.create = fake_create,
	.start = fake_start,
	.spawn = fake_spawn,
	.tool = fake_tool,
	.signal = fake_signal,
	.kill_all = fake_kill_all,
	.resize = fake_resize,
	.wait_fd = fake_wait_fd,
	.reap = fake_reap,
	.death_fd = fake_death_fd,
	.init_pid = fake_init_pid,
	.update = fake_update,
	.stats = fake_stats,
	.pause = fake_pause,
	.describe = fake_describe,
	.destroy = fake_destroy,
	.put = fake_put,
};
