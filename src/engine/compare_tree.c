/* SPDX-License-Identifier: Apache-2.0
 *
 * compare_tree.c - what the processes below this one take: memory, processor time
 *
 * This process is the one that orphans below it come to (PR_SET_CHILD_SUBREAPER), so that the tree
 * is whole: monitors, hypervisors, file servers, workloads.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "engine/compare_internal.h"

#define PROCESSES_MAX 65536
#define FILE_MAX_BYTES 4096
#define REAP_STEP_NS (5 * NS_PER_MS)

struct process {
	pid_t pid, parent;
};

static char *read_file(pid_t pid, const char *name)
{
	char path[64], *text = NULL;

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);

	return fd_read_file(AT_FDCWD, path, FILE_MAX_BYTES, &text, NULL, NULL) < 0 ? NULL : text;
}

/* The fourth word of stat; the second is a name in brackets, which may hold anything. */
static pid_t parent_of(pid_t pid)
{
	auto_free char *text = read_file(pid, "stat");
	const char *end = text ? strrchr(text, ')') : NULL;
	struct slice rest, word;
	uint64_t parent = 0;

	if (!end)
		return 0;
	rest = slice_of(end);
	for (int i = 0; i < 3 && slice_next(&rest, ' ', &word); i++)
		if (i == 2)
			(void)parse_slice_u64(word, 0, INT32_MAX, &parent);

	return (pid_t)parent;
}

static size_t list_processes(struct process **ret)
{
	DIR *dir = opendir("/proc");
	struct process *list = NULL;
	struct dirent *entry;
	size_t len = 0, room = 0;
	uint64_t pid;

	while (dir && len < PROCESSES_MAX && (entry = readdir(dir))) {
		if (parse_u64(entry->d_name, 1, INT32_MAX, &pid) < 0)
			continue;
		if (len == room) {
			struct process *more =
				realloc(list, (room = room * 2 + 64) * sizeof(*list));

			if (!more)
				break;
			list = more;
		}
		list[len++] =
			(struct process){ .pid = (pid_t)pid, .parent = parent_of((pid_t)pid) };
	}
	if (dir)
		(void)closedir(dir);
	*ret = list;

	return len;
}

static bool is_listed(const pid_t *list, pid_t pid)
{
	for (; list && *list; list++)
		if (*list == pid)
			return true;

	return false;
}

/* Does @pid descend from this process, and not from any of @skip_trees? */
static bool is_below(const struct process *list, size_t len, pid_t pid, const pid_t *skip_trees)
{
	for (size_t steps = 0; steps < len && pid > 1; steps++) {
		size_t i = 0;

		if (is_listed(skip_trees, pid))
			return false;
		while (i < len && list[i].pid != pid)
			i++;
		if (i == len)
			return false;
		pid = list[i].parent;
		if (pid == getpid())
			return true;
	}

	return false;
}

static int64_t pss_of(pid_t pid)
{
	auto_free char *text = read_file(pid, "smaps_rollup");
	const char *at = text ? strstr(text, "\nPss:") : NULL;
	struct slice rest, word;
	uint64_t kib = 0;

	if (!at)
		return 0;
	rest = slice_of(at + strlen("\nPss:"));
	while (slice_next(&rest, ' ', &word))
		if (word.len > 0)
			break;
	(void)parse_slice_u64(word, 0, INT64_MAX / 1024, &kib);

	return (int64_t)kib * 1024;
}

/* The first number of schedstat is nanoseconds on a processor; each thread has its own. */
static int64_t cpu_of(pid_t pid)
{
	char path[64];
	struct dirent *entry;
	int64_t sum_ns = 0;
	DIR *dir;

	(void)snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		auto_free char *text = NULL;
		char name[64];
		struct slice rest, word;
		uint64_t tid, ns;

		if (parse_u64(entry->d_name, 1, INT32_MAX, &tid) < 0)
			continue;
		(void)snprintf(name, sizeof(name), "task/%u/schedstat", (unsigned)tid);
		text = read_file(pid, name);
		rest = slice_of(text);
		if (slice_next(&rest, ' ', &word) &&
		    parse_slice_u64(word, 0, INT64_MAX / 2, &ns) == 0)
			sum_ns += (int64_t)ns;
	}
	if (dir)
		(void)closedir(dir);

	return sum_ns;
}

void compare_tree_use(const pid_t *skip, const pid_t *skip_trees, struct compare_use *ret)
{
	auto_free struct process *list = NULL;
	size_t len = list_processes(&list);

	*ret = (struct compare_use){ 0 };
	for (size_t i = 0; i < len; i++) {
		if (is_listed(skip, list[i].pid) || !is_below(list, len, list[i].pid, skip_trees))
			continue;
		ret->pss_bytes += pss_of(list[i].pid);
		ret->cpu_ns += cpu_of(list[i].pid);
	}
}

static bool has_other_child(pid_t except)
{
	auto_free struct process *list = NULL;
	size_t len = list_processes(&list);

	for (size_t i = 0; i < len; i++)
		if (list[i].parent == getpid() && list[i].pid != except)
			return true;

	return false;
}

void compare_reap_all(pid_t except, int64_t deadline_ns)
{
	static const struct timespec step = { .tv_nsec = REAP_STEP_NS };

	while (clock_now_ns() < deadline_ns) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid > 0)
			continue;
		if (pid < 0 || !has_other_child(except))
			return;
		(void)nanosleep(&step, NULL);
	}
}
