/* SPDX-License-Identifier: Apache-2.0
 *
 * test_compromised.c - a hull-vmm in the hands of its guest, in its jail: it gets nowhere
 *
 * The hypervisor that the machine's code starts here is compromised.c: its guest, a few bytes of
 * code, orders one attempt of the table, on the thread of a processor or on that of the event
 * loop. Jail, descriptors and filters are those of every machine. Each attempt is a test of its
 * own; without root or /dev/kvm they are skipped.
 */
#include "machine/machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/macro.h"
#include "check.h"
#include "compromised.h"
#include "linux/cgroup.h"
#include "vmm/tiny_kernel.h"

#define LIMIT_MS 60000
#define DISK_BYTES (1 * MIB)
#define GROUP_BYTES (160 * MIB)

static const struct machine_ops *const ops = &machine_hullvmm_ops;

/* What an attempt came to. */
struct outcome {
	int code, status; /* as of waitid(2) */
	char words[256];
};

static const char *cannot_run(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return "the sanitizer makes system calls of its own";
#endif
	if (geteuid() != 0)
		return "only root makes jails";

	return access("/dev/kvm", R_OK | W_OK) < 0 ? "there is no /dev/kvm" : NULL;
}

/* A layer: a file that others use as well, by a descriptor that only reads. */
static int make_layer(void)
{
	auto_close int fd = memfd_create("layer", MFD_CLOEXEC);
	char path[64];

	assert_int_equal(ftruncate(fd, DISK_BYTES), 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);

	return open(path, O_RDONLY | O_CLOEXEC);
}

/* A machine whose guest orders attempt @order on a port, again and again. */
static struct machine *start(uint8_t port, uint8_t order, const struct cgroup *group, int group_fd)
{
	const uint8_t text[] = { 0xb0, order, 0xe6, port, 0xeb, 0xfc };
	int port_fds[2], layer_fd = make_layer();
	struct machine_disk disk = { .fd = layer_fd, .serial = "layer", .readonly = true };
	struct machine_config config = { .memory_bytes = 128 * MIB,
					 .cpus = 1,
					 .kernel_fd = tiny_kernel(text, sizeof(text)),
					 .initrd_fd = tiny_kernel("", 0),
					 .port_name = "port",
					 .disks = &disk,
					 .disks_len = 1,
					 .console_fd = -1,
					 .cgroup = group,
					 .cgroup_fd = group_fd };
	struct machine *m = NULL;
	struct err err = ERR_INIT;
	char why[512];

	assert_true(layer_fd >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port_fds), 0);
	config.stream_fd = port_fds[1];
	if (ops->start(&config, &m, &err) < 0)
		fail_msg("%s", err_text(&err, why, sizeof(why)));
	fd_close(port_fds[0]);
	fd_close(port_fds[1]);
	fd_close(config.kernel_fd);
	fd_close(config.initrd_fd);
	fd_close(layer_fd);

	return m;
}

/* A request, which may find that it has ended: its last words are in the failure then. */
static void request(struct machine *m, bool paused, struct outcome *outcome)
{
	struct err err = ERR_INIT;
	char text[512], *words;

	if (ops->pause(m, paused, &err) == 0)
		return;
	words = strstr(err_text(&err, text, sizeof(text)), "has ended: ");
	if (words)
		(void)snprintf(outcome->words, sizeof(outcome->words), "%s",
			       words + strlen("has ended: "));
}

/* The order is carried out from the third request on. */
static struct outcome end_of(struct machine *m)
{
	struct pollfd pfd = { .fd = ops->death_fd(m), .events = POLLIN };
	struct outcome outcome = { 0 };
	siginfo_t info = { 0 };

	request(m, true, &outcome);
	request(m, false, &outcome);
	assert_int_equal(poll(&pfd, 1, LIMIT_MS), 1);
	assert_int_equal(waitid(P_PIDFD, (id_t)pfd.fd, &info, WEXITED | WNOWAIT), 0);
	outcome.code = info.si_code;
	outcome.status = info.si_status;
	if (outcome.words[0] == '\0')
		ops->last_words(m, outcome.words, sizeof(outcome.words));
	ops->free(m);

	return outcome;
}

/* What it says when the attempt came back with @result. */
static void assert_came_back(const struct outcome *outcome, const struct attempt *attempt,
			     int result)
{
	char expected[128];

	(void)snprintf(expected, sizeof(expected), "%s: %d", attempt->name, result);
	assert_string_equal(outcome->words, expected);
	assert_int_equal(outcome->code, CLD_EXITED);
}

/* SIGSYS; or SIGKILL of the cgroup. Who came back has said what it got. */
static void assert_killed(const struct outcome *outcome, int signal)
{
	assert_string_equal(outcome->words, "");
	assert_true(outcome->code == CLD_KILLED || outcome->code == CLD_DUMPED);
	assert_int_equal(outcome->status, signal);
}

struct trial {
	uint8_t order, port;
};

static void test_attempt(void **state)
{
	const struct trial *trial = *state;
	const struct attempt *attempt = &attempts[trial->order];
	struct outcome outcome;

	if (cannot_run())
		skip();
	outcome = end_of(start(trial->port, trial->order, NULL, -1));
	if (trial->order == ATTEMPT_NOTHING)
		assert_came_back(&outcome, attempt, 0);
	else if (attempt->errno_expected)
		assert_came_back(&outcome, attempt, -attempt->errno_expected);
	else
		assert_killed(&outcome, SIGSYS);
}

