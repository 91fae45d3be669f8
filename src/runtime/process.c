/* SPDX-License-Identifier: Apache-2.0
 *
 * process.c - from a process in the right namespaces to the user's program
 */
#include "runtime/process.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "linux/caps.h"
#include "linux/mounts.h"
#include "linux/pty.h"
#include "runtime/root.h"

int process_start_clean(struct err *err)
{
	/* Handlers have been reset by clone3; what was ignored would stay so across exec. */
	static const int ignorable[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGPIPE, SIGTERM, SIGCHLD,
					 SIGTSTP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2, SIGWINCH };
	sigset_t none;

	for (size_t i = 0; i < ARRAY_SIZE(ignorable); i++)
		(void)signal(ignorable[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)umask(0022);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(err, "tie to the parent's life");

	return 0;
}

int process_keep_only(const int *fds, size_t fds_len, struct err *err)
{
	unsigned from = 0;

	for (;;) {
		unsigned next = ~0U;

		for (size_t i = 0; i < fds_len; i++)
			if (fds[i] >= 0 && (unsigned)fds[i] >= from)
				next = MIN(next, (unsigned)fds[i]);
		if (next > from && syscall(SYS_close_range, from, next - (next != ~0U), 0) < 0)
			return err_sys(err, "close descriptors");
		if (next == ~0U)
			return 0;
		from = next + 1;
	}
}

/* HOME is the one variable that we add; an entry that is no assignment is refused. */
static int make_env(struct process *p, struct err *err)
{
	const struct strv *env = &p->spec->env;
	const char *home = strv_env_find(env, "HOME");
	size_t n = 0;

	for (size_t i = 0; i < env->len; i++)
		if (env->items[i][0] == '=' || !strchr(env->items[i], '='))
			return err_setk(err, ERR_USAGE, EINVAL,
					"environment entry '%s' is not NAME=value", env->items[i]);
	p->envp = calloc(env->len + 2, sizeof(*p->envp));
	if (!p->envp)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < env->len; i++)
		if (strncmp(env->items[i], "HOME=", 5) != 0 || (home && *home))
			p->envp[n++] = env->items[i];
	if (home && *home)
		return 0;
	if (asprintf(&p->envp[n], "HOME=%s", p->user.home) < 0) {
		p->envp[n] = NULL;
		return err_set(err, ENOMEM, "out of memory");
	}

	return 0;
}

static int enter_cwd(const struct process *p, int root_fd, struct err *err)
{
	const char *cwd = p->spec->cwd && *p->spec->cwd ? p->spec->cwd : "/";
	auto_close int fd = -1;
	char where[PATH_MAX];

	/* Opened in the root without magic links: /proc/self/fd/N leads nowhere. */
	fd = p->joins ? fd_open_in(root_fd, cwd, O_PATH | O_DIRECTORY, 0, err)
		      : root_open_place(root_fd, cwd, ROOT_PLACE_DIR, err);
	if (fd < 0) {
		err_kind(err, ERR_USAGE);
		return err_wrap(err, fd, "working directory '%s'", cwd);
	}
	if (fchdir(fd) < 0)
		return err_sys(err, "working directory '%s'", cwd);
	/* A directory that cannot be reached from "/" answers "(unreachable)...". */
	if (syscall(SYS_getcwd, where, sizeof(where)) < 0 || where[0] != '/')
		return err_setk(err, ERR_USAGE, EINVAL,
				"working directory '%s' is outside the root", cwd);

	return 0;
}

static int make_terminal(struct process *p, int devpts_fd, int *ret_master_fd, struct err *err)
{
	struct pty pty;
	int r;

	r = pty_open(devpts_fd, (uint16_t)p->spec->rows, (uint16_t)p->spec->cols, &pty, err);
	if (r < 0)
		return r;
	p->slave_fd = pty.slave_fd;
	*ret_master_fd = pty.master_fd;
	/* As a login does: the user may write and others may not read. Group 5 is tty. */
	if (fchown(p->slave_fd, p->user.uid, (gid_t)-1) < 0 && errno != EINVAL)
		return err_sys(err, "give the terminal to the user");

	return 0;
}

