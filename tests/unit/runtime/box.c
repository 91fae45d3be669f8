/* SPDX-License-Identifier: Apache-2.0
 *
 * box.c - a runtime for tests
 */
#include "box.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/rand.h"
#include "check.h"
#include "linux/caps.h"
#include "linux/cgroup.h"
#include "linux/mounts.h"

#define UID_BASE 700000
#define CAPS                                                                                       \
	(CAPS_BIT(CAP_CHOWN) | CAPS_BIT(CAP_DAC_OVERRIDE) | CAPS_BIT(CAP_FOWNER) |                 \
	 CAPS_BIT(CAP_FSETID) | CAPS_BIT(CAP_KILL) | CAPS_BIT(CAP_SETGID) | CAPS_BIT(CAP_SETUID) | \
	 CAPS_BIT(CAP_SETPCAP) | CAPS_BIT(CAP_NET_BIND_SERVICE) | CAPS_BIT(CAP_MKNOD))

static const char *const MASKED[] = { "/proc/kcore",   "/proc/keys",  "/proc/timer_list",
				      "/proc/acpi",    "/proc/scsi",  "/proc/latency_stats",
				      "/sys/firmware", "/proc/absent" };
static const char *const READONLY[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys",
					"/proc/sysrq-trigger" };
static const char *const DIRS[] = { "root",	"root/bin", "root/etc", "root/proc",
				    "root/sys", "root/dev", "root/tmp", "root/mnt",
				    "root/srv", "rw",	    "v" };
static const char *const APPLETS[] = { "sh",   "true",	"cat",	"id",	    "ls",
				       "stat", "sleep", "echo", "mkdir",    "touch",
				       "kill", "head",	"grep", "hostname", "rm",
				       "env",  "chmod", "wc",	"test",	    "readlink" };

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void copy_file(const char *from, const char *to)
{
	auto_close int from_fd = open(from, O_RDONLY | O_CLOEXEC);
	auto_close int to_fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	char buf[65536];
	ssize_t n;

	assert_true(from_fd >= 0);
	assert_true(to_fd >= 0);
	while ((n = read(from_fd, buf, sizeof(buf))) > 0)
		assert_int_equal(fd_write_all(to_fd, buf, (size_t)n), 0);
}

const char *box_path(struct box *box, const char *name)
{
	static char path[512];

	(void)snprintf(path, sizeof(path), "%s/%s", box->top, name);

	return path;
}

static void fill_root(struct box *box)
{
	char path[512];

	for (size_t i = 0; i < ARRAY_SIZE(DIRS); i++)
		assert_int_equal(mkdir(box_path(box, DIRS[i]), 0755), 0);
	assert_int_equal(chmod(box_path(box, "root/tmp"), 01777), 0);
	copy_file("/bin/busybox", box_path(box, "root/bin/busybox"));
	copy_file(PROBE_PATH, box_path(box, "root/bin/probe"));
	for (size_t i = 0; i < ARRAY_SIZE(APPLETS); i++) {
		(void)snprintf(path, sizeof(path), "%s/root/bin/%s", box->top, APPLETS[i]);
		assert_int_equal(symlink("busybox", path), 0);
	}
	write_file(box_path(box, "root/etc/passwd"),
		   "root:x:0:0:root:/root:/bin/sh\njoe:x:1000:100::/home/joe:/bin/sh\n");
	write_file(box_path(box, "root/etc/group"),
		   "root:x:0:\nwheel:x:10:joe\nusers:x:100:\nextra:x:77:\n");
	write_file(box_path(box, "v/secret"), "keep me");
}

