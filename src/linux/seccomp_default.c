/* SPDX-License-Identifier: Apache-2.0
 *
 * seccomp_default.c - the system calls a workload may use unless its user says otherwise
 *
 * An allow list; the rest answers EPERM, and calls newer than this list ENOSYS. What only the
 * holder of a capability can use is open to holders alone, so that a bug behind its permission
 * check is out of reach of the others. Compared with the usual default of container engines,
 * 32-bit ABIs, unusual socket families, TIOCSTI and modify_ldt are closed as well.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/macro.h"
#include "linux/caps.h"
#include "linux/seccomp_filter.h"

/* Names that an architecture does not have are skipped. */
static const char *const ALLOWED[] = {
	/* processes, threads, identity */
	"arch_prctl",
	"capget",
	"capset",
	"execve",
	"execveat",
	"exit",
	"exit_group",
	"fork",
	"get_robust_list",
	"get_thread_area",
	"getcpu",
	"getegid",
	"geteuid",
	"getgid",
	"getgroups",
	"getpgid",
	"getpgrp",
	"getpid",
	"getppid",
	"getpriority",
	"getresgid",
	"getresuid",
	"getrlimit",
	"getrusage",
	"getsid",
	"gettid",
	"getuid",
	"ioprio_get",
	"ioprio_set",
	"kill",
	"membarrier",
	"pidfd_open",
	"pidfd_send_signal",
	"prctl",
	"prlimit64",
	"process_mrelease",
	"process_vm_readv",
	"process_vm_writev",
	"ptrace",
	"restart_syscall",
	"rseq",
	"sched_get_priority_max",
	"sched_get_priority_min",
	"sched_getaffinity",
	"sched_getattr",
	"sched_getparam",
	"sched_getscheduler",
	"sched_rr_get_interval",
	"sched_setaffinity",
	"sched_setattr",
	"sched_setparam",
	"sched_setscheduler",
	"sched_yield",
	"seccomp",
	"set_robust_list",
	"set_thread_area",
	"set_tid_address",
	"setfsgid",
	"setfsuid",
	"setgid",
	"setgroups",
	"setpgid",
	"setpriority",
	"setregid",
	"setresgid",
	"setresuid",
	"setreuid",
	"setrlimit",
	"setsid",
	"setuid",
	"sysinfo",
	"tgkill",
	"times",
	"tkill",
	"umask",
	"uname",
	"vfork",
	"wait4",
	"waitid",
	/* signals, time, waiting */
	"adjtimex",
	"alarm",
	"clock_adjtime",
	"clock_getres",
	"clock_gettime",
	"clock_nanosleep",
	"epoll_create",
	"epoll_create1",
	"epoll_ctl",
	"epoll_pwait",
	"epoll_pwait2",
	"epoll_wait",
	"eventfd",
	"eventfd2",
	"futex",
	"futex_requeue",
	"futex_wait",
	"futex_waitv",
	"futex_wake",
	"getitimer",
	"gettimeofday",
	"nanosleep",
	"pause",
	"poll",
	"ppoll",
	"pselect6",
	"rt_sigaction",
	"rt_sigpending",
	"rt_sigprocmask",
	"rt_sigqueueinfo",
	"rt_sigreturn",
	"rt_sigsuspend",
	"rt_sigtimedwait",
	"rt_tgsigqueueinfo",
	"select",
	"setitimer",
	"sigaltstack",
	"signalfd",
	"signalfd4",
	"time",
	"timer_create",
	"timer_delete",
	"timer_getoverrun",
	"timer_gettime",
	"timer_settime",
	"timerfd_create",
	"timerfd_gettime",
	"timerfd_settime",
	/* memory */
	"brk",
	"madvise",
	"map_shadow_stack",
	"memfd_create",
	"mincore",
	"mlock",
	"mlock2",
	"mlockall",
	"mmap",
	"mprotect",
	"mremap",
	"mseal",
	"msync",
	"munlock",
	"munlockall",
	"munmap",
	"pkey_alloc",
	"pkey_free",
	"pkey_mprotect",
	"remap_file_pages",
	/* files */
	"access",
	"cachestat",
	"chdir",
	"chmod",
	"chown",
	"close",
	"close_range",
	"copy_file_range",
	"creat",
	"dup",
	"dup2",
	"dup3",
	"faccessat",
	"faccessat2",
	"fadvise64",
	"fallocate",
	"fanotify_mark",
	"fchdir",
	"fchmod",
	"fchmodat",
	"fchmodat2",
	"fchown",
	"fchownat",
	"fcntl",
	"fdatasync",
	"fgetxattr",
	"flistxattr",
	"flock",
	"fremovexattr",
	"fsetxattr",
	"fstat",
	"fstatfs",
	"fsync",
	"ftruncate",
	"futimesat",
	"getcwd",
	"getdents",
	"getdents64",
	"getxattr",
	"getxattrat",
	"inotify_add_watch",
	"inotify_init",
	"inotify_init1",
	"inotify_rm_watch",
	"io_cancel",
	"io_destroy",
	"io_getevents",
	"io_pgetevents",
	"io_setup",
	"io_submit",
	"landlock_add_rule",
	"landlock_create_ruleset",
	"landlock_restrict_self",
	"lchown",
	"lgetxattr",
	"link",
	"linkat",
	"listxattr",
	"listxattrat",
	"llistxattr",
	"lremovexattr",
	"lseek",
	"lsetxattr",
	"lstat",
	"mkdir",
	"mkdirat",
	"mknod",
	"mknodat",
	"name_to_handle_at",
	"newfstatat",
	"open",
	"openat",
	"openat2",
	"pipe",
	"pipe2",
	"pread64",
	"preadv",
	"preadv2",
	"pwrite64",
	"pwritev",
	"pwritev2",
	"read",
	"readahead",
	"readlink",
	"readlinkat",
	"readv",
	"removexattr",
	"removexattrat",
	"rename",
	"renameat",
	"renameat2",
	"rmdir",
	"sendfile",
	"setxattr",
	"setxattrat",
	"splice",
	"stat",
	"statfs",
	"statx",
	"symlink",
	"symlinkat",
	"sync",
	"sync_file_range",
	"syncfs",
	"tee",
	"truncate",
	"unlink",
	"unlinkat",
	"utime",
	"utimensat",
	"utimes",
	"vmsplice",
	"write",
	"writev",
	/* communication */
	"accept",
	"accept4",
	"bind",
	"connect",
	"getpeername",
	"getrandom",
	"getsockname",
	"getsockopt",
	"listen",
	"mq_getsetattr",
	"mq_notify",
	"mq_open",
	"mq_timedreceive",
	"mq_timedsend",
	"mq_unlink",
	"msgctl",
	"msgget",
	"msgrcv",
	"msgsnd",
	"recvfrom",
	"recvmmsg",
	"recvmsg",
	"semctl",
	"semget",
	"semop",
	"semtimedop",
	"sendmmsg",
	"sendmsg",
	"sendto",
	"setsockopt",
	"shmat",
	"shmctl",
	"shmdt",
	"shmget",
	"shutdown",
};

