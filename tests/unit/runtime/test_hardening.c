/* SPDX-License-Identifier: Apache-2.0
 *
 * test_hardening.c - images and workloads that mean harm, each a known hole of a container runtime
 *
 * "v" beside the root is bait: box_done() fails when anything in it has changed.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "box.h"
#include "check.h"

static int setup(void **state)
{
	static struct box box;

	box_init(&box);
	*state = &box;
	/* Whatever blocks for ever fails the test. */
	(void)alarm(60);

	return 0;
}

static int teardown(void **state)
{
	box_done(*state);
	(void)alarm(0);

	return 0;
}

static void expect_run(struct box *box, const char *script, int status)
{
	int r = box_run(box, script);

	if (r != status)
		print_error("status %d, error '%s', output '%s'\n", r, box_error(box), box->output);
	assert_int_equal(r, status);
}

/* In the image, @name becomes a symlink to the bait. */
static void plant(struct box *box, const char *name)
{
	char target[256], link[256];

	(void)snprintf(target, sizeof(target), "%s/v", box->top);
	(void)snprintf(link, sizeof(link), "%s/root/%s", box->top, name);
	(void)rmdir(link);
	assert_int_equal(symlink(target, link), 0);
}

/* An image whose /dev, /proc or /sys leads out of the root. */
static void symlinked_system_dirs(void **state)
{
	static const char *const NAMES[] = { "dev", "proc", "sys" };
	struct box *box = *state;

	for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
		plant(box, NAMES[i]);
		assert_int_equal(box_run(box, "true"), -ENOTDIR);
		assert_true(*box->err.hint);
		assert_int_equal(unlink(box_path(box, i == 0   ? "root/dev"
						      : i == 1 ? "root/proc"
							       : "root/sys")),
				 0);
	}
}

/* A file or mount of ours whose place is a symlink stays in the root. */
static void symlinked_targets(void **state)
{
	struct box *box = *state;
	struct spec_sandbox *spec = &box->spec;

	plant(box, "srv");
	spec->files = calloc(1, sizeof(*spec->files));
	assert_non_null(spec->files);
	spec->files_len = 1;
	spec->files[0] = (struct spec_file){ strdup("/srv/secret"), strdup("ours"), 0644 };
	spec->process.cwd = strdup("/srv/sub/dir");
	/* The link leads to a place inside, whether that can be made there or not. */
	if (box_run(box, "cat /srv/secret; pwd") >= 0)
		assert_memory_equal(box->output, "ours", 4);
	strv_done(&spec->process.args);
	free(spec->files[0].target);
	spec->files[0].target = strdup("/etc/../../../../../etc/hosts");
	free(spec->process.cwd);
	spec->process.cwd = strdup("/../../tmp/sub");
	expect_run(box, "cat /etc/hosts; pwd", 0);
	assert_string_equal(box->output, "ours/tmp/sub\n");
}

/* CVE-2024-21626: a working directory or an argument by way of a leaked descriptor. */
static void leaked_directories(void **state)
{
	struct box *box = *state;
	char cwd[64];

	for (int fd = 3; fd <= 30; fd++) {
		(void)snprintf(cwd, sizeof(cwd), "/proc/self/fd/%d", fd);
		free(box->spec.process.cwd);
		box->spec.process.cwd = strdup(cwd);
		assert_true(box_run(box, "true") < 0);
	}
}

/* Only the three streams are open, in the first process and in later ones. */
static void leaked_descriptors(void **state)
{
	struct box *box = *state;
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	expect_run(box, "exec probe fds", 0);
	strv_done(&box->spec.process.args);
	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(box_exec(box, "exec probe fds", NULL), 0);
	fd_close(fds[0]);
	fd_close(fds[1]);
}

