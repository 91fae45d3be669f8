/* SPDX-License-Identifier: Apache-2.0
 *
 * guest.c - find a kernel; keep its uncompressed form and the initramfs in a cache
 *
 * <cache>/guest/<key>/ holds "vmlinux" and "initrd". The key is a digest of what identifies the
 * kernel, the agent and the program that makes the files, so that a change of any of them leads
 * to another directory. The maker shows a directory only once it is whole.
 */
#include "machine/guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/path.h"
#include "base/sha256.h"
#include "base/strbuf.h"
#include "base/strv.h"

#define AGENT_PROGRAM "hull-agent"
#define MAKER_PROGRAM "hull-image"
#define KERNEL_PREFIX "vmlinuz-"
#define CLOUD_SUFFIX "-cloud-amd64"
#define KEY_HEX 32
#define ENTRIES_KEPT 3
#define MAKER_OUTPUT_MAX_BYTES (4 * KIB)

static int join(char ret[PATH_MAX], const char *a, const char *b)
{
	int n = snprintf(ret, PATH_MAX, "%s/%s", strcmp(a, "/") == 0 ? "" : a, b);

	return n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

/* ---- finding ---- */

/* Modules of @version below @root, "" when there are none. */
static void find_modules(const char *root, const char *version, char ret[PATH_MAX])
{
	char sub[300];

	(void)snprintf(sub, sizeof(sub), "lib/modules/%s", version);
	if (join(ret, root, sub) < 0 || access(ret, R_OK) < 0)
		ret[0] = '\0';
}

static bool has_suffix(const char *text, const char *suffix)
{
	size_t len = strlen(text), suffix_len = strlen(suffix);

	return len >= suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

/* The newest kernel with modules in @root whose name ends in @suffix. */
static int find_newest(const char *root, const char *suffix, struct guest_kernel *ret)
{
	char boot[PATH_MAX], best[NAME_MAX + 1] = "", modules[PATH_MAX];
	struct dirent *entry;
	DIR *dir;
	int r = join(boot, root, "boot");

	dir = r < 0 ? NULL : opendir(boot);
	if (!dir)
		return -ENOENT;
	while ((entry = readdir(dir))) {
		const char *version = entry->d_name + strlen(KERNEL_PREFIX);

		if (strncmp(entry->d_name, KERNEL_PREFIX, strlen(KERNEL_PREFIX)) != 0 ||
		    !has_suffix(version, suffix) || (*best && strverscmp(version, best) < 0))
			continue;
		find_modules(root, version, modules);
		if (*modules)
			(void)snprintf(best, sizeof(best), "%s", version);
	}
	(void)closedir(dir);
	if (!*best)
		return -ENOENT;

	find_modules(root, best, ret->modules);
	r = snprintf(ret->file, sizeof(ret->file), "%s/" KERNEL_PREFIX "%s", boot, best);

	return r < 0 || (size_t)r >= sizeof(ret->file) ? -ENAMETOOLONG : 0;
}

/*
 * A kernel by path. One called vmlinuz-VERSION is a distribution's: its modules are looked for
 * beside it, then in the host's own place. Any other has all that it needs built in.
 */
static int use_named(const char *file, struct guest_kernel *ret, struct err *err)
{
	const char *slash = strrchr(file, '/');
	const char *name = slash ? slash + 1 : file;
	char root[PATH_MAX];

	if (access(file, R_OK) < 0)
		return err_sys(err, "read the kernel '%s'", file);
	if (snprintf(ret->file, sizeof(ret->file), "%s", file) >= (int)sizeof(ret->file))
		return err_set(err, ENAMETOOLONG, "the kernel's path");
	ret->modules[0] = '\0';
	if (strncmp(name, KERNEL_PREFIX, strlen(KERNEL_PREFIX)) != 0)
		return 0;
	(void)snprintf(root, sizeof(root), "%.*s..", (int)(name - file), file);
	name += strlen(KERNEL_PREFIX);
	find_modules(root, name, ret->modules);
	if (!ret->modules[0])
		find_modules("/", name, ret->modules);

	return ret->modules[0] ? 0
			       : err_set(err, ENOENT, "there are no modules in '%s/lib/modules/%s'",
					 root, name);
}

/* What the user's own directory has: a distribution's kernels, or one without modules. */
static int find_in(const char *dir, struct guest_kernel *ret, struct err *err)
{
	if (find_newest(dir, "", ret) == 0)
		return 0;
	ret->modules[0] = '\0';
	if (join(ret->file, dir, "vmlinux") == 0 && access(ret->file, R_OK) == 0)
		return 0;

	return err_setk(err, ERR_UNSUPPORTED, ENOENT,
			"neither a kernel with modules nor a vmlinux in HULL_KERNEL_DIR '%s'", dir);
}

int guest_find_kernel(const char *file, struct guest_kernel *ret, struct err *err)
{
	const char *dir = getenv("HULL_KERNEL_DIR");
	char own[PATH_MAX];
	int r;

	if (file)
		return use_named(file, ret, err);
	if (dir && *dir)
		return find_in(dir, ret, err);

	r = path_helper(AGENT_PROGRAM, own, sizeof(own), err);
	if (r < 0)
		return r;
	for (int up = 0; up < 2; up++) {
		char *slash = strrchr(own, '/');

		if (!slash)
			break;
		(void)snprintf(slash, sizeof(own) - (size_t)(slash - own), "/kernel");
		if (find_newest(own, "", ret) == 0)
			return 0;
		*slash = '\0';
	}
	if (find_newest("/", CLOUD_SUFFIX, ret) == 0)
		return 0;

	r = err_setk(err, ERR_UNSUPPORTED, ENOENT, "no kernel for virtual machines was found");
	err_hint(err, "apt-get install linux-image-cloud-amd64, or name one with --kernel");

	return r;
}

/* ---- the cache ---- */

static int add_identity(struct strbuf *identity, const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_sys(err, "look at '%s'", path);
	strbuf_addf(identity, "%lx:%lx:%ld:%ld.%09ld ", st.st_dev, st.st_ino, (long)st.st_size,
		    (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);

	return 0;
}

struct maker {
	const struct guest_kernel *kernel;
	char agent[PATH_MAX], program[PATH_MAX];
	char key[KEY_HEX + 1];
};

static int identify(struct maker *maker, struct err *err)
{
	auto_done(strbuf) identity = STRBUF_INIT(4 * KIB);
	char digest[SHA256_DIGEST_BYTES];
	int r = path_helper(AGENT_PROGRAM, maker->agent, sizeof(maker->agent), err);

	if (r == 0)
		r = path_helper(MAKER_PROGRAM, maker->program, sizeof(maker->program), err);
	if (r == 0)
		r = add_identity(&identity, maker->kernel->file, err);
	if (r == 0)
		r = add_identity(&identity, maker->agent, err);
	if (r == 0)
		r = add_identity(&identity, maker->program, err);
	if (r < 0)
		return r;
	sha256_digest(identity.text, identity.len, digest);
	(void)snprintf(maker->key, sizeof(maker->key), "%.*s", KEY_HEX, strchr(digest, ':') + 1);

	return 0;
}

static int maker_argv(const struct maker *maker, const char *out, struct strv *ret)
{
	const char *const words[] = {
		maker->program, "guest", "--kernel", maker->kernel->file, "--agent",
		maker->agent,	"--out", out,	     "--modules",	  maker->kernel->modules,
	};
	/* A kernel that has everything built in comes without modules. */
	size_t words_len = ARRAY_SIZE(words) - (maker->kernel->modules[0] ? 0 : 2);
	int r = 0;

	for (size_t i = 0; i < words_len && r == 0; i++)
		r = strv_add(ret, words[i]);

	return r;
}

/* Run the maker; what it says on stderr is the reason when it fails. */
static int run_maker(const struct maker *maker, const char *out, struct err *err)
{
	auto_done(strv) argv = { 0 };
	char text[MAKER_OUTPUT_MAX_BYTES] = "";
	posix_spawn_file_actions_t actions;
	int fds[2], r, wstatus;
	ssize_t n;
	pid_t pid;

	if (maker_argv(maker, out, &argv) < 0)
		return err_set(err, ENOMEM, "out of memory");
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_sys(err, "make a pipe");
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
	r = posix_spawn(&pid, maker->program, &actions, NULL, argv.items, environ);
	(void)posix_spawn_file_actions_destroy(&actions);
	fd_close(fds[1]);
	if (r != 0) {
		fd_close(fds[0]);
		return err_set(err, r, "execute '%s'", maker->program);
	}
	n = fd_read_all(fds[0], text, sizeof(text) - 1);
	text[MAX(n, 0)] = '\0';
	fd_close(fds[0]);
	while (waitpid(pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	if (wstatus == 0)
		return 0;
	text[strcspn(text, "\n")] = '\0';

	return err_set(err, EIO, "%s", *text ? text : "the program was killed");
}

static int open_entry(int dir_fd, const char *key, struct guest_boot *ret)
{
	auto_close int entry_fd = openat(dir_fd, key, O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_done(guest_boot) boot = { -1, -1 };

	if (entry_fd < 0)
		return -errno;
	boot.kernel_fd = openat(entry_fd, "vmlinux", O_RDONLY | O_CLOEXEC);
	boot.initrd_fd = openat(entry_fd, "initrd", O_RDONLY | O_CLOEXEC);
	if (boot.kernel_fd < 0 || boot.initrd_fd < 0)
		return -errno;
	ret->kernel_fd = take_fd(boot.kernel_fd);
	ret->initrd_fd = take_fd(boot.initrd_fd);

	return 0;
}

/* Name of the oldest entry into @ret; how many there are is returned. */
static size_t find_oldest(int dir_fd, char ret[KEY_HEX + 1])
{
	auto_close int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct timespec oldest = { 0 };
	struct dirent *entry;
	struct stat st;
	size_t entries = 0;

	if (!dir)
		return 0;
	(void)take_fd(fd);
	while ((entry = readdir(dir))) {
		if (strlen(entry->d_name) != KEY_HEX ||
		    fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		if (entries++ > 0 &&
		    (st.st_mtim.tv_sec > oldest.tv_sec ||
		     (st.st_mtim.tv_sec == oldest.tv_sec && st.st_mtim.tv_nsec >= oldest.tv_nsec)))
			continue;
		oldest = st.st_mtim;
		(void)snprintf(ret, KEY_HEX + 1, "%s", entry->d_name);
	}
	(void)closedir(dir);

	return entries;
}

/* Kernels and agents are replaced by upgrades: what machines used before them goes. */
static void remove_old(int dir_fd)
{
	char name[KEY_HEX + 1];

	while (find_oldest(dir_fd, name) > ENTRIES_KEPT)
		if (path_rmtree(dir_fd, name, NULL) < 0)
			break;
}

int guest_open(const char *cache_dir, const struct guest_kernel *kernel, struct guest_boot *ret,
	       struct err *err)
{
	struct maker maker = { .kernel = kernel };
	auto_close int dir_fd = -1, lock_fd = -1;
	char dir[PATH_MAX], path[PATH_MAX];
	int r = identify(&maker, err);

	if (r == 0)
		r = join(dir, cache_dir, "guest");
	if (r < 0)
		return r;
	dir_fd = path_mkdirs(dir, 0755, err);
	if (dir_fd < 0)
		return dir_fd;
	if (open_entry(dir_fd, maker.key, ret) == 0)
		return 0;

	lock_fd = openat(dir_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (lock_fd < 0 || flock(lock_fd, LOCK_EX) < 0)
		return err_sys(err, "lock '%s'", dir);
	/* Whoever held the lock may have made it. */
	r = open_entry(dir_fd, maker.key, ret);
	if (r == 0)
		return 0;
	r = join(path, dir, maker.key);
	if (r == 0)
		r = run_maker(&maker, path, err);
	if (r == 0) {
		remove_old(dir_fd);
		r = open_entry(dir_fd, maker.key, ret);
		if (r < 0)
			err_set(err, -r, "open what was made");
	}

	return r < 0 ? err_wrap(err, r, "prepare the guest kernel '%s'", kernel->file) : 0;
}

void guest_boot_done(struct guest_boot *boot)
{
	boot->kernel_fd = fd_close(boot->kernel_fd);
	boot->initrd_fd = fd_close(boot->initrd_fd);
}
