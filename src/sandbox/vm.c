/* SPDX-License-Identifier: Apache-2.0
 *
 * vm.c - the vm level: the workload runs in a virtual machine, through the agent in it
 */
#include "sandbox/vm.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/fd.h"
#include "machine/guest.h"

#define FINISH_LIMIT_NS (15 * NS_PER_SEC)
#define MEMORY_DEFAULT_BYTES ((int64_t)(512 * MIB))

static int vm_destroy(struct sandbox *sb, struct err *err);
static void vm_put(struct sandbox *sb);

static int vm_create(const struct sandbox_setup *setup, struct sandbox **ret_sb, int *ret_tty_fd,
		     struct err *err)
{
	const struct spec_resources *resources = &setup->spec->resources;
	struct sandbox *sb = calloc(1, sizeof(*sb));
	int tty_fd = -1, r;

	if (!sb)
		return err_set(err, ENOMEM, "out of memory");
	*sb = (struct sandbox){
		.loop = { .epoll_fd = -1 },
		.death_source = { .fd = -1 },
		.loop_source = { .fd = -1 },
		.cgroup_fd = -1,
		.memory_bytes =
			resources->memory_bytes ? resources->memory_bytes : MEMORY_DEFAULT_BYTES,
		.cpus = MAX((resources->cpus_milli + 999) / 1000, 1),
	};
	sb->memory_limit_bytes = sb->memory_bytes;
	sb->death_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = sb->death_fd < 0 ? err_sys(err, "make an eventfd") : loop_init(&sb->loop, err);
	if (r == 0)
		r = vm_build(sb, setup, &tty_fd, err);
	if (r < 0) {
		sb->ending = true;
		if (!sb->dead)
			vm_die(sb, "it was not completed");
		(void)vm_destroy(sb, NULL);
		vm_put(sb);
		return err_wrap(err, r, "start a virtual machine");
	}
	*ret_sb = sb;
	*ret_tty_fd = tty_fd;

	return 0;
}

static int vm_probe(struct err *err)
{
	struct guest_kernel kernel;
	const struct machine_ops *ops;
	int r = machine_choose(&ops, NULL, err);

	if (r == 0)
		r = guest_find_kernel(NULL, &kernel, err);
	if (r == 0)
		machine_remark(ops, err);

	return r;
}

static int vm_start(struct sandbox *sb, struct err *err)
{
	return vm_call(
		sb,
		&(struct agentproto_msg){ .type = AGENTPROTO_START, .wall_ns = clock_wall_ns() },
		VM_CALL_LIMIT_NS, NULL, err);
}

static int vm_spawn(struct sandbox *sb, const struct spec_process *process, const int stdio_fds[3],
		    uint32_t *ret_proc, int *ret_tty_fd, struct err *err)
{
	struct vm_proc_want want = { .msg = { .type = AGENTPROTO_EXEC, .proc = ++sb->last_proc },
				     .stdio_fds = stdio_fds,
				     .terminal = process->terminal,
				     .tty_fd = -1 };
	auto_free char *text = NULL;
	int r = spec_process_encode(process, &text, err);

	if (r < 0)
		return r;
	want.msg.body = slice_of(text);
	r = vm_ask_for_proc(sb, &want, VM_CALL_LIMIT_NS, err);
	if (r < 0)
		return r;
	*ret_proc = want.msg.proc;
	*ret_tty_fd = want.tty_fd;

	return 0;
}

static int vm_tool(struct sandbox *sb, const struct spec_tool *tool, const int stdio_fds[3],
		   uint32_t *ret_proc, struct err *err)
{
	struct vm_proc_want want = { .msg = { .type = AGENTPROTO_TOOL, .proc = ++sb->last_proc },
				     .stdio_fds = stdio_fds,
				     .tty_fd = -1 };
	auto_free char *text = NULL;
	int r = spec_tool_encode(tool, &text, err);

	if (r < 0)
		return r;
	want.msg.body = slice_of(text);
	r = vm_ask_for_proc(sb, &want, VM_CALL_LIMIT_NS, err);
	if (r == 0)
		*ret_proc = want.msg.proc;

	return r;
}

static int vm_signal(struct sandbox *sb, uint32_t number, int signo, struct err *err)
{
	const struct vm_proc *proc = vm_find_proc(sb, number);

	if (!proc || proc->ended)
		return err_set(err, ESRCH, "process %u has ended", number);

	return vm_call(sb,
		       &(struct agentproto_msg){ .type = AGENTPROTO_SIGNAL,
						 .proc = number,
						 .value = (uint32_t)signo },
		       VM_CALL_LIMIT_NS, NULL, err);
}

