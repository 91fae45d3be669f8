/* SPDX-License-Identifier: Apache-2.0
 *
 * life.c - the life of the one sandbox: create, begin, end, and the records of it
 */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "monitor/server.h"
#include "monitor/state.h"

/* A workload that has been killed and does not end by then is given up. */
#define KILL_NS (20 * NS_PER_SEC)
/* Long enough that a short run never pays for it. */
#define TRIM_NS (1 * NS_PER_SEC)

#define DIED "the sandbox ended unexpectedly"

/* What a PROTO_START says; texts are borrowed from the frame. */
struct request {
	struct proto_start fixed;
	const char *level, *run_dir, *cache_dir, *log_path, *spec;
};

static int read_request(struct monitor *m, const struct proto_reader *frame, struct request *ret,
			struct err *err)
{
	struct slice rest;

	if (proto_get(frame, &ret->fixed, sizeof(ret->fixed), &rest) < 0)
		return err_set(err, EPROTO, "malformed start request");
	ret->level = proto_next_text(&rest);
	ret->run_dir = proto_next_text(&rest);
	ret->cache_dir = proto_next_text(&rest);
	ret->log_path = proto_next_text(&rest);
	ret->spec = proto_next_text(&rest);
	if (!ret->spec || frame->fds_len < 1)
		return err_set(err, EPROTO, "malformed start request");
	for (uint32_t i = 0; i < ret->fixed.reap_argc; i++) {
		const char *arg = proto_next_text(&rest);

		if (!arg)
			return err_set(err, EPROTO, "malformed start request");
		if (strv_add(&m->reap_args, arg) < 0)
			return err_set(err, ENOMEM, "out of memory");
	}
	m->open_stdin = ret->fixed.flags & PROTO_START_OPEN_STDIN;
	m->stdin_once = ret->fixed.flags & PROTO_START_STDIN_ONCE;
	m->claim_reap = ret->fixed.flags & PROTO_START_CLAIM_REAP;
	m->ops = sandbox_find(ret->level);
	if (!m->ops)
		return err_setk(err, ERR_USAGE, EINVAL, "unknown isolation level '%s'", ret->level);

	return 0;
}

static int open_log(struct monitor *m, const struct request *req, struct err *err)
{
	struct monitor_log log = {
		.path = req->log_path,
		.max_bytes = req->fixed.log_max_bytes,
		.max_files = req->fixed.log_max_files,
	};

	return req->log_path[0] == '\0' ? 0 : logfile_open(&log, &m->log, err);
}

