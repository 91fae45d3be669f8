/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_user.c - who a process runs as, by passwd(5) and group(5) of an image
 *
 * The input is the name, /etc/passwd and /etc/group, each ended by a NUL.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/parse.h"
#include "base/strv.h"
#include "jail.h"
#include "runtime/user.h"

static int root_fd;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	root_fd = jail_enter();
	fuzz_assert(mkdirat(root_fd, "etc", 0755) == 0);

	return 0;
}

static void put_file(const char *path, struct slice content)
{
	auto_close int fd = openat(root_fd, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	fuzz_assert(fd >= 0 && fd_write_all(fd, content.at, content.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice rest = { .at = (const char *)data, .len = len }, name, part;
	auto_done(strv) group_add = { 0 };
	auto_free char *text = NULL;
	struct user user;
	int r;

	if (len == 0 || !slice_next(&rest, '\0', &name))
		return 0;
	text = strndup(name.at, name.len);
	fuzz_assert(text && strv_add(&group_add, text) == 0);
	put_file("etc/passwd", slice_next(&rest, '\0', &part) ? part : (struct slice){ "", 0 });
	put_file("etc/group", rest.at ? rest : (struct slice){ "", 0 });
	r = user_find(root_fd, text, len % 2 ? &group_add : &(struct strv){ 0 }, &user, NULL);
	fuzz_assert(r <= 0);
	if (r < 0)
		return 0;
	/* The kernel's "no change", in its places. */
	fuzz_assert(user.uid != UINT32_MAX && user.gid != UINT32_MAX);
	fuzz_assert(user.groups_len > 0 && user.groups_len <= USER_MAX_GROUPS);
	fuzz_assert(user.groups[0] == user.gid);
	for (size_t i = 0; i < user.groups_len; i++)
		fuzz_assert(user.groups[i] != UINT32_MAX);
	fuzz_assert(strnlen(user.home, sizeof(user.home)) < sizeof(user.home));

	return 0;
}