/* Open to the holder of a capability. */
static const struct {
	int cap;
	const char *name;
} BY_CAP[] = {
	{ CAP_BPF, "bpf" },
	{ CAP_DAC_READ_SEARCH, "open_by_handle_at" },
	{ CAP_PERFMON, "perf_event_open" },
	{ CAP_SYS_ADMIN, "bpf" },
	{ CAP_SYS_ADMIN, "clone" },
	{ CAP_SYS_ADMIN, "clone3" },
	{ CAP_SYS_ADMIN, "fanotify_init" },
	{ CAP_SYS_ADMIN, "fsconfig" },
	{ CAP_SYS_ADMIN, "fsmount" },
	{ CAP_SYS_ADMIN, "fsopen" },
	{ CAP_SYS_ADMIN, "fspick" },
	{ CAP_SYS_ADMIN, "listmount" },
	{ CAP_SYS_ADMIN, "mount" },
	{ CAP_SYS_ADMIN, "mount_setattr" },
	{ CAP_SYS_ADMIN, "move_mount" },
	{ CAP_SYS_ADMIN, "open_tree" },
	{ CAP_SYS_ADMIN, "perf_event_open" },
	{ CAP_SYS_ADMIN, "pivot_root" },
	{ CAP_SYS_ADMIN, "quotactl" },
	{ CAP_SYS_ADMIN, "quotactl_fd" },
	{ CAP_SYS_ADMIN, "setdomainname" },
	{ CAP_SYS_ADMIN, "sethostname" },
	{ CAP_SYS_ADMIN, "setns" },
	{ CAP_SYS_ADMIN, "statmount" },
	{ CAP_SYS_ADMIN, "swapoff" },
	{ CAP_SYS_ADMIN, "swapon" },
	{ CAP_SYS_ADMIN, "syslog" },
	{ CAP_SYS_ADMIN, "umount2" },
	{ CAP_SYS_ADMIN, "unshare" },
	{ CAP_SYS_BOOT, "reboot" },
	{ CAP_SYS_CHROOT, "chroot" },
	{ CAP_SYS_MODULE, "delete_module" },
	{ CAP_SYS_MODULE, "finit_module" },
	{ CAP_SYS_MODULE, "init_module" },
	{ CAP_SYS_NICE, "get_mempolicy" },
	{ CAP_SYS_NICE, "mbind" },
	{ CAP_SYS_NICE, "migrate_pages" },
	{ CAP_SYS_NICE, "move_pages" },
	{ CAP_SYS_NICE, "set_mempolicy" },
	{ CAP_SYS_NICE, "set_mempolicy_home_node" },
	{ CAP_SYS_PACCT, "acct" },
	{ CAP_SYS_PTRACE, "kcmp" },
	{ CAP_SYS_PTRACE, "pidfd_getfd" },
	{ CAP_SYS_PTRACE, "process_madvise" },
	{ CAP_SYS_RAWIO, "ioperm" },
	{ CAP_SYS_RAWIO, "iopl" },
	{ CAP_SYS_TIME, "clock_settime" },
	{ CAP_SYS_TIME, "settimeofday" },
	{ CAP_SYS_TTY_CONFIG, "vhangup" },
	{ CAP_SYSLOG, "syslog" },
};