/* The run directory becomes ours, and the state tells that a sandbox is being made. */
static int open_run_dir(struct monitor *m, const struct request *req, struct err *err)
{
	m->run_fd = open(req->run_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (m->run_fd < 0)
		return err_sys(err, "open the run directory '%s'", req->run_dir);
	m->lock_fd = state_lock(m->run_fd, err);
	if (m->lock_fd < 0)
		return m->lock_fd;
	failpoint("monitor-locked");
	m->listen_fd = state_listen(m->run_fd, err);
	if (m->listen_fd < 0)
		return m->listen_fd;
	m->state.phase = MONITOR_CREATED;
	m->state.monitor_pid = getpid();

	return state_write(m->run_fd, &m->state, err);
}

void life_note_death(struct monitor *m, const struct err *why)
{
	if (why->code)
		(void)err_text(why, m->state.error, sizeof(m->state.error));
}

static void sandbox_died(void *ctx, uint32_t events)
{
	struct monitor *m = ctx;
	struct proc *init = proc_find(m, SANDBOX_INIT);
	struct err why = ERR_INIT;
	int wstatus = SIGKILL;

	(void)events;
	loop_del(&m->loop, &m->death);
	if (!init) {
		life_end(m, SIGKILL, DIED);
		return;
	}
	/* It may have been the last thing that the first process brought about. */
	if (!init->reaped && m->ops->reap(m->sb, SANDBOX_INIT, &wstatus, &why) < 0)
		err_set(&why, EPIPE, DIED);
	life_note_death(m, &why);
	if (!init->reaped)
		init->wstatus = wstatus;
	loop_del(&m->loop, &init->wait);
	init->reaped = true;
	proc_pump(init);
}

static int watch_death(struct monitor *m, struct err *err)
{
	int fd = m->ops->death_fd(m->sb), r;

	if (fd < 0)
		return 0;
	m->death = (struct loop_source){ .fd = fd, .fn = sandbox_died, .ctx = m };
	r = loop_add(&m->loop, &m->death, EPOLLIN);

	return r < 0 ? err_set(err, -r, "watch the sandbox") : 0;
}

/* ops->create() with pipes for the first process, which is then kept as process 0. */
static int create_sandbox(struct monitor *m, const struct spec_sandbox *spec,
			  struct sandbox_setup *setup, struct err *err)
{
	bool piped = !spec->service && !spec->process.terminal;
	struct proc_stdio io = { .theirs = { -1, -1, -1 }, .ours = { -1, -1, -1 } };
	struct proc *proc;
	int tty_fd = -1, r = 0;

	if (piped)
		r = proc_stdio_open(m->open_stdin, &io, err);
	if (r < 0)
		return r;
	memcpy(setup->stdio_fds, io.theirs, sizeof(io.theirs));
	r = m->ops->create(setup, &m->sb, &tty_fd, err);
	if (r < 0 || spec->service) {
		proc_stdio_close(&io);
		return r;
	}
	proc = proc_new(m, SANDBOX_INIT, &io, tty_fd);
	proc_stdio_close(&io);
	if (!proc)
		return err_set(err, ENOMEM, "out of memory");
	proc->close_in = m->stdin_once;

	return proc_watch(proc, err);
}

static int create_from(struct monitor *m, const struct request *req, struct proto_reader *frame,
		       int sock_fd, struct err *err)
{
	auto_done(spec_sandbox) spec = { 0 };
	struct sandbox_setup setup = {
		.spec = &spec,
		.dir_fd = m->run_fd,
		.layer_fds = frame->fds + 1,
		.layers_len = frame->fds_len - 1,
		.rw_fd = frame->fds[0],
		.stdio_fds = { -1, -1, -1 },
		.cancel_fd = sock_fd,
		.loop = &m->loop,
		.cache_dir = m->cache_dir,
	};
	int r = spec_sandbox_decode(req->spec, strlen(req->spec), &spec, err);

	if (r < 0)
		return r;
	m->id = strdup(spec.id);
	if (!m->id)
		return err_set(err, ENOMEM, "out of memory");
	m->service = spec.service;
	r = create_sandbox(m, &spec, &setup, err);
	if (r < 0)
		return r;
	(void)snprintf(m->state.machine, sizeof(m->state.machine), "%s", m->ops->describe(m->sb));
	r = state_write(m->run_fd, &m->state, err);

	return r < 0 ? r : watch_death(m, err);
}

/* Take down what is there of the sandbox. 0 or a negative errno. */
static int destroy(struct monitor *m, struct err *err)
{
	int r = 0;

	loop_del(&m->loop, &m->death);
	if (m->sb) {
		r = m->ops->destroy(m->sb, err);
		if (r < 0)
			log_error("event=destroy id=%s error=%d", m->id, -r);
	}
	logfile_close(m->log);
	m->log = NULL;

	return r;
}

int life_create(struct monitor *m, struct proto_reader *frame, int sock_fd, struct err *err)
{
	struct request req;
	int r = read_request(m, frame, &req, err);

	if (r < 0)
		return r;
	m->cache_dir = strdup(req.cache_dir);
	if (!m->cache_dir)
		return err_set(err, ENOMEM, "out of memory");
	r = open_run_dir(m, &req, err);
	if (r < 0)
		goto failed;
	r = open_log(m, &req, err);
	if (r < 0)
		goto failed;
	r = create_from(m, &req, frame, sock_fd, err);
	if (r < 0)
		goto failed;
	failpoint("monitor-created");

	return 0;

failed:
	(void)destroy(m, NULL);
	if (m->lock_fd >= 0)
		state_forget(m->run_fd);

	return r;
}

/* The pages of our own program that were used so far: they come back from the page cache. */
static int drop_code(struct dl_phdr_info *info, size_t size, void *ctx)
{
	uintptr_t page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);

	(void)size;
	(void)ctx;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
		uintptr_t start = (info->dlpi_addr + segment->p_vaddr) & ~(page_bytes - 1);
		uintptr_t end = info->dlpi_addr + segment->p_vaddr + segment->p_memsz;

		/* Never one that can be written: what relocation wrote there is not in the file. */
		if (segment->p_type == PT_LOAD && !(segment->p_flags & PF_W))
			(void)madvise((void *)start, end - start, MADV_DONTNEED);
	}

	return 0;
}

/* Give memory back that was used for a moment: this process will wait, perhaps for months. */
static void trim(void *ctx)
{
	(void)ctx;
	(void)malloc_trim(0);
	(void)dl_iterate_phdr(drop_code, NULL);
}

void life_rest(struct monitor *m)
{
	m->trim.fn = trim;
	if (m->state.phase == MONITOR_RUNNING && !m->ending && !m->trim.armed)
		loop_timer_arm(&m->loop, &m->trim, clock_now_ns() + TRIM_NS);
}

static void write_exit(struct monitor *m, int exit_status)
{
	struct err err = ERR_INIT;

	m->state.exit_status = exit_status;
	m->state.finished_wall_ns = clock_wall_ns();
	if (state_write_exit(m->run_fd, &m->state, &err) < 0)
		log_error("event=exit_record id=%s error=%d", m->id, err.code);
}

