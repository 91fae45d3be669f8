/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_tool_in.c - archives unpacked by the built-in job: nothing beside the destination changes
 *
 * Runs on a tmpfs of its own. "root/d" is the destination; what is
 * in "root" beside it, and in "v", is compared after each input.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "base/path.h"
#include "jail.h"
#include "runtime/tool.h"

static int top_fd, root_fd;
static struct stat secrets[2];

static const char *const secret_paths[] = { "v/secret", "root/secret" };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	top_fd = jail_enter();
	fuzz_assert(mkdirat(top_fd, "v", 0755) == 0 && mkdirat(top_fd, "root", 0755) == 0);
	root_fd = openat(top_fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (size_t i = 0; i < ARRAY_SIZE(secret_paths); i++) {
		int fd = openat(top_fd, secret_paths[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		fuzz_assert(fd >= 0 && fd_write_all(fd, "secret", 6) == 0);
		fuzz_assert(fstat(fd, &secrets[i]) == 0);
		close(fd);
	}

	return 0;
}

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_mode == b->st_mode && a->st_nlink == b->st_nlink &&
	       a->st_uid == b->st_uid && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int count_entries(const char *name)
{
	struct stat st;

	/* A directory of tmpfs has 20 bytes for each entry. */
	fuzz_assert(fstatat(top_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0);

	return (int)st.st_size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct spec_tool tool = { SPEC_TOOL_TAR_IN, 0, (char[]){ "/d" } };
	auto_close int in_fd = memfd_create("archive", MFD_CLOEXEC);
	struct runtime_tool_fds fds = { root_fd, -1, -1, in_fd, -1 };
	int v_size = count_entries("v"), root_size;

	tool.flags = len > 0 && data[len - 1] % 2 ? SPEC_TOOL_NO_OVERWRITE_DIR : 0;
	fuzz_assert(fd_write_all(in_fd, data, len) == 0 && lseek(in_fd, 0, SEEK_SET) == 0);
	fuzz_assert(mkdirat(root_fd, "d", 0755) == 0);
	/* What a workload may have put there. */
	fuzz_assert(symlinkat("../../v", root_fd, "d/l") == 0);
	fuzz_assert(symlinkat("../secret", root_fd, "d/s") == 0);
	root_size = count_entries("root");
	(void)runtime_tool_run(&tool, &fds, NULL);
	fuzz_assert(count_entries("v") == v_size && count_entries("root") == root_size);
	for (size_t i = 0; i < ARRAY_SIZE(secret_paths); i++) {
		struct stat st;

		fuzz_assert(fstatat(top_fd, secret_paths[i], &st, AT_SYMLINK_NOFOLLOW) == 0);
		fuzz_assert(same(&st, &secrets[i]));
	}
	fuzz_assert(path_rmtree(root_fd, "d", NULL) == 0);

	return 0;
}
