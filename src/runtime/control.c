/* SPDX-License-Identifier: Apache-2.0
 *
 * control.c - outside: drive, measure and end what runs
 */
#include "runtime/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/log.h"
#include "linux/ns.h"

#define END_MS 10000

int control_set_limits(const struct runtime *rt, const struct spec_resources *resources,
		       struct err *err)
{
	const struct cgroup_limits limits = {
		.memory_bytes = resources->memory_bytes,
		.swap_bytes = resources->memory_swap_bytes,
		.cpus_milli = resources->cpus_milli,
		.cpu_shares = resources->cpu_shares,
		.cpus = resources->cpuset_cpus && *resources->cpuset_cpus ? resources->cpuset_cpus
									  : NULL,
		.pids = resources->pids_limit,
	};

	return cgroup_set_limits(&rt->cgroup, &limits, err);
}

static int set_rlimits(pid_t pid, const struct spec_process *process, struct err *err)
{
	for (size_t i = 0; i < process->rlimits_len; i++) {
		const struct spec_rlimit *want = &process->rlimits[i];
		struct rlimit limit = { .rlim_cur = want->soft, .rlim_max = want->hard }, have;
		__rlimit_resource_t what = (__rlimit_resource_t)want->resource;

		if (prlimit(pid, what, &limit, NULL) == 0)
			continue;
		if (errno != EPERM || prlimit(pid, what, NULL, &have) < 0)
			return err_sys(err, "set resource limit %d", want->resource);
		/* This host grants less: as much as it does. */
		limit.rlim_max = MIN(limit.rlim_max, have.rlim_max);
		limit.rlim_cur = MIN(limit.rlim_cur, limit.rlim_max);
		if (prlimit(pid, what, &limit, NULL) < 0)
			return err_sys(err, "set resource limit %d", want->resource);
	}

	return 0;
}

/* Pipes belong to who made them: the user may want to open /dev/stdout again. */
static void give_streams(const struct runtime *rt, const int fds[3], const struct sync_msg *ready)
{
	for (int i = 0; i < 3; i++) {
		struct stat st;

		if (fds[i] < 0 || fstat(fds[i], &st) < 0 || !S_ISFIFO(st.st_mode))
			continue;
		if (fchown(fds[i], rt->uid_base + ready->uid, rt->uid_base + ready->gid) < 0)
			log_debug("stream %d keeps its owner: %m", i);
	}
}

int control_settle(const struct runtime *rt, pid_t pid, const struct spec_process *process,
		   const int stdio_fds[3], const struct sync_msg *ready, struct err *err)
{
	char path[64], text[16];
	int r = set_rlimits(pid, process, err);

	if (r < 0)
		return r;
	give_streams(rt, stdio_fds, ready);
	if (!process->oom_score_adj)
		return 0;
	(void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)pid);
	(void)snprintf(text, sizeof(text), "%d", (int)process->oom_score_adj);

	return fd_write_file(AT_FDCWD, path, text, err);
}

int control_let_go(int gate_fd, struct err *err)
{
	struct sync_msg msg = { .kind = SYNC_GO };
	int r = sync_send(gate_fd, &msg, NULL, 0, err);

	if (r < 0)
		return r;
	/* The end of the stream is the exec; anything else is its failure. */
	r = sync_receive(gate_fd, SYNC_FAILED, &msg, NULL, NULL, err);

	return r == -EPIPE ? 0 : r;
}

void control_kill_child(pid_t pid, int pidfd)
{
	(void)ns_signal(pidfd, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void control_abandon(struct runtime *rt)
{
	if (rt->init_pid > 0)
		control_kill_child(rt->init_pid, rt->init_pidfd);
	(void)cgroup_remove(&rt->cgroup, NULL);
	runtime_put(rt);
}

int runtime_kill_all(struct runtime *rt, struct err *err)
{
	int r = cgroup_kill(&rt->cgroup, err);

	/* With the first process of a pid namespace the others go, whatever the cgroup says. */
	(void)ns_signal(rt->init_pidfd, SIGKILL);

	return r;
}

int runtime_pause(struct runtime *rt, bool frozen, struct err *err)
{
	int r = cgroup_freeze(&rt->cgroup, frozen, err);

	if (r == 0)
		rt->paused = frozen;

	return r;
}

int runtime_update(struct runtime *rt, const struct spec_resources *resources, struct err *err)
{
	return control_set_limits(rt, resources, err);
}

int runtime_stats(struct runtime *rt, struct spec_stats *ret, struct err *err)
{
	struct cgroup_stats stats;
	cpu_set_t cpus;

	(void)err;
	(void)cgroup_get_stats(&rt->cgroup, &stats);
	*ret = (struct spec_stats){
		.cpu_ns = stats.cpu_ns,
		.cpu_user_ns = stats.cpu_user_ns,
		.cpu_system_ns = stats.cpu_system_ns,
		.memory_bytes = stats.memory_bytes,
		.memory_limit_bytes = stats.memory_limit_bytes,
		.memory_peak_bytes = stats.memory_peak_bytes,
		.pids = stats.pids,
		.pids_limit = stats.pids_limit,
		.block_read_bytes = stats.block_read_bytes,
		.block_write_bytes = stats.block_write_bytes,
		.oom_kills = stats.oom_kills,
		.cpus = sysconf(_SC_NPROCESSORS_ONLN),
	};
	if (ret->memory_limit_bytes < 0)
		ret->memory_limit_bytes =
			(int64_t)sysconf(_SC_PHYS_PAGES) * (int64_t)sysconf(_SC_PAGESIZE);
	if (sched_getaffinity(rt->init_pid, sizeof(cpus), &cpus) == 0)
		ret->cpus = CPU_COUNT(&cpus);

	return 0;
}

int runtime_destroy(struct runtime *rt, struct err *err)
{
	struct pollfd init = { .fd = rt->init_pidfd, .events = POLLIN };
	int r = 0;

	rt->gate_fd = fd_close(rt->gate_fd);
	/* Nothing can run once the first process of its pid namespace has ended. */
	if (!rt->own_pid || ns_alive(rt->init_pidfd)) {
		if (rt->paused)
			(void)runtime_pause(rt, false, NULL);
		r = runtime_kill_all(rt, err);
	}
	if (r == 0 && poll(&init, 1, END_MS) == 0)
		r = err_set(err, EBUSY, "process %d does not end", (int)rt->init_pid);

	return r < 0 ? r : cgroup_remove(&rt->cgroup, err);
}

void runtime_put(struct runtime *rt)
{
	if (!rt)
		return;
	fd_close(rt->cgroup_fd);
	fd_close(rt->init_pidfd);
	fd_close(rt->gate_fd);
	fd_close(rt->devpts_fd);
	fd_close(rt->rw_fd);
	fd_close(rt->places_fd);
	for (size_t i = 0; i < rt->layers_len; i++)
		fd_close(rt->layer_fds[i]);
	free(rt->layer_fds);
	seccomp_filter_done(&rt->filter);
	free(rt);
}

int runtime_cleanup(const char *id, struct err *err)
{
	char name[SPEC_ID_HEX + 16];
	struct cgroup cgroup;
	int r;

	if (strchr(id, '/') ||
	    snprintf(name, sizeof(name), CONTROL_CGROUP "%s", id) >= (int)sizeof(name))
		return err_setk(err, ERR_USAGE, EINVAL, "'%s' is not an id", id);
	r = cgroup_find(name, &cgroup, err);
	if (r == 0)
		r = cgroup_kill(&cgroup, err);

	return r < 0 ? r : cgroup_remove(&cgroup, err);
}