int life_begin(struct monitor *m, struct err *err)
{
	struct proc *proc = proc_find(m, SANDBOX_INIT);
	int r;

	if (m->ending || m->state.phase != MONITOR_CREATED || !proc)
		return err_setk(err, ERR_CONFLICT, EBUSY, "it has been started already");
	m->state.started_wall_ns = clock_wall_ns();
	r = m->ops->start(m->sb, err);
	if (r < 0) {
		m->ending = true;
		(void)destroy(m, NULL);
		(void)err_text(err, m->state.error, sizeof(m->state.error));
		write_exit(m, err_exit_status(err));
		loop_stop(&m->loop);
		return r;
	}
	failpoint("monitor-begun");
	m->state.phase = MONITOR_RUNNING;
	m->state.init_pid = m->ops->init_pid(m->sb);
	(void)state_write(m->run_fd, &m->state, NULL);
	proc_pump(proc);
	life_rest(m);

	return 0;
}

/* As in Docker: whether the kernel killed any of its processes for memory. */
static bool was_oom(struct monitor *m, int wstatus)
{
	struct spec_stats stats = { 0 };

	/* One that ended well did not notice, and most do: spare them the reading. */
	if (wstatus == 0 || m->ops->stats(m->sb, &stats, NULL) < 0)
		return false;

	return stats.oom_kills > 0;
}

/* Processes that outlived the first one went with the sandbox. */
static void end_others(struct monitor *m)
{
	struct proc *next;

	for (struct proc *proc = m->procs; proc; proc = next) {
		next = proc->next;
		if (proc->number == SANDBOX_INIT)
			continue;
		loop_del(&m->loop, &proc->wait);
		if (!proc->reaped) {
			proc->wstatus = SIGKILL;
			(void)m->ops->reap(m->sb, proc->number, &proc->wstatus, NULL);
		}
		proc->reaped = true;
		proc->held = false;
		proc_pump(proc);
	}
}

void life_leave(struct monitor *m)
{
	if (!m->ending)
		return;
	for (struct client *c = m->clients; c; c = c->next)
		if (relay_unfinished(c))
			return;
	/* A starter that claimed the reaping and has not asked for the end yet is waited for. */
	if (m->claim_reap && !m->reap_told && server_starter(m))
		return;
	loop_stop(&m->loop);
}

void life_end(struct monitor *m, int wstatus, const char *why)
{
	struct proc *init = proc_find(m, SANDBOX_INIT);
	struct err err = ERR_INIT;

	if (m->ending)
		return;
	failpoint("monitor-ended");
	m->ending = m->ended = true;
	loop_timer_disarm(&m->loop, &m->kill);
	m->state.oom = was_oom(m, wstatus);
	if (why)
		(void)snprintf(m->state.error, sizeof(m->state.error), "%s", why);
	if (destroy(m, &err) < 0 && m->state.error[0] == '\0')
		(void)err_text(&err, m->state.error, sizeof(m->state.error));
	failpoint("monitor-destroyed");
	write_exit(m, exit_status_of(wstatus));
	failpoint("monitor-recorded");
	end_others(m);

	if (init)
		server_tell_end(m, init, wstatus);
	life_leave(m);
}

int life_discard(struct monitor *m, struct err *err)
{
	int r;

	if (m->state.phase != MONITOR_CREATED)
		return err_setk(err, ERR_CONFLICT, EBUSY, "it has been started already");
	m->ending = true;
	r = destroy(m, err);
	end_others(m);
	state_forget(m->run_fd);
	loop_stop(&m->loop);

	return r;
}

static void give_up(void *ctx)
{
	life_end(ctx, SIGKILL, "it was killed and did not end");
}

void life_kill(struct monitor *m)
{
	struct err err = ERR_INIT;

	if (m->ending)
		return;
	if (m->state.phase == MONITOR_CREATED) {
		(void)life_discard(m, NULL);
		return;
	}
	if (m->ops->kill_all(m->sb, &err) < 0)
		log_error("event=kill id=%s error=%d", m->id, err.code);
	m->kill = (struct loop_timer){ .fn = give_up, .ctx = m };
	loop_timer_arm(&m->loop, &m->kill, clock_now_ns() + KILL_NS);
}

void life_starter_lost(struct monitor *m)
{
	/* It was killed between the steps of a start. */
	if (!m->ending && m->state.phase == MONITOR_CREATED) {
		m->orphan = true;
		(void)life_discard(m, NULL);
	}
}

int life_pause(struct monitor *m, bool frozen, struct err *err)
{
	enum monitor_phase wanted = frozen ? MONITOR_PAUSED : MONITOR_RUNNING;
	int r;

	if (m->state.phase == MONITOR_CREATED || m->ending)
		return err_setk(err, ERR_CONFLICT, ESRCH, "it does not run");
	if (m->state.phase == wanted)
		return err_setk(err, ERR_CONFLICT, EALREADY, "it is %s",
				frozen ? "paused already" : "not paused");
	r = m->ops->pause(m->sb, frozen, err);
	if (r < 0)
		return r;
	m->state.phase = wanted;

	return state_write(m->run_fd, &m->state, err);
}