/* The namespaces a clone() could make; CLONE_NEWTIME has no place in its flags. */
#define NEW_NAMESPACES                                                                 \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | \
	 CLONE_NEWPID | CLONE_NEWNET)

static const int FAMILIES[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };

/* Typed into a terminal, they would run with whoever reads it next. */
static const uint64_t BAD_IOCTLS[] = { TIOCSTI, TIOCLINUX };

/* Execution domains: Linux, its 32-bit uname, each with or without UNAME26; and the query. */
static const uint64_t PERSONALITIES[] = { 0, 0x8, 0x20000, 0x20008, 0xffffffff };

#define RULES_MAX                                                          \
	(ARRAY_SIZE(ALLOWED) + ARRAY_SIZE(BY_CAP) + ARRAY_SIZE(FAMILIES) + \
	 ARRAY_SIZE(PERSONALITIES) + ARRAY_SIZE(BAD_IOCTLS) + 8)

struct builder {
	struct seccomp_rule rules[RULES_MAX];
	size_t len;
	struct seccomp_rule unused; /* stands for calls this architecture does not have */
};

static struct seccomp_rule *add(struct builder *b, const char *name, uint32_t action)
{
	struct seccomp_rule *rule = &b->rules[b->len];
	int nr = seccomp_call_number(name);

	if (nr < 0)
		return &b->unused;
	*rule = (struct seccomp_rule){ .nr = nr, .action = action };
	b->len++;

	return rule;
}

static void add_if(struct builder *b, const char *name, uint32_t action, struct seccomp_cond cond)
{
	struct seccomp_rule *rule = add(b, name, action);

	rule->conds[0] = cond;
	rule->conds_len = 1;
}

static void add_conditional(struct builder *b)
{
	for (size_t i = 0; i < ARRAY_SIZE(FAMILIES); i++)
		add_if(b, "socket", SECCOMP_RET_ALLOW,
		       (struct seccomp_cond){ 0, SECCOMP_CMP_MASKED_EQ, (uint64_t)FAMILIES[i],
					      UINT32_MAX });
	(void)add(b, "socket", SECCOMP_RET_ERRNO | EAFNOSUPPORT);
	add_if(b, "socketpair", SECCOMP_RET_ALLOW,
	       (struct seccomp_cond){ 0, SECCOMP_CMP_MASKED_EQ, AF_UNIX, UINT32_MAX });
	for (size_t i = 0; i < ARRAY_SIZE(PERSONALITIES); i++)
		add_if(b, "personality", SECCOMP_RET_ALLOW,
		       (struct seccomp_cond){ 0, SECCOMP_CMP_MASKED_EQ, PERSONALITIES[i],
					      UINT32_MAX });
	for (size_t i = 0; i < ARRAY_SIZE(BAD_IOCTLS); i++)
		add_if(b, "ioctl", SECCOMP_RET_ERRNO | EPERM,
		       (struct seccomp_cond){ 1, SECCOMP_CMP_MASKED_EQ, BAD_IOCTLS[i],
					      UINT32_MAX });
	(void)add(b, "ioctl", SECCOMP_RET_ALLOW);
	/* The flags of clone3 are in memory, where no filter can look: clone() is used instead. */
	add_if(b, "clone", SECCOMP_RET_ALLOW,
	       (struct seccomp_cond){ 0, SECCOMP_CMP_MASKED_EQ, 0, NEW_NAMESPACES });
	(void)add(b, "clone3", SECCOMP_RET_ERRNO | ENOSYS);
}

uint64_t seccomp_default_caps(void)
{
	uint64_t caps = 0;

	for (size_t i = 0; i < ARRAY_SIZE(BY_CAP); i++)
		caps |= CAPS_BIT(BY_CAP[i].cap);

	return caps;
}

int seccomp_default_compile(uint64_t caps, struct seccomp_filter *ret, struct err *err)
{
	auto_free struct builder *b = calloc(1, sizeof(*b));
	struct seccomp_policy policy = {
		.otherwise = SECCOMP_RET_ERRNO | EPERM,
		.known_max = seccomp_call_max(),
	};

	if (!b)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(BY_CAP); i++)
		if (caps & CAPS_BIT(BY_CAP[i].cap))
			(void)add(b, BY_CAP[i].name, SECCOMP_RET_ALLOW);
	for (size_t i = 0; i < ARRAY_SIZE(ALLOWED); i++)
		(void)add(b, ALLOWED[i], SECCOMP_RET_ALLOW);
	add_conditional(b);
	policy.rules = b->rules;
	policy.rules_len = b->len;

	return seccomp_compile(&policy, ret, err);
}
