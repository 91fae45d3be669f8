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
#define CUTS_MAX ((size_t)64) /* of each file */
#define RUNS 512	      /* about as many cuts of all files */

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

static void replay(int dir_fd, const char *name, size_t cuts)
{
	auto_free char *bytes = NULL;
	size_t len;

	fuzz_assert(fd_read_file(dir_fd, name, MAX_BYTES, &bytes, &len, NULL) == 0);
	for (size_t i = 0; i < cuts; i++)
		run(bytes, len * i / cuts);
	run(bytes, len);
}

static size_t count_files(DIR *dir)
{
	struct dirent *entry;
	size_t count = 0;

	while ((entry = readdir(dir)))
		count += entry->d_name[0] != '.';
	rewinddir(dir);

	return count;
}

int main(int argc, char *argv[])
{
	DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	size_t count;

	if (!dir) {
		(void)fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	if (LLVMFuzzerInitialize)
		(void)LLVMFuzzerInitialize(&argc, &argv);
	run("", 0);
	count = count_files(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			replay(dirfd(dir), entry->d_name, MIN(CUTS_MAX, RUNS / count + 1));
	closedir(dir);
	printf("%zu inputs\n", count);

	return count > 0 ? 0 : 1;
}