int process_prepare(struct process *p, int devpts_fd, int *ret_master_fd, struct err *err)
{
	auto_close int root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r;

	*ret_master_fd = -1;
	p->slave_fd = -1;
	if (root_fd < 0)
		return err_sys(err, "open the root");
	r = user_find(root_fd, p->spec->user, &p->spec->group_add, &p->user, err);
	if (r == 0)
		r = make_env(p, err);
	if (r == 0)
		r = enter_cwd(p, root_fd, err);
	if (r == 0 && p->spec->terminal)
		r = make_terminal(p, devpts_fd, ret_master_fd, err);

	return r;
}

int process_show_console(const struct process *p, int dev_fd, struct err *err)
{
	auto_close int fd = mount_clone(p->slave_fd, "", false, err);

	return fd < 0 ? fd : mount_attach(fd, dev_fd, "console", err);
}

static int open_null(struct err *err)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	struct stat st;

	if (fd < 0)
		return err_sys(err, "open /dev/null");
	if (fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3)) {
		fd_close(fd);
		return err_set(err, EPERM, "/dev/null is not the null device");
	}

	return fd;
}

static int take_streams(struct process *p, struct err *err)
{
	int fds[3];
	int r;

	if (setsid() < 0 && errno != EPERM)
		return err_sys(err, "start a session");
	if (p->slave_fd >= 0) {
		r = pty_make_controlling(p->slave_fd, err);
		if (r < 0)
			return r;
	}
	/* First away from 0 to 2, so that none overwrites another. */
	for (int i = 0; i < 3; i++) {
		fds[i] = p->slave_fd >= 0 ? p->slave_fd : p->stdio_fds[i];
		if (fds[i] < 0)
			fds[i] = open_null(err);
		if (fds[i] < 0)
			return fds[i];
		if (fds[i] < 3)
			fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (fds[i] < 0)
			return err_sys(err, "take stream %d", i);
	}
	for (int i = 0; i < 3; i++)
		if (dup2(fds[i], i) < 0)
			return err_sys(err, "take stream %d", i);
	/* Whatever else this process has inherited ends with its exec. */
	if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return err_sys(err, "close descriptors");

	return 0;
}

/* @r is what the kernel said to an id. */
static int id_refused(int r, struct err *err)
{
	if (r == -EINVAL) {
		err_kind(err, ERR_USAGE);
		err_hint(err,
			 "the workload's user namespace has no such id; --userns host has all");
	}

	return r;
}

static int take_ids(const struct process *p, struct err *err)
{
	const struct user *user = &p->user;

	if (p->spec->ambient && prctl(PR_SET_KEEPCAPS, 1) < 0)
		return err_sys(err, "keep capabilities");
	if (syscall(SYS_setgroups, user->groups_len, user->groups) < 0)
		return id_refused(err_sys(err, "join the groups"), err);
	if (syscall(SYS_setresgid, user->gid, user->gid, user->gid) < 0)
		return id_refused(err_sys(err, "become group %u", user->gid), err);
	if (syscall(SYS_setresuid, user->uid, user->uid, user->uid) < 0)
		return id_refused(err_sys(err, "become user %u", user->uid), err);

	return 0;
}