/* The limit of the workload's cgroup holds for its hypervisor. */
static void test_fill_memory(void **state)
{
	const struct cgroup_limits limits = { .memory_bytes = GROUP_BYTES };
	struct cgroup_stats stats;
	struct cgroup group;
	struct outcome outcome;
	char name[64];
	int fd = -1, r;

	(void)state;
	if (cannot_run())
		skip();
	(void)snprintf(name, sizeof(name), "hull-test-%d", getpid());
	assert_int_equal(cgroup_find(name, &group, NULL), 0);
	assert_int_equal(cgroup_make_v2(&group, &fd, NULL), 0);
	assert_int_equal(cgroup_make_v1(&group, NULL), 0);
	r = cgroup_set_limits(&group, &limits, NULL);
	if (r == -ENOTSUP) {
		(void)cgroup_remove(&group, NULL);
		print_message("this host limits no memory\n");
		skip();
	}
	assert_int_equal(r, 0);
	outcome = end_of(start(PORT_ON_LOOP, ATTEMPT_FILL_MEMORY, &group, fd));
	assert_killed(&outcome, SIGKILL);
	(void)cgroup_get_stats(&group, &stats);
	assert_true(stats.oom_kills != 0);
	assert_true(stats.memory_peak_bytes <= (int64_t)GROUP_BYTES);
	fd_close(fd);
	assert_int_equal(cgroup_remove(&group, NULL), 0);
}

/* Is what a descriptor is named something that it was given or has made before it started? */
static bool is_known(const char *link)
{
	/* The jail's own null device was opened where "/dev" was the root of a mount. */
	static const char *const known[] = { "/null",	 "/dev/null",	"/dev/kvm", "/memfd:layer",
					     "socket:[", "anon_inode:", "pipe:[" };

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strncmp(link, known[i], strlen(known[i])) == 0)
			return true;

	return false;
}

/* No descriptor leads anywhere but to what it was given: no directory, no socket by a name. */
static void test_descriptors(void **state)
{
	struct machine *m;
	struct dirent *entry;
	char path[64], link[256], sockets[2][256] = { "", "" };
	DIR *dir;

	(void)state;
	if (cannot_run())
		skip();
	m = start(PORT_ON_VCPU, ATTEMPT_NOTHING, NULL, -1);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", ops->pid(m));
	dir = opendir(path);
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		unsigned i = 0;

		if (n < 0) /* "." and ".." */
			continue;
		link[n] = '\0';
		if (!is_known(link))
			fail_msg("descriptor %s is %s", entry->d_name, link);
		if (strncmp(link, "socket:", 7) != 0)
			continue;
		/* There are two: its starter's, and that of the port, which it has twice. */
		while (i < 2 && sockets[i][0] && strcmp(sockets[i], link) != 0)
			i++;
		assert_in_range(i, 0, 1);
		memcpy(sockets[i], link, sizeof(link));
	}
	closedir(dir);
	ops->free(m);
}

/* One that never stops talking holds nobody up. */
static void test_babble(void **state)
{
	int64_t deadline_ns = clock_now_ns() + LIMIT_MS * NS_PER_MS;
	struct machine *m;
	char words[256];
	int r;

	(void)state;
	if (cannot_run())
		skip();
	m = start(PORT_BABBLE, 0, NULL, -1);
	do {
		assert_true(clock_now_ns() < deadline_ns);
		r = ops->balloon(m, 0, NULL);
	} while (r == 0);
	assert_int_equal(r, -EPROTO);
	assert_int_equal(ops->end(m), MACHINE_END_UNKNOWN);
	ops->last_words(m, words, sizeof(words));
	assert_int_equal(words[0], 'b'); /* whatever piece was the last */
	ops->free(m);
}

/* One test for each attempt and thread. Returns how many. */
static size_t list_attempts(struct CMUnitTest *tests, struct trial *trials, char (*names)[128])
{
	size_t n = 0;

	for (size_t i = 0; i < attempts_len; i++)
		for (unsigned loop = attempts[i].loop_only; loop < 2; loop++) {
			if (i == ATTEMPT_FILL_MEMORY)
				continue;
			trials[n] =
				(struct trial){ (uint8_t)i, loop ? PORT_ON_LOOP : PORT_ON_VCPU };
			(void)snprintf(names[n], sizeof(names[n]), "%s: %s",
				       loop ? "loop" : "processor", attempts[i].name);
			tests[n] = (struct CMUnitTest){ .name = names[n],
							.test_func = test_attempt,
							.initial_state = &trials[n] };
			n++;
		}

	return n;
}

int main(void)
{
	size_t max = 2 * attempts_len + 3, n;
	struct CMUnitTest *tests = calloc(max, sizeof(*tests));
	struct trial *trials = calloc(max, sizeof(*trials));
	char(*names)[128] = calloc(max, sizeof(*names));
	int failed;

	if (!tests || !trials || !names)
		return 1;
	if (cannot_run())
		print_message("skipped: %s\n", cannot_run());
	n = list_attempts(tests, trials, names);
	tests[n++] = (struct CMUnitTest){ .name = "loop: fill the host's memory",
					  .test_func = test_fill_memory };
	tests[n++] = (struct CMUnitTest){ .name = "descriptors beyond those given",
					  .test_func = test_descriptors };
	tests[n++] = (struct CMUnitTest){ .name = "loop: talk for ever", .test_func = test_babble };
	failed = _cmocka_run_group_tests("compromised", tests, n, NULL, NULL);
	free(names);
	free(trials);
	free(tests);

	return failed;
}
