/* SPDX-License-Identifier: Apache-2.0
 *
 * replay.c - a fuzz target as a test: every file of its corpus, whole and cut short
 *
 * Takes the place of libFuzzer's driver, so that what fuzzing once found stays found with any
 * compiler. The argument is a directory; an empty one is a failure.
 */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>

#include "base/fd.h"
#include "base/macro.h"

#define MAX_BYTES (4 * MIB)
#define CUTS 64 /* of each file */

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static void run(const char *bytes, size_t len)
{
	/* Exactly as long as the input, so that a sanitizer sees the first byte beyond. */
	uint8_t *copy = malloc(len ? len : 1);

	fuzz_assert(copy);
	memcpy(copy, bytes, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void replay(int dir_fd, const char *name)
{
	auto_free char *bytes = NULL;
	size_t len;

	fuzz_assert(fd_read_file(dir_fd, name, MAX_BYTES, &bytes, &len, NULL) == 0);
	for (size_t i = 0; i < CUTS; i++)
		run(bytes, len * i / CUTS);
	run(bytes, len);
}

int main(int argc, char *argv[])
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	int count = 0;

	if (!dir) {
		(void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	if (LLVMFuzzerInitialize)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	run("", 0);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		replay(dirfd(dir), entry->d_name);
		count++;
	}
	closedir(dir);
	printf("%d inputs\n", count);

	return count > 0 ? 0 : 1;
}