static int take_credentials(struct process *p, struct err *err)
{
	const struct spec_process *spec = p->spec;
	const struct seccomp_filter *filter = spec->privileged ? NULL : p->filter;
	uint64_t caps = spec->privileged ? ~UINT64_C(0) : spec->caps;
	struct pollfd parent = { .fd = p->sync_fd };
	int r;

	/* A keyring of its own: not the host's, not shared with other workloads. */
	(void)syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	/* Without no_new_privs the filter needs a capability, so it comes first. */
	if (filter && !spec->no_new_privs) {
		r = seccomp_apply(filter, err);
		if (r < 0)
			return r;
	}
	r = caps_limit_bounding(caps, err);
	if (r == 0)
		r = take_ids(p, err);
	if (r == 0)
		r = caps_set(caps, spec->privileged ? 0 : spec->ambient, err);
	if (r < 0)
		return r;
	/* Changing ids has forgotten it. The parent may have died before. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(err, "tie to the parent's life");
	if (poll(&parent, 1, 0) > 0 && (parent.revents & POLLHUP))
		return err_set(err, EPIPE, "the parent has died");
	if (!spec->no_new_privs)
		return 0;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "set no_new_privs");

	return filter ? seccomp_apply(filter, err) : 0;
}

/* Say why @path cannot be executed although the search ended there. */
static int exec_failed(const char *path, int code, struct err *err)
{
	struct stat st;

	errno = code;
	if (code == ENOENT || code == ENOTDIR) {
		bool script = access(path, F_OK) == 0;

		err_setk(err, ERR_NO_COMMAND, ENOENT,
			 script ? "'%s' needs an interpreter that the image does not have"
				: "no such file in the image: '%s'",
			 path);
		return -ENOENT;
	}
	if (code == EACCES && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		err_set(err, EACCES, "it is a directory");
	else
		err_sys(err, "execute");
	err_kind(err, ERR_CANNOT_EXEC);

	return err_wrap(err, -code, "'%s'", path);
}

/* What is handed to the kernel: directly, or as what hull-init shall run. */
static void try_exec(struct process *p, const char *path, char *const argv[])
{
	char init[] = SPEC_INIT_PATH, dashes[] = "--";
	char **with_init;
	size_t argc = 0;

	if (!p->under_init) {
		(void)execve(path, argv, p->envp);
		return;
	}
	if (access(path, X_OK) < 0)
		return;
	while (argv[argc])
		argc++;
	with_init = calloc(argc + 3, sizeof(*with_init));
	if (!with_init)
		return;
	with_init[0] = init;
	with_init[1] = dashes;
	memcpy(with_init + 2, argv, argc * sizeof(*argv));
	(void)execve(SPEC_INIT_PATH, with_init, p->envp);
	free(with_init);
}

static int search_path(struct process *p, char *const argv[], struct err *err)
{
	const char *env_path = strv_env_find(&p->spec->env, "PATH");
	struct slice rest = slice_of(env_path ? env_path : SPEC_PATH_DEFAULT), dir;
	bool denied = false;
	char path[PATH_MAX];

	while (slice_next(&rest, ':', &dir)) {
		int n = snprintf(path, sizeof(path), "%.*s/%s", dir.len ? (int)dir.len : 1,
				 dir.len ? dir.at : ".", argv[0]);

		if (n < 0 || (size_t)n >= sizeof(path))
			continue;
		/* As the user: what it may not execute is passed over, as a shell does. */
		if (access(path, X_OK) < 0) {
			denied |= errno == EACCES;
			continue;
		}
		try_exec(p, path, argv);
		if (errno != EACCES)
			return exec_failed(path, errno, err);
		denied = true;
	}
	if (denied)
		return err_setk(err, ERR_CANNOT_EXEC, EACCES, "'%s' in $PATH: permission denied",
				argv[0]);

	return err_setk(err, ERR_NO_COMMAND, ENOENT, "'%s' is not in $PATH of the image", argv[0]);
}

static int run_program(struct process *p, struct err *err)
{
	char *const *argv = strv_argv(&p->spec->args);

	if (!argv[0] || !*argv[0])
		return err_setk(err, ERR_NO_COMMAND, ENOENT, "there is no command to run");
	if (!strchr(argv[0], '/'))
		return search_path(p, argv, err);
	try_exec(p, argv[0], argv);

	return exec_failed(argv[0], errno, err);
}

int process_exec(struct process *p, struct err *err)
{
	int r = take_streams(p, err);

	if (r == 0)
		r = take_credentials(p, err);
	if (r == 0)
		r = run_program(p, err);

	return r;
}