static int vm_resize(struct sandbox *sb, uint32_t number, uint16_t rows, uint16_t cols,
		     struct err *err)
{
	return vm_call(sb,
		       &(struct agentproto_msg){ .type = AGENTPROTO_RESIZE,
						 .proc = number,
						 .value = (uint32_t)rows << 16 | cols },
		       VM_CALL_LIMIT_NS, NULL, err);
}

static int vm_wait_fd(struct sandbox *sb, uint32_t number, int *ret_fd, struct err *err)
{
	const struct vm_proc *proc = vm_find_proc(sb, number);

	if (!proc)
		return err_set(err, ESRCH, "there is no process %u", number);
	*ret_fd = proc->end_fd;

	return 0;
}

static int vm_reap(struct sandbox *sb, uint32_t number, int *ret_wstatus, struct err *err)
{
	struct vm_proc *proc = vm_find_proc(sb, number);

	if (!proc)
		return err_set(err, ESRCH, "there is no process %u", number);
	if (!proc->told)
		return err_set(err, EAGAIN, "process %u runs", number);
	*ret_wstatus = proc->wstatus;
	if (proc->died && err)
		*err = sb->death;
	vm_forget_proc(sb, proc);

	return 0;
}

static int vm_death_fd(struct sandbox *sb)
{
	return sb->death_fd;
}

static int vm_init_pid(struct sandbox *sb)
{
	return sb->machine ? sb->ops->pid(sb->machine) : -ESRCH;
}

static int check_update(const struct sandbox *sb, const struct spec_resources *resources,
			struct err *err)
{
	if (resources->memory_bytes > sb->memory_bytes)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"a machine's memory (%lld MiB) cannot grow while it runs",
				(long long)(sb->memory_bytes / (int64_t)MIB));
	if (resources->cpus_milli > sb->cpus * 1000)
		return err_setk(err, ERR_UNSUPPORTED, ENOTSUP,
				"a machine's processors (%lld) cannot grow while it runs",
				(long long)sb->cpus);

	return 0;
}

/*
 * What is above the limit goes back to the host, as if the machine had been started with less. The
 * guest takes it back by itself before it runs out.
 */
static int resize_memory(struct sandbox *sb, int64_t limit_bytes, struct err *err)
{
	int64_t kept_bytes = MAX(limit_bytes, (int64_t)MACHINE_MEMORY_MIN_BYTES);
	int r = sb->ops->balloon(
		sb->machine, (uint64_t)(sb->memory_bytes - MIN(kept_bytes, sb->memory_bytes)), err);

	if (r == 0)
		sb->memory_limit_bytes = limit_bytes;

	return r < 0 ? err_wrap(err, r, "take memory from the machine") : 0;
}

static int vm_update(struct sandbox *sb, const struct spec_resources *resources, struct err *err)
{
	struct cgroup_limits limits = { .cpu_shares = resources->cpu_shares,
					.cpus = resources->cpuset_cpus };
	struct spec_resources guest = *resources;
	auto_free char *text = NULL;
	int r = check_update(sb, resources, err);

	guest.cpu_shares = 0;
	guest.cpuset_cpus = NULL;
	/* There is no swap in a machine. */
	guest.memory_swap_bytes = 0;
	if (r == 0)
		r = spec_resources_encode(&guest, &text, err);
	if (r == 0)
		r = vm_call(sb,
			    &(struct agentproto_msg){ .type = AGENTPROTO_UPDATE,
						      .body = slice_of(text) },
			    VM_CALL_LIMIT_NS, NULL, err);
	if (r == 0 && resources->memory_bytes > 0)
		r = resize_memory(sb, resources->memory_bytes, err);
	if (r == 0 && (limits.cpu_shares || limits.cpus))
		r = cgroup_set_limits(&sb->cgroup, &limits, err);

	return r;
}