static void fill_spec(struct box *box)
{
	struct spec_sandbox *spec = &box->spec;

	rand_hex(box->id, SPEC_ID_HEX);
	spec->id = strdup(box->id);
	spec->hostname = strdup("box");
	spec->uid_base = UID_BASE;
	spec->uid_count = 65536;
	spec->shm_bytes = 16 * MIB;
	spec->process.caps = CAPS;
	spec->process.no_new_privs = true;
	assert_int_equal(strv_add(&spec->process.env, "PATH=/bin"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(MASKED); i++)
		assert_int_equal(strv_add(&spec->masked_paths, MASKED[i]), 0);
	for (size_t i = 0; i < ARRAY_SIZE(READONLY); i++)
		assert_int_equal(strv_add(&spec->readonly_paths, READONLY[i]), 0);
}

void box_init(struct box *box)
{
	*box = (struct box){ .layer_fd = -1, .rw_fd = -1, .out_fd = -1, .cancel_fd = -1 };
	/* Beside the test programs: /tmp may be a filesystem without idmapped mounts. */
	(void)snprintf(box->top, sizeof(box->top), "%s/box.XXXXXX", BOX_DIR);
	assert_non_null(mkdtemp(box->top));
	assert_int_equal(chmod(box->top, 0755), 0);
	fill_root(box);
	fill_spec(box);
	box->rw_fd = open(box_path(box, "rw"), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(box->rw_fd >= 0);
}

static void check_bait(struct box *box)
{
	auto_free char *text = NULL;
	struct stat st;

	assert_int_equal(fd_read_file(AT_FDCWD, box_path(box, "v/secret"), 100, &text, NULL, NULL),
			 0);
	assert_string_equal(text, "keep me");
	assert_int_equal(stat(box_path(box, "v"), &st), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
}

void box_done(struct box *box)
{
	struct cgroup cgroup;
	char name[SPEC_ID_HEX + 16];

	if (box->rt)
		(void)box_end(box);
	check_bait(box);
	(void)snprintf(name, sizeof(name), "hull-%s", box->id);
	assert_int_equal(cgroup_find(name, &cgroup, NULL), 0);
	for (size_t i = 0; i < cgroup.dirs_len; i++)
		assert_int_equal(access(cgroup.dirs[i].path, F_OK), -1);
	fd_close(box->layer_fd);
	fd_close(box->rw_fd);
	fd_close(box->out_fd);
	spec_sandbox_done(&box->spec);
	assert_int_equal(path_rmtree(AT_FDCWD, box->top, NULL), 0);
}

int box_create(struct box *box, const char *script)
{
	const char *const argv[] = { "sh", "-c", script };
	struct runtime_setup setup = { .spec = &box->spec,
				       .layers_len = 1,
				       .cancel_fd = box->cancel_fd };
	int pipe_fds[2], r;

	if (box->spec.process.args.len == 0)
		for (size_t i = 0; i < ARRAY_SIZE(argv); i++)
			assert_int_equal(strv_add(&box->spec.process.args, argv[i]), 0);
	/* Kept from run to run, as a monitor does that restarts its workload. */
	if (box->layer_fd < 0)
		box->layer_fd = mount_clone(AT_FDCWD, box_path(box, "root"), false, NULL);
	assert_true(box->layer_fd >= 0);
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	setup.layer_fds = &box->layer_fd;
	setup.rw_fd = box->rw_fd;
	setup.stdio_fds[0] = -1;
	setup.stdio_fds[1] = setup.stdio_fds[2] = pipe_fds[1];
	setup.init_path = NULL;
	box->err = (struct err)ERR_INIT;
	r = runtime_create(&setup, &box->init, &box->rt, &box->err);
	fd_close(pipe_fds[1]);
	fd_close(box->out_fd);
	box->out_fd = pipe_fds[0];
	if (r == 0 && box->init.tty_fd >= 0) {
		fd_close(box->out_fd);
		box->out_fd = box->init.tty_fd;
	}

	return r;
}

int box_start(struct box *box)
{
	return runtime_start(box->rt, &box->err);
}

static void drain(struct box *box, int fd)
{
	ssize_t n = fd_read_all(fd, box->output, sizeof(box->output) - 1);

	/* A terminal whose other side is closed answers EIO. */
	box->output[MAX(n, (ssize_t)0)] = '\0';
}

static void drain_tty(struct box *box, int fd)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, box->output + len, sizeof(box->output) - 1 - len)) > 0)
		len += (size_t)n;
	box->output[len] = '\0';
}

static int status_of(int pidfd)
{
	siginfo_t info = { 0 };

	assert_int_equal(waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED), 0);

	return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

int box_wait(struct box *box)
{
	int status;

	if (box->init.tty_fd >= 0)
		drain_tty(box, box->out_fd);
	else
		drain(box, box->out_fd);
	status = status_of(box->init.pidfd);
	assert_int_equal(runtime_destroy(box->rt, &box->err), 0);
	runtime_put(box->rt);
	box->rt = NULL;
	fd_close(box->init.pidfd);

	return status;
}

int box_end(struct box *box)
{
	assert_int_equal(runtime_destroy(box->rt, &box->err), 0);

	return box_wait(box);
}

int box_run(struct box *box, const char *script)
{
	int r = box_create(box, script);

	if (r < 0)
		return r;
	r = box_start(box);
	if (r < 0) {
		struct err err = box->err;

		(void)box_wait(box);
		box->err = err;
		return r;
	}

	return box_wait(box);
}

int box_exec(struct box *box, const char *script, const char *user)
{
	struct spec_process process = { .caps = CAPS, .no_new_privs = true };
	struct runtime_child child;
	int pipe_fds[2], stdio[3], r;

	assert_int_equal(strv_add(&process.args, "sh"), 0);
	assert_int_equal(strv_add(&process.args, "-c"), 0);
	assert_int_equal(strv_add(&process.args, script), 0);
	assert_int_equal(strv_add(&process.env, "PATH=/bin"), 0);
	process.user = strdup(user ? user : "");
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	stdio[0] = -1;
	stdio[1] = stdio[2] = pipe_fds[1];
	r = runtime_exec(box->rt, &process, stdio, &child, &box->err);
	fd_close(pipe_fds[1]);
	if (r == 0) {
		drain(box, pipe_fds[0]);
		r = status_of(child.pidfd);
		fd_close(child.pidfd);
	}
	fd_close(pipe_fds[0]);
	spec_process_done(&process);

	return r;
}

bool box_says(const struct box *box, const char *text)
{
	return strstr(box->output, text);
}

const char *box_error(struct box *box)
{
	static char text[1024];

	return err_text(&box->err, text, sizeof(text));
}
