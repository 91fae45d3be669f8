/* SPDX-License-Identifier: Apache-2.0
 *
 * test_runtime.c - what a workload and its owner see of a runtime
 *
 * Needs root and cgroups. Runs once as the kernel is and once with every fallback forced.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "box.h"
#include "check.h"
#include "linux/mounts.h"
#include "linux/ns.h"

static int setup(void **state)
{
	static struct box box;

	box_init(&box);
	*state = &box;

	return 0;
}

static int teardown(void **state)
{
	box_done(*state);

	return 0;
}

static void expect_run(struct box *box, const char *script, int status)
{
	int r = box_run(box, script);

	if (r != status)
		print_error("status %d, error '%s', output '%s'\n", r, box_error(box), box->output);
	assert_int_equal(r, status);
}

static void exit_status_and_output(void **state)
{
	struct box *box = *state;

	expect_run(box, "echo hello; exit 7", 7);
	assert_string_equal(box->output, "hello\n");
}

static void signal_status(void **state)
{
	struct box *box = *state;

	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(ns_signal(box->init.pidfd, SIGKILL), 0);
	assert_int_equal(box_wait(box), 128 + SIGKILL);
}

static void waits_until_started(void **state)
{
	struct box *box = *state;

	assert_int_equal(box_create(box, "echo ran > /srv/ran"), 0);
	assert_int_equal(access(box_path(box, "rw/upper/srv/ran"), F_OK), -1);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(box_wait(box), 0);
	assert_int_equal(access(box_path(box, "rw/upper/srv/ran"), F_OK), 0);
}

static void destroy_before_start(void **state)
{
	struct box *box = *state;

	assert_int_equal(box_create(box, "echo ran > /srv/ran"), 0);
	assert_int_equal(runtime_kill_all(box->rt, &box->err), 0);
	assert_int_equal(box_wait(box), 128 + SIGKILL);
	assert_int_equal(access(box_path(box, "rw/upper/srv/ran"), F_OK), -1);
}

static void writable_layer_is_kept(void **state)
{
	struct box *box = *state;
	struct stat st;

	assert_int_equal(chown(box_path(box, "root"), 0, 100), 0);
	assert_int_equal(chmod(box_path(box, "root"), 0711), 0);
	expect_run(box, "echo kept > /srv/file; rm /bin/head; stat -c %u:%g:%a /", 0);
	assert_string_equal(box->output, "0:100:711\n");
	assert_int_equal(stat(box_path(box, "rw/upper/srv/file"), &st), 0);
	/* On disk the workload's root is root. */
	assert_int_equal(st.st_uid, 0);
	strv_done(&box->spec.process.args);
	expect_run(box, "cat /srv/file; test -e /bin/head", 1);
	assert_string_equal(box->output, "kept\n");
}

/* One that nothing is synced of can be started again as long as the host has not crashed. */
static void ephemeral_layer(void **state)
{
	struct box *box = *state;

	box->spec.ephemeral = true;
	expect_run(box, "echo kept > /srv/file; grep -c 'overlay .*volatile' /proc/mounts", 0);
	assert_string_equal(box->output, "1\n");
	strv_done(&box->spec.process.args);
	expect_run(box, "cat /srv/file", 0);
	assert_string_equal(box->output, "kept\n");
}

static void host_user_namespace(void **state)
{
	struct box *box = *state;

	box->spec.uid_count = 0;
	expect_run(box, "head -1 /proc/self/uid_map; id -u; echo x > /srv/f", 0);
	assert_true(box_says(box, "4294967295"));
}

static void own_namespaces(void **state)
{
	struct box *box = *state;

	expect_run(box,
		   "hostname; echo pid $$; cat /proc/self/uid_map; "
		   "grep -c : /proc/net/dev; cat /proc/self/cgroup | grep -v ':/$'; :",
		   0);
	assert_true(box_says(box, "box\npid 1\n"));
	assert_true(box_says(box, "700000      65536"));
	/* lo alone; every cgroup is the root of its namespace. */
	assert_true(box_says(box, "\n1\n"));
	assert_non_null(strstr(box->output, "\n1\n"));
	assert_string_equal(strstr(box->output, "\n1\n"), "\n1\n");
}