static int vm_stats(struct sandbox *sb, struct spec_stats *ret_stats, struct err *err)
{
	const struct vm_proc *init = vm_find_proc(sb, SANDBOX_INIT);
	auto_free char *text = NULL;
	int r;

	/* With its end the agent has told what is left to know: the machine need not answer. */
	if (!init || init->ended) {
		*ret_stats = (struct spec_stats){ .oom_kills = sb->oom_kills };
		return 0;
	}
	r = vm_call(sb, &(struct agentproto_msg){ .type = AGENTPROTO_STATS }, VM_CALL_LIMIT_NS,
		    &text, err);
	if (r == 0 && !text)
		r = err_set(err, EPROTO, "the machine sent no numbers");
	if (r == 0)
		r = spec_stats_decode(text, strlen(text), ret_stats, err);
	if (r < 0)
		return r;
	ret_stats->oom_kills = MAX(ret_stats->oom_kills, sb->oom_kills);
	ret_stats->memory_limit_bytes = sb->memory_limit_bytes;
	ret_stats->cpus = sb->cpus;

	return 0;
}

static int vm_pause(struct sandbox *sb, int frozen, struct err *err)
{
	int r;

	if (sb->dead)
		return vm_check_alive(sb, err);
	r = sb->ops->pause(sb->machine, frozen, err);
	/* One that pauses after all, later than it was waited for, would never be resumed. */
	if (r < 0 && frozen)
		(void)sb->ops->pause(sb->machine, false, NULL);
	if (r < 0)
		return r;
	sb->paused = frozen;
	/* Its clock stood still meanwhile. */
	if (!frozen)
		(void)vm_call(sb,
			      &(struct agentproto_msg){ .type = AGENTPROTO_CLOCK,
							.wall_ns = clock_wall_ns() },
			      VM_CALL_LIMIT_NS, NULL, NULL);

	return 0;
}

static int vm_kill_all(struct sandbox *sb, struct err *err)
{
	int r;

	if (sb->dead)
		return 0;
	r = sb->paused ? vm_pause(sb, 0, err) : 0;
	if (r == 0)
		r = vm_call(sb, &(struct agentproto_msg){ .type = AGENTPROTO_KILL_ALL },
			    VM_CALL_LIMIT_NS, NULL, err);
	/* A machine that does not obey goes as a whole, and the workload with it. */
	if (r < 0)
		vm_die(sb, "the machine did not end its workload and was killed");

	return 0;
}

static const char *vm_describe(struct sandbox *sb)
{
	return sb->machine ? sb->ops->describe(sb->machine) : "vm";
}

static int vm_destroy(struct sandbox *sb, struct err *err)
{
	int r = 0;

	sb->ending = true;
	/* The disk comes to rest first; a machine that does not answer loses what it had in mind.
	 */
	if (sb->machine && !sb->dead && (!sb->paused || vm_pause(sb, 0, NULL) == 0))
		(void)vm_call(sb, &(struct agentproto_msg){ .type = AGENTPROTO_FINISH },
			      FINISH_LIMIT_NS, NULL, NULL);
	if (!sb->dead)
		vm_die(sb, "it was ended");
	while (sb->procs)
		vm_forget_proc(sb, sb->procs);
	if (sb->caller_loop)
		loop_del(sb->caller_loop, &sb->loop_source);
	sb->caller_loop = NULL;
	agentproto_conn_done(&sb->conn);
	loop_del(&sb->loop, &sb->death_source);
	if (sb->machine)
		sb->ops->free(take_ptr(sb->machine));
	while (sb->shares_len > 0) {
		struct vm_watched_share *s = &sb->shares[--sb->shares_len];

		loop_del(&sb->loop, &s->source);
		vm_share_done(&s->share);
	}
	free(take_ptr(sb->shares));
	sb->cgroup_fd = fd_close(sb->cgroup_fd);
	if (sb->has_cgroup)
		r = cgroup_remove(&sb->cgroup, err);
	if (r == 0)
		sb->has_cgroup = false;

	return r < 0 ? err_wrap(err, r, "remove the machine") : 0;
}

static void vm_put(struct sandbox *sb)
{
	if (!sb)
		return;
	/* Without its owner a machine has nobody who could tell what became of it. */
	(void)vm_destroy(sb, NULL);
	loop_done(&sb->loop);
	fd_close(sb->death_fd);
	free(sb);
}

const struct sandbox_ops sandbox_vm_ops = {
	.name = "vm",
	.probe = vm_probe,
	.create = vm_create,
	.start = vm_start,
	.spawn = vm_spawn,
	.tool = vm_tool,
	.signal = vm_signal,
	.kill_all = vm_kill_all,
	.resize = vm_resize,
	.wait_fd = vm_wait_fd,
	.reap = vm_reap,
	.death_fd = vm_death_fd,
	.init_pid = vm_init_pid,
	.update = vm_update,
	.stats = vm_stats,
	.pause = vm_pause,
	.describe = vm_describe,
	.destroy = vm_destroy,
	.put = vm_put,
};
