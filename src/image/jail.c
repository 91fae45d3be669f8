/* SPDX-License-Identifier: Apache-2.0
 *
 * jail.c - what a process gives up before it reads bytes from strangers
 */
#include "image/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/mem.h"

/* ASan reserves terabytes of address space. */
#if defined(__SANITIZE_ADDRESS__)
#define JAIL_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define JAIL_ASAN 1
#endif
#endif
#ifdef JAIL_ASAN
#define MEMORY_LIMIT RLIM_INFINITY
#else
#define MEMORY_LIMIT JAIL_MAX_MEMORY_BYTES
#endif

#if defined(__x86_64__)
#define JAIL_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define JAIL_ARCH AUDIT_ARCH_AARCH64
#endif

/* A ruleset that handles every access and has no rule: no path can be opened any more. */
static void enter_landlock(void)
{
	struct landlock_ruleset_attr attr = {
		.handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
				     LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR |
				     LANDLOCK_ACCESS_FS_REMOVE_DIR |
				     LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_CHAR |
				     LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG |
				     LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |
				     LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM,
	};
	auto_close int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);

	if (fd >= 0)
		(void)syscall(SYS_landlock_restrict_self, fd, 0);
}

static int set_limit(int resource, rlim_t max, struct err *err)
{
	struct rlimit now;

	if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
		return err_sys(err, "reading a resource limit");
	max = MIN(max, now.rlim_max);
	if (setrlimit((__rlimit_resource_t)resource, &(struct rlimit){ max, max }) < 0)
		return err_sys(err, "setting a resource limit");

	return 0;
}

int jail_enter(uint64_t file_max_bytes, struct err *err)
{
	int r = set_limit(RLIMIT_AS, MEMORY_LIMIT, err);

	if (r == 0)
		r = set_limit(RLIMIT_CPU, JAIL_MAX_CPU_SECONDS, err);
	if (r == 0)
		r = set_limit(RLIMIT_FSIZE, file_max_bytes, err);
	if (r == 0)
		r = set_limit(RLIMIT_CORE, 0, err);
	if (r < 0)
		return r;
	/* Without mappings, so even root is nobody in there. */
	(void)unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS);
	(void)prctl(PR_SET_DUMPABLE, 0);
	/* Both of these forget the signal of the parent's death, so it is set behind them. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_sys(err, "PR_SET_PDEATHSIG");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_sys(err, "PR_SET_NO_NEW_PRIVS");
	enter_landlock();

	return 0;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(action) BPF_STMT(BPF_RET | BPF_K, (action))
/* One instruction each, so that all of them can jump over what stands at the end. */
#define ALLOW(name) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), RETURN(SECCOMP_RET_ALLOW)

int jail_seal(struct err *err)
{
	struct sock_filter code[] = {
		LOAD(arch),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, JAIL_ARCH, 1, 0),
		RETURN(SECCOMP_RET_KILL_PROCESS),
		LOAD(nr),
		ALLOW(read),
		ALLOW(write),
		ALLOW(pread64),
		ALLOW(pwrite64),
		ALLOW(fcntl), /* O_DIRECT on and off */
		ALLOW(futex),
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(madvise),
		ALLOW(brk),
		ALLOW(sysinfo),	       /* qsort() asks how much memory there is */
		ALLOW(rt_sigprocmask), /* start and end of a thread */
		ALLOW(rseq),
		ALLOW(set_robust_list),
		ALLOW(rt_sigreturn),
		ALLOW(restart_syscall),
		ALLOW(exit),
		ALLOW(exit_group),
#ifdef JAIL_ASAN
		/* Its own work when threads start and end. */
		ALLOW(gettid),
		ALLOW(sched_getaffinity),
		ALLOW(sched_yield),
		ALLOW(sigaltstack),
#endif
		/* Memory, but none that can be executed. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mmap, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_mprotect, 0, 3),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 1, 0),
		RETURN(SECCOMP_RET_ALLOW),
		RETURN(SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { .len = ARRAY_SIZE(code), .filter = code };

	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0)
		return err_sys(err, "installing the seccomp filter of the unpacker");

	return 0;
}

int jail_keep_fds(int *fds, size_t fds_len, struct err *err)
{
	int first = 3, end = first + (int)fds_len;

	/* Out of the way first, so that no target is still a source. */
	for (size_t i = 0; i < fds_len; i++) {
		int fd = fds[i] < 0 ? -1 : fcntl(fds[i], F_DUPFD_CLOEXEC, end);

		if (fds[i] >= 0 && fd < 0)
			return err_sys(err, "keeping descriptors");
		fds[i] = fd;
	}
	(void)close_range((unsigned)first, (unsigned)end - 1, 0);
	/* Below the copies, so that the limit allows them. */
	for (size_t i = 0; i < fds_len; i++)
		if (fds[i] >= 0)
			fds[i] = dup3(fds[i], first + (int)i, O_CLOEXEC);
	(void)close_range(0, (unsigned)first - 1, 0);
	(void)close_range((unsigned)end, ~0U, 0);
	/* Its reader gone, a write shall fail, not kill. */
	(void)signal(SIGPIPE, SIG_IGN);

	return 0;
}

/* What the child writes to its pipe, once. The parent believes none of it unchecked. */
struct report {
	struct err err;
	int32_t result;
};

static void child_main(const struct jail_job *job, int *fds) NORETURN;
static void child_main(const struct jail_job *job, int *fds)
{
	struct report report = { .err = ERR_INIT };
	int r;

	r = jail_keep_fds(fds, job->fds_len + 1, &report.err);
	if (r == 0)
		r = jail_enter(job->file_max_bytes, &report.err);
	if (r == 0)
		r = jail_seal(&report.err);
	if (r == 0)
		r = job->run(job->ctx, fds, &report.err);
	report.result = r;
	/* Memory goes with the process. */
	_exit(fd_write_all(fds[job->fds_len], &report, sizeof(report)) < 0);
}

static int take_report(pid_t pid, int report_fd, struct err *err)
{
	struct report report;
	ssize_t n = fd_read_all(report_fd, &report, sizeof(report));
	int status = 0;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (n != (ssize_t)sizeof(report))
		return WIFSIGNALED(status)
			       ? err_set(err, EIO, "the jailed child was killed by signal %d",
					 WTERMSIG(status))
			       : err_set(err, EIO, "the jailed child ended without a result");
	if (report.result >= 0)
		return report.result;
	if (report.err.code == 0)
		return err_set(err, EIO, "the jailed child failed without a reason");
	err_sanitize(&report.err);
	if (err)
		*err = report.err;

	return -report.err.code;
}

int jail_run(const struct jail_job *job, struct err *err)
{
	auto_free int *fds = mem_calloc(job->fds_len + 1, sizeof(*fds));
	int report[2], r;
	pid_t pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return err_sys(err, "making a pipe");
	memcpy(fds, job->fds, job->fds_len * sizeof(*fds));
	fds[job->fds_len] = report[1];
	pid = fork();
	if (pid == 0)
		child_main(job, fds);
	fd_close(report[1]);
	r = pid < 0 ? err_sys(err, "starting a jailed child") : take_report(pid, report[0], err);
	fd_close(report[0]);

	return r;
}