static void host_namespaces(void **state)
{
	struct box *box = *state;
	char self[64], text[128];
	ssize_t n;

	box->spec.uid_count = 0;
	box->spec.ns.net = strdup("host");
	box->spec.ns.uts = strdup("host");
	box->spec.ns.ipc = strdup("host");
	box->spec.ns.pid = strdup("host");
	box->spec.ns.cgroup = strdup("host");
	expect_run(box, "for n in net uts ipc pid cgroup; do readlink /proc/self/ns/$n; done", 0);
	(void)snprintf(self, sizeof(self), "/proc/self/ns/net");
	n = readlink(self, text, sizeof(text) - 1);
	assert_true(n > 0);
	text[n] = '\0';
	assert_true(box_says(box, text));
	n = readlink("/proc/self/ns/pid", text, sizeof(text) - 1);
	text[n] = '\0';
	assert_true(box_says(box, text));
}

/* A user namespace of its own cannot mount what belongs to the host's: it sees the host's. */
static void host_namespaces_in_userns(void **state)
{
	struct box *box = *state;

	box->spec.ns.net = strdup("host");
	box->spec.ns.ipc = strdup("host");
	box->spec.ns.pid = strdup("host");
	expect_run(box,
		   "test $$ -gt 1; echo $?; test -d /sys/class/net/lo && test -d /proc/1 && "
		   "test -d /dev/shm && test -d /dev/mqueue; grep -c ' /sys sysfs ro' /proc/mounts",
		   0);
	assert_string_equal(box->output, "0\n1\n");
	/* All of it ends with the first process, without a pid namespace too. */
	strv_done(&box->spec.process.args);
	assert_int_equal(box_create(box, "sleep 60 & sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(box_end(box), 128 + SIGKILL);
}

static void joined_namespace(void **state)
{
	struct box *box = *state;
	char path[64], link[64];
	struct box other;
	ssize_t n;

	box_init(&other);
	other.spec.uid_count = 0;
	assert_int_equal(box_create(&other, "sleep 60"), 0);
	assert_int_equal(box_start(&other), 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", other.init.pid);
	n = readlink(path, link, sizeof(link) - 1);
	assert_true(n > 0);
	link[n] = '\0';
	box->spec.uid_count = 0;
	box->spec.ns.net = strdup(path);
	expect_run(box, "readlink /proc/self/ns/net", 0);
	assert_true(box_says(box, link));
	assert_int_equal(runtime_kill_all(other.rt, NULL), 0);
	box_done(&other);
}

static void users_and_groups(void **state)
{
	struct box *box = *state;

	box->spec.process.user = strdup("joe");
	assert_int_equal(strv_add(&box->spec.process.group_add, "extra"), 0);
	assert_int_equal(strv_add(&box->spec.process.group_add, "4242"), 0);
	expect_run(box, "id -u; id -g; probe groups 4; echo $HOME", 0);
	assert_string_equal(box->output, "1000\n100\n10 77 100 4242 ok\n/home/joe\n");
}

static void unknown_user(void **state)
{
	static const char *const USERS[] = {
		"nobody", "4294967295",	     "4294967296",	    "-1",
		"joe:no", "1000:4294967296", "99999999999999999999"
	};
	struct box *box = *state;

	for (size_t i = 0; i < ARRAY_SIZE(USERS); i++) {
		free(box->spec.process.user);
		box->spec.process.user = strdup(USERS[i]);
		assert_true(box_run(box, "true") < 0);
		assert_int_equal(box->err.kind, ERR_USAGE);
		assert_null(box->rt);
	}
}

static void working_directory(void **state)
{
	struct box *box = *state;

	box->spec.process.cwd = strdup("/srv/new/deep");
	expect_run(box, "pwd; stat -c %u:%a .", 0);
	assert_string_equal(box->output, "/srv/new/deep\n0:755\n");
}

static void commands_that_fail(void **state)
{
	static const struct {
		const char *command;
		enum err_kind kind;
	} CASES[] = {
		{ "absent", ERR_NO_COMMAND },	    { "/bin/absent", ERR_NO_COMMAND },
		{ "/etc/passwd", ERR_CANNOT_EXEC }, { "/etc", ERR_CANNOT_EXEC },
		{ "/srv/script", ERR_NO_COMMAND },  { "", ERR_NO_COMMAND },
	};
	struct box *box = *state;
	FILE *f = fopen(box_path(box, "root/srv/script"), "we");

	assert_non_null(f);
	assert_true(fputs("#!/no/interpreter\n", f) >= 0);
	assert_int_equal(fchmod(fileno(f), 0755), 0);
	assert_int_equal(fclose(f), 0);
	for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
		strv_done(&box->spec.process.args);
		assert_int_equal(strv_add(&box->spec.process.args, CASES[i].command), 0);
		assert_true(box_run(box, "unused") < 0);
		assert_int_equal(box->err.kind, CASES[i].kind);
	}
}

static void exec_beside(void **state)
{
	struct box *box = *state;

	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(
		box_exec(box, "hostname; id -u; grep -c sleep /proc/1/cmdline; exit 5", "joe"), 5);
	assert_string_equal(box->output, "box\n1000\n1\n");
	assert_int_equal(box_exec(box, "cat /proc/self/cgroup | grep -vc ':/$'", NULL), 1);
	assert_string_equal(box->output, "0\n");
	for (int i = 0; i < 20; i++)
		assert_int_equal(box_exec(box, "true", NULL), 0);
	assert_int_equal(runtime_kill_all(box->rt, NULL), 0);
	assert_int_equal(box_wait(box), 128 + SIGKILL);
}

/* A workload that manages cgroups below its own, as systemd does. */
static void exec_beside_nested_cgroups(void **state)
{
	struct box *box = *state;

	box->spec.uid_count = 0;
	box->spec.privileged = true;
	box->spec.process.privileged = true;
	assert_int_equal(box_create(box, "d=/sys/fs/cgroup; test -d $d/unified && d=$d/unified; "
					 "mkdir $d/inner && echo 1 > $d/inner/cgroup.procs && "
					 "for c in $(cat $d/cgroup.controllers); do "
					 "echo +$c > $d/cgroup.subtree_control; done; "
					 "echo ready; exec sleep 60"),
			 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(read(box->out_fd, box->output, 6), 6);
	assert_memory_equal(box->output, "ready\n", 6);
	assert_int_equal(box_exec(box, "true", NULL), 0);
	assert_int_equal(box_end(box), 128 + SIGKILL);
}

static void exec_after_end(void **state)
{
	struct box *box = *state;

	assert_int_equal(box_create(box, "true"), 0);
	assert_int_equal(box_start(box), 0);
	siginfo_t info;
	assert_int_equal(waitid(P_PIDFD, (id_t)box->init.pidfd, &info, WEXITED | WNOWAIT), 0);
	assert_true(box_exec(box, "true", NULL) < 0);
	assert_int_equal(box->err.kind, ERR_CONFLICT);
	assert_int_equal(box_wait(box), 0);
}

static void terminal(void **state)
{
	struct box *box = *state;

	box->spec.process.terminal = true;
	box->spec.process.rows = 33;
	box->spec.process.cols = 111;
	box->spec.process.user = strdup("joe");
	expect_run(box, "probe tty; stat -c '%U %n' /dev/pts/0; echo x > /dev/tty", 0);
	assert_true(box_says(box, "33 x 111 ok"));
	assert_true(box_says(box, "joe /dev/pts/0"));
}

static void paused(void **state)
{
	struct box *box = *state;
	struct spec_stats before, after;

	assert_int_equal(box_create(box, "while :; do :; done"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(runtime_pause(box->rt, true, &box->err), 0);
	assert_int_equal(runtime_stats(box->rt, &before, NULL), 0);
	assert_true(box_exec(box, "true", NULL) < 0);
	assert_int_equal(box->err.kind, ERR_CONFLICT);
	(void)usleep(50000);
	assert_int_equal(runtime_stats(box->rt, &after, NULL), 0);
	assert_true(after.cpu_ns == before.cpu_ns);
	assert_int_equal(runtime_pause(box->rt, false, &box->err), 0);
	while (after.cpu_ns == before.cpu_ns)
		assert_int_equal(runtime_stats(box->rt, &after, NULL), 0);
	/* A frozen one can be destroyed as well. */
	assert_int_equal(runtime_pause(box->rt, true, &box->err), 0);
	assert_int_equal(box_end(box), 128 + SIGKILL);
}

static void memory_limit(void **state)
{
	struct box *box = *state;
	struct spec_stats stats;
	siginfo_t info;

	box->spec.resources.memory_bytes = 32 * MIB;
	box->spec.resources.memory_swap_bytes = 32 * MIB;
	assert_int_equal(box_create(box, "exec probe eat"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)box->init.pidfd, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(runtime_stats(box->rt, &stats, NULL), 0);
	assert_int_equal(stats.oom_kills, 1);
	assert_int_equal(stats.memory_limit_bytes, 32 * MIB);
	assert_int_equal(box_wait(box), 128 + SIGKILL);
}

static void pids_limit(void **state)
{
	struct box *box = *state;

	box->spec.resources.pids_limit = 20;
	expect_run(box, "exec probe fork", 1);
	assert_string_equal(box->output, "EAGAIN\n");
}

static void limits_and_update(void **state)
{
	const struct spec_resources more = { .memory_bytes = 128 * MIB,
					     .memory_swap_bytes = 256 * MIB,
					     .pids_limit = 99,
					     .cpus_milli = 1500 };
	struct box *box = *state;
	struct spec_stats stats;

	box->spec.resources = (struct spec_resources){ .memory_bytes = 64 * MIB,
						       .memory_swap_bytes = 64 * MIB,
						       .cpus_milli = 500,
						       .cpu_shares = 512,
						       .cpuset_cpus = strdup("0"),
						       .pids_limit = 50 };
	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(runtime_stats(box->rt, &stats, NULL), 0);
	assert_int_equal(stats.cpus, 1);
	assert_int_equal(stats.pids_limit, 50);
	assert_true(stats.pids >= 1);
	assert_true(stats.cpu_ns > 0);
	assert_true(stats.memory_bytes > 0);
	assert_int_equal(runtime_update(box->rt, &more, &box->err), 0);
	assert_int_equal(runtime_stats(box->rt, &stats, NULL), 0);
	assert_int_equal(stats.pids_limit, 99);
	assert_int_equal(stats.memory_limit_bytes, 128 * MIB);
	assert_int_equal(runtime_kill_all(box->rt, NULL), 0);
	assert_int_equal(box_wait(box), 128 + SIGKILL);
}

struct mount {
	const char *source, *target;
	enum spec_mount_type type;
	uint32_t flags, mode;
	uint64_t size_bytes;
};

static void add_mount(struct box *box, struct mount mount)
{
	struct spec_sandbox *spec = &box->spec;

	spec->mounts = realloc(spec->mounts, (spec->mounts_len + 1) * sizeof(*spec->mounts));
	assert_non_null(spec->mounts);
	spec->mounts[spec->mounts_len++] = (struct spec_mount){
		.type = mount.type,
		.flags = mount.flags,
		.mode = mount.mode,
		.size_bytes = mount.size_bytes,
		.source = mount.source ? strdup(mount.source) : NULL,
		.target = strdup(mount.target),
	};
}

static void bind_mounts(void **state)
{
	struct box *box = *state;
	char source[256], file[256];
	struct stat st;

	(void)snprintf(source, sizeof(source), "%s/vol", box->top);
	(void)snprintf(file, sizeof(file), "%s/vol/file", box->top);
	assert_int_equal(mkdir(source, 0755), 0);
	fd_close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
	add_mount(box, (struct mount){ .source = source, .target = "/mnt/new/rw" });
	add_mount(box, (struct mount){ .source = source,
				       .target = "/mnt/ro",
				       .flags = SPEC_MOUNT_READONLY | SPEC_MOUNT_RECURSIVE });
	add_mount(box, (struct mount){ .source = file, .target = "/etc/one" });
	expect_run(box,
		   "echo a > /mnt/new/rw/a && stat -c %u /mnt/new/rw/a; "
		   "echo b 2>&1 > /mnt/ro/b || echo refused; echo c > /etc/one",
		   0);
	assert_true(box_says(box, "0\n"));
	assert_true(box_says(box, "refused"));
	assert_int_equal(stat(box_path(box, "vol/a"), &st), 0);
	assert_int_equal(st.st_uid, 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_size, 2);
	assert_int_equal(access(box_path(box, "vol/b"), F_OK), -1);
}

static void bind_that_cannot_be_mapped(void **state)
{
	struct box *box = *state;

	add_mount(box, (struct mount){ .source = "/proc/bus", .target = "/mnt/x" });
	assert_true(box_run(box, "true") < 0);
	assert_int_equal(box->err.kind, ERR_UNSUPPORTED);
	assert_non_null(strstr(box->err.hint, "--userns host"));
}

static void volume_takes_content(void **state)
{
	struct box *box = *state;
	char source[256];

	(void)snprintf(source, sizeof(source), "%s/vol", box->top);
	assert_int_equal(mkdir(source, 0755), 0);
	assert_int_equal(mkdir(box_path(box, "root/srv/d"), 0750), 0);
	assert_int_equal(chown(box_path(box, "root/srv/d"), 1000, 100), 0);
	assert_int_equal(symlink("/etc/passwd", box_path(box, "root/srv/d/link")), 0);
	add_mount(box, (struct mount){
			       .source = source, .target = "/srv", .flags = SPEC_MOUNT_COPY_UP });
	expect_run(box, "stat -c '%n %u:%g %a' /srv/d; readlink /srv/d/link; echo x > /srv/d/x", 0);
	assert_string_equal(box->output, "/srv/d 1000:100 750\n/etc/passwd\n");
	assert_int_equal(access(box_path(box, "vol/d/x"), F_OK), 0);
	/* Not empty any more: nothing is copied over. */
	assert_int_equal(unlink(box_path(box, "vol/d/link")), 0);
	strv_done(&box->spec.process.args);
	expect_run(box, "ls /srv/d", 0);
	assert_string_equal(box->output, "x\n");
}

/* What comes with the namespaces belongs to their root, although that is nobody on the host. */
static void owners(void **state)
{
	struct box *box = *state;

	expect_run(box, "stat -c '%u %g %a' / /dev /dev/null /dev/shm /dev/mqueue", 0);
	assert_string_equal(box->output, "0 0 755\n0 0 755\n0 0 666\n0 0 1777\n0 0 1777\n");
}

static void tmpfs_and_files(void **state)
{
	struct box *box = *state;

	add_mount(box, (struct mount){ .type = SPEC_MOUNT_TMPFS,
				       .target = "/cache",
				       .size_bytes = 1 * MIB,
				       .mode = 0700,
				       .flags = SPEC_MOUNT_NOEXEC });
	box->spec.files = calloc(1, sizeof(*box->spec.files));
	assert_non_null(box->spec.files);
	box->spec.files_len = 1;
	box->spec.files[0] =
		(struct spec_file){ strdup("/etc/hosts"), strdup("127.0.0.1 box\n"), 0644 };
	expect_run(box,
		   "cat /etc/hosts; stat -c '%a %u' /cache /etc/hosts; grep -c ' /cache "
		   "tmpfs.*noexec' "
		   "/proc/mounts; head -c 2000000 /dev/zero 2>&1 > /cache/big; wc -c < /cache/big",
		   0);
	assert_true(box_says(box, "127.0.0.1 box\n700 0\n644 0\n1\n"));
	assert_true(box_says(box, "1048576\n"));
	assert_int_equal(access(box_path(box, "rw/upper/cache/big"), F_OK), -1);
	/* What is only mounted on is not written to the disk. */
	assert_int_equal(access(box_path(box, "rw/upper/etc"), F_OK), -1);
}

static void readonly_root(void **state)
{
	struct box *box = *state;

	box->spec.readonly_root = true;
	expect_run(box, "touch /x 2>&1; touch /dev/shm/y && echo shm", 0);
	assert_true(box_says(box, "Read-only file system"));
	assert_true(box_says(box, "shm"));
}

static void network_sysctls(void **state)
{
	static const char *const assignments[] = {
		"net.ipv4.ping_group_range=0 65535",
		"net/ipv4/ip_unprivileged_port_start=0",
		"net.ipv4.ip_forward=1",
	};
	struct box *box = *state;

	box->spec.process.user = strdup("joe");
	box->spec.process.caps = 0;
	for (size_t i = 0; i < ARRAY_SIZE(assignments); i++)
		assert_int_equal(strv_add(&box->spec.sysctls, assignments[i]), 0);
	expect_run(box, "probe ping; probe port80; cat /proc/sys/net/ipv4/ip_forward", 0);
	assert_string_equal(box->output, "ok\nok\n1\n");
}

static void resource_limits(void **state)
{
	struct box *box = *state;

	box->spec.process.rlimits = calloc(2, sizeof(*box->spec.process.rlimits));
	assert_non_null(box->spec.process.rlimits);
	box->spec.process.rlimits_len = 2;
	box->spec.process.rlimits[0] = (struct spec_rlimit){ 7, 100, 200 };
	box->spec.process.rlimits[1] = (struct spec_rlimit){ 4, 0, 0 };
	box->spec.process.oom_score_adj = 321;
	expect_run(box, "ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj", 0);
	assert_string_equal(box->output, "100\n200\n321\n");
}

static void list_processes(struct box *box, char *text, size_t bytes)
{
	const struct spec_tool tool = { .kind = SPEC_TOOL_PS };
	struct runtime_child child;
	int fds[2];
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(runtime_tool(box->rt, &tool, (int[]){ -1, fds[1], -1 }, &child, &box->err),
			 0);
	fd_close(fds[1]);
	n = fd_read_all(fds[0], text, bytes - 1);
	fd_close(fds[0]);
	assert_true(n > 0);
	text[n] = '\0';
	assert_int_equal(waitid(P_PIDFD, (id_t)child.pidfd, NULL, WEXITED), 0);
	fd_close(child.pidfd);
}

static void process_list(void **state)
{
	int64_t deadline_ns = clock_now_ns() + 20 * NS_PER_SEC;
	struct box *box = *state;
	char text[8192];

	assert_int_equal(box_create(box, "sleep 61"), 0);
	assert_int_equal(box_start(box), 0);
	do {
		assert_true(clock_now_ns() < deadline_ns);
		list_processes(box, text, sizeof(text));
		assert_non_null(strstr(text, "\"UID\""));
	} while (!strstr(text, "sleep 61\"")); /* it has been let go, but may not have come far */
	assert_int_equal(runtime_kill_all(box->rt, NULL), 0);
	assert_int_equal(box_wait(box), 128 + SIGKILL);
}

static void tool_in_paused_root(void **state)
{
	char path[] = "/etc/passwd";
	const struct spec_tool tool = { .kind = SPEC_TOOL_STAT, .path = path };
	struct box *box = *state;
	struct runtime_child child;
	char text[4096];
	int fds[2];
	ssize_t n;

	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(runtime_pause(box->rt, true, NULL), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(runtime_tool(box->rt, &tool, (int[]){ -1, fds[1], -1 }, &child, &box->err),
			 0);
	fd_close(fds[1]);
	n = fd_read_all(fds[0], text, sizeof(text) - 1);
	fd_close(fds[0]);
	assert_int_equal(waitid(P_PIDFD, (id_t)child.pidfd, NULL, WEXITED), 0);
	fd_close(child.pidfd);
	assert_true(n > 0);
	text[n] = '\0';
	assert_non_null(strstr(text, "\"passwd\""));
	assert_int_equal(box_end(box), 128 + SIGKILL);
}

static void service(void **state)
{
	struct box *box = *state;

	box->spec.service = true;
	assert_int_equal(box_create(box, ""), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(box_exec(box, "echo in service", NULL), 0);
	assert_string_equal(box->output, "in service\n");
	assert_int_equal(box_end(box), 128 + SIGKILL);
}

static void cleanup_by_id(void **state)
{
	struct box *box = *state;
	siginfo_t info;

	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	assert_int_equal(runtime_cleanup(box->id, &box->err), 0);
	assert_int_equal(waitid(P_PIDFD, (id_t)box->init.pidfd, &info, WEXITED | WNOWAIT), 0);
	assert_int_equal(info.si_status, SIGKILL);
	assert_int_equal(runtime_cleanup(box->id, &box->err), 0);
	assert_int_equal(box_wait(box), 128 + SIGKILL);
}

/* A second one of the same id is refused and does the first no harm. */
static void same_id(void **state)
{
	struct box *box = *state;
	struct box other;
	char *own;

	box_init(&other);
	assert_int_equal(box_create(box, "sleep 60"), 0);
	assert_int_equal(box_start(box), 0);
	own = other.spec.id;
	other.spec.id = box->id;
	assert_true(box_create(&other, "true") < 0);
	other.spec.id = own;
	assert_int_equal(box_exec(box, "true", NULL), 0);
	box_done(&other);
	assert_int_equal(box_end(box), 128 + SIGKILL);
}

static void dies_with_its_owner(void **state)
{
	struct box *box = *state;
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (box_create(box, "sleep 60") < 0 || box_start(box) < 0)
			_exit(1);
		(void)!write(fds[1], "x", 1);
		(void)kill(getpid(), SIGKILL);
	}
	fd_close(fds[1]);
	assert_int_equal(read(fds[0], &c, 1), 1);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	/* Nothing to kill any more: cleaning up only waits. */
	assert_int_equal(runtime_cleanup(box->id, &box->err), 0);
	fd_close(fds[0]);
}

static void cancelled(void **state)
{
	struct box *box = *state;

	box->cancel_fd = eventfd(1, EFD_CLOEXEC);
	assert_true(box->cancel_fd >= 0);
	assert_int_equal(box_create(box, "echo yes"), -ECANCELED);
	assert_null(box->rt);
	box->cancel_fd = fd_close(box->cancel_fd);
	/* Nothing of the first is in the way of the second. */
	expect_run(box, "echo yes", 0);
	assert_string_equal(box->output, "yes\n");
}

static void many_layers(void **state)
{
	struct box *box = *state;
	struct runtime_setup rs = { .spec = &box->spec, .rw_fd = box->rw_fd, .cancel_fd = -1 };
	int layers[40], fds[2];
	char path[256];
	ssize_t n;

	for (size_t i = 0; i < ARRAY_SIZE(layers); i++) {
		(void)snprintf(path, sizeof(path), "%s/layer%zu", box->top, i);
		if (i > 0)
			assert_int_equal(mkdir(path, 0755), 0);
		layers[i] =
			mount_clone(AT_FDCWD, i > 0 ? path : box_path(box, "root"), false, NULL);
		assert_true(layers[i] >= 0);
		(void)snprintf(path, sizeof(path), "%s/layer%zu/which", box->top, i);
		if (i > 0) {
			fd_close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
			assert_int_equal(chmod(path, 0600 + (mode_t)i % 8), 0);
		}
	}
	assert_int_equal(strv_add(&box->spec.process.args, "stat"), 0);
	assert_int_equal(strv_add(&box->spec.process.args, "-c%a"), 0);
	assert_int_equal(strv_add(&box->spec.process.args, "/which"), 0);
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	rs.layer_fds = layers;
	rs.layers_len = ARRAY_SIZE(layers);
	rs.stdio_fds[0] = -1;
	rs.stdio_fds[1] = rs.stdio_fds[2] = fds[1];
	assert_int_equal(runtime_create(&rs, &box->init, &box->rt, &box->err), 0);
	fd_close(fds[1]);
	assert_int_equal(box_start(box), 0);
	n = read(fds[0], path, sizeof(path));
	assert_int_equal(n, 4);
	/* The topmost layer's: number 39. */
	assert_memory_equal(path, "607\n", 4);
	fd_close(fds[0]);
	for (size_t i = 0; i < ARRAY_SIZE(layers); i++)
		fd_close(layers[i]);
	assert_int_equal(box_wait(box), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(exit_status_and_output),
		CASE(signal_status),
		CASE(waits_until_started),
		CASE(destroy_before_start),
		CASE(writable_layer_is_kept),
		CASE(ephemeral_layer),
		CASE(host_user_namespace),
		CASE(own_namespaces),
		CASE(host_namespaces),
		CASE(host_namespaces_in_userns),
		CASE(joined_namespace),
		CASE(users_and_groups),
		CASE(unknown_user),
		CASE(working_directory),
		CASE(commands_that_fail),
		CASE(exec_beside),
		CASE(exec_beside_nested_cgroups),
		CASE(exec_after_end),
		CASE(terminal),
		CASE(paused),
		CASE(memory_limit),
		CASE(pids_limit),
		CASE(limits_and_update),
		CASE(bind_mounts),
		CASE(bind_that_cannot_be_mapped),
		CASE(volume_takes_content),
		CASE(owners),
		CASE(tmpfs_and_files),
		CASE(readonly_root),
		CASE(network_sysctls),
		CASE(resource_limits),
		CASE(process_list),
		CASE(tool_in_paused_root),
		CASE(service),
		CASE(cleanup_by_id),
		CASE(same_id),
		CASE(dies_with_its_owner),
		CASE(cancelled),
		CASE(many_layers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