/* CVE-2025-31133: what covers a masked path is the null device or an empty directory. */
static void masked_paths(void **state)
{
	struct box *box = *state;
	struct slice rest, line;
	size_t lines = 0;

	assert_int_equal(symlink("/proc/sysrq-trigger", box_path(box, "root/etc/trap")), 0);
	assert_int_equal(strv_add(&box->spec.masked_paths, "/etc/key"), 0);
	fd_close(open(box_path(box, "root/etc/key"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	expect_run(box,
		   "for f in /proc/kcore /proc/keys /proc/timer_list /proc/latency_stats "
		   "/etc/key; do test -e $f && stat -c '%t:%T %F' $f; done; "
		   "for d in /proc/acpi /proc/scsi /sys/firmware; do test -d $d && ls -A $d; "
		   "test -d $d && touch $d/x && echo WRITABLE; done; :",
		   0);
	assert_false(box_says(box, "WRITABLE"));
	rest = slice_of(box->output);
	while (slice_next(&rest, '\n', &line)) {
		if (line.len == 0 || strncmp(line.at, "touch:", 6) == 0)
			continue;
		assert_true(slice_eq(line, "1:3 character special file"));
		lines++;
	}
	assert_true(lines >= 3);
}

static void readonly_paths(void **state)
{
	struct box *box = *state;

	expect_run(box,
		   "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger "
		   "/proc/sys/net/ipv4/ip_forward /sys/kernel/uevent_helper; do "
		   "echo x 2>/dev/null > $f && echo WRITABLE $f; done; :",
		   0);
	assert_false(box_says(box, "WRITABLE"));
}

/* A user database that blocks, is a device, or is huge answers at once. */
static void hostile_user_database(void **state)
{
	struct box *box = *state;
	const char *passwd = "root/etc/passwd";

	assert_int_equal(unlink(box_path(box, passwd)), 0);
	assert_int_equal(mkfifo(box_path(box, passwd), 0644), 0);
	assert_int_equal(box_run(box, "true"), -EINVAL);
	assert_int_equal(unlink(box_path(box, passwd)), 0);
	assert_int_equal(symlink("/proc/self/environ", box_path(box, passwd)), 0);
	assert_int_equal(box_run(box, "true"), -ELOOP);
	assert_int_equal(unlink(box_path(box, passwd)), 0);
	fd_close(open(box_path(box, passwd), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(truncate(box_path(box, passwd), 1 << 30), 0);
	assert_int_equal(box_run(box, "true"), -EFBIG);
	/* And none at all is no error. */
	assert_int_equal(unlink(box_path(box, passwd)), 0);
	expect_run(box, "id -u", 0);
}

/* CVE-2022-29162: nothing inheritable, in the first process and in later ones. */
static void capabilities(void **state)
{
	static const char script[] = "grep -E '^(Cap|NoNew|Seccomp:)' /proc/self/status";
	static const char expected[] = "CapInh:\t0000000000000000\n"
				       "CapPrm:\t00000000080005fb\n"
				       "CapEff:\t00000000080005fb\n"
				       "CapBnd:\t00000000080005fb\n"
				       "CapAmb:\t0000000000000000\n"
				       "NoNewPrivs:\t1\n"
				       "Seccomp:\t2\n";
	struct box *box = *state;

	expect_run(box, script, 0);
	assert_string_equal(box->output, expected);
	strv_done(&box->spec.process.args);
	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(box_exec(box, script, NULL), 0);
	assert_string_equal(box->output, expected);
	/* A user who is not root holds none. */
	assert_int_equal(box_exec(box, "grep -E '^Cap(Prm|Eff)' /proc/self/status", "joe"), 0);
	assert_string_equal(box->output, "CapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
}

/* CVE-2022-2989: a file that denies its group something denies it to its members. */
static void denying_group(void **state)
{
	struct box *box = *state;
	const char *file = "root/srv/denied";

	fd_close(open(box_path(box, file), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	assert_int_equal(chown(box_path(box, file), 0, 100), 0);
	assert_int_equal(chmod(box_path(box, file), 0707), 0);
	box->spec.process.user = strdup("joe");
	expect_run(box, "cat /srv/denied", 1);
	assert_true(box_says(box, "Permission denied"));
	strv_done(&box->spec.process.args);
	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(box_exec(box, "cat /srv/denied", "1000"), 1);
}

static void environment(void **state)
{
	static const char *const BAD[] = { "NOEQUALS", "=value" };
	struct box *box = *state;

	assert_int_equal(setenv("HULL_CANARY", "secret", 1), 0);
	expect_run(box, "env | grep -v '^PWD=\\|^SHLVL='", 0);
	assert_string_equal(box->output, "HOME=/root\nPATH=/bin\n");
	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		strv_done(&box->spec.process.env);
		assert_int_equal(strv_add(&box->spec.process.env, BAD[i]), 0);
		assert_int_equal(box_run(box, "true"), -EINVAL);
		assert_int_equal(box->err.kind, ERR_USAGE);
	}
}

static void foreign_sysctls(void **state)
{
	static const char *const BAD[] = {
		"kernel.core_pattern=|/x", "net/../kernel/hostname=x",
		"vm.swappiness=1",	   "noequals",
		"net.ipv4.absent=1",	   "kernel.shmmax/../core_pattern=x"
	};
	struct box *box = *state;

	for (size_t i = 0; i < ARRAY_SIZE(BAD); i++) {
		strv_done(&box->spec.sysctls);
		assert_int_equal(strv_add(&box->spec.sysctls, BAD[i]), 0);
		assert_true(box_run(box, "true") < 0);
		assert_int_equal(box->err.kind, ERR_USAGE);
	}
	/* What is another's network is not ours to set. */
	strv_done(&box->spec.sysctls);
	assert_int_equal(strv_add(&box->spec.sysctls, "net.ipv4.ip_forward=1"), 0);
	box->spec.uid_count = 0;
	box->spec.ns.net = strdup("host");
	assert_true(box_run(box, "true") < 0);
}

/* Mounts over what programs take for the kernel's word. */
static void mounts_in_proc(void **state)
{
	struct box *box = *state;
	struct spec_sandbox *spec = &box->spec;

	spec->mounts = calloc(1, sizeof(*spec->mounts));
	assert_non_null(spec->mounts);
	spec->mounts_len = 1;
	spec->mounts[0].type = SPEC_MOUNT_TMPFS;
	spec->mounts[0].target = strdup("/proc/1");
	assert_int_equal(box_run(box, "true"), -EPERM);
	/* By way of a symlink too. */
	assert_int_equal(symlink("/proc", box_path(box, "root/p")), 0);
	free(spec->mounts[0].target);
	spec->mounts[0].target = strdup("/p/1");
	assert_int_equal(box_run(box, "true"), -EPERM);
}

static void expect_probes(struct box *box, const char *const expected[][2], size_t len)
{
	char script[64], line[64];

	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	for (size_t i = 0; i < len; i++) {
		(void)snprintf(script, sizeof(script), "probe %s", expected[i][0]);
		(void)snprintf(line, sizeof(line), "%s\n", expected[i][1]);
		(void)box_exec(box, script, NULL);
		if (strcmp(box->output, line) != 0)
			print_error("%s: %s", script, box->output);
		assert_string_equal(box->output, line);
	}
	assert_int_equal(box_end(box), 128 + SIGKILL);
	strv_done(&box->spec.process.args);
}

static void system_calls(void **state)
{
	static const char *const EXPECTED[][2] = {
		{ "af_alg", "EAFNOSUPPORT" }, { "af_vsock", "EAFNOSUPPORT" },
		{ "af_inet6", "ok" },	      { "int80", "ENOSYS" },
		{ "x32", "ENOSYS" },	      { "unknown", "ENOSYS" },
		{ "clone3", "ENOSYS" },	      { "clone_newuser", "EPERM" },
		{ "unshare", "EPERM" },	      { "mount", "EPERM" },
		{ "keyctl", "EPERM" },	      { "bpf", "EPERM" },
		{ "io_uring", "EPERM" },      { "userfaultfd", "EPERM" },
		{ "tiocsti", "EPERM" },
	};
	struct box *box = *state;

	expect_probes(box, EXPECTED, ARRAY_SIZE(EXPECTED));
}

/* Nodes that the workload makes itself are of no use. */
static void devices(void **state)
{
	static const char *const IN_USERNS[][2] = { { "disk", "EPERM" }, { "mem", "EPERM" } };
	static const char *const ON_HOST[][2] = { { "disk", "EPERM" },
						  { "mem", "EPERM" },
						  { "null", "ok" } };
	struct box *box = *state;

	expect_probes(box, IN_USERNS, ARRAY_SIZE(IN_USERNS));
	/* The layer's owners have been mapped for good. */
	box->layer_fd = fd_close(box->layer_fd);
	box->spec.uid_count = 0;
	expect_probes(box, ON_HOST, ARRAY_SIZE(ON_HOST));
}

static void profile(void **state)
{
	static const char text[] =
		"{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": ["
		"{\"names\": [\"mkdir\", \"mkdirat\", \"no_such_call\"], \"action\": "
		"\"SCMP_ACT_ERRNO\", \"errnoRet\": 28},"
		"{\"names\": [\"kill\"], \"action\": \"SCMP_ACT_ERRNO\", \"args\": [{\"index\": 1,"
		" \"value\": 0, \"op\": \"SCMP_CMP_EQ\"}]},"
		"{\"names\": [\"chmod\", \"fchmodat\"], \"action\": \"SCMP_ACT_ERRNO\", "
		"\"includes\": {\"caps\": [\"CAP_SYS_ADMIN\"]}}]}";
	struct box *box = *state;

	box->spec.seccomp = SPEC_SECCOMP_PROFILE;
	box->spec.seccomp_profile = strdup(text);
	expect_run(box, "mkdir /srv/x; kill -0 $$; chmod 700 /tmp && echo chmod", 0);
	assert_true(box_says(box, "No space left"));
	assert_true(box_says(box, "not permitted"));
	assert_true(box_says(box, "chmod"));
	free(box->spec.seccomp_profile);
	box->spec.seccomp_profile = strdup("{\"defaultAction\": \"SCMP_ACT_WHATEVER\"}");
	assert_int_equal(box_run(box, "true"), -EINVAL);
	assert_int_equal(box->err.kind, ERR_USAGE);
}

/* The host's mounts are gone from sight, and nothing of the root shows outside. */
static void mount_tables(void **state)
{
	struct box *box = *state;
	char before[32768], after[32768];
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd_read_all(fd, before, sizeof(before)), m;

	fd_close(fd);
	assert_true(n > 0);
	assert_int_equal(box_create(box, "cat /proc/self/mountinfo; ls /..; sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	m = fd_read_all(fd, after, sizeof(after));
	fd_close(fd);
	assert_int_equal(n, m);
	assert_memory_equal(before, after, (size_t)n);
	assert_int_equal(box_end(box), 128 + SIGKILL);
	assert_false(box_says(box, "/dev/vda"));
	assert_false(box_says(box, box->top));
	assert_false(box_says(box, " ext4 "));
}

/* CVE-2019-5736: processes that join are no way to the file of the program they are made by. */
static void our_own_program(void **state)
{
	struct box *box = *state;
	struct stat before, after;
	int fd = open(box_path(box, "root/bin/trap"), O_CREAT | O_WRONLY | O_CLOEXEC, 0755);

	assert_int_equal(fd_write_all(fd, "#!/proc/self/exe\n", 17), 0);
	fd_close(fd);
	assert_int_equal(stat("/proc/self/exe", &before), 0);
	box->spec.uid_count = 0;
	assert_int_equal(box_create(box, "while :; do for p in /proc/[0-9]*; do "
					 "echo x >> $p/exe; done; done 2>/dev/null"),
			 0);
	assert_int_equal(box_start(box), 0);
	for (int i = 0; i < 100; i++)
		(void)box_exec(box, i % 2 ? "exec /bin/trap" : "exec true", NULL);
	assert_int_equal(box_end(box), 128 + SIGKILL);
	assert_int_equal(stat("/proc/self/exe", &after), 0);
	assert_int_equal(before.st_size, after.st_size);
	assert_int_equal(before.st_mtim.tv_sec, after.st_mtim.tv_sec);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
}

/* A privileged one sees devices and may do as it likes, on purpose. */
static void privileged(void **state)
{
	struct box *box = *state;

	box->spec.uid_count = 0;
	box->spec.privileged = true;
	box->spec.process.privileged = true;
	box->spec.process.no_new_privs = false;
	expect_run(box, "test -c /dev/kmsg && probe unshare; grep -c Seccomp:.*0 /proc/self/status",
		   0);
	assert_string_equal(box->output, "ok\n1\n");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(symlinked_system_dirs), CASE(symlinked_targets), CASE(leaked_directories),
		CASE(leaked_descriptors),    CASE(masked_paths),      CASE(readonly_paths),
		CASE(hostile_user_database), CASE(capabilities),      CASE(denying_group),
		CASE(environment),	     CASE(foreign_sysctls),   CASE(mounts_in_proc),
		CASE(system_calls),	     CASE(devices),	      CASE(profile),
		CASE(mount_tables),	     CASE(our_own_program),   CASE(privileged),
	};

	/* Mounts that others make meanwhile are none of our business. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return 1;

	return cmocka_run_group_tests(tests, NULL, NULL);
}
