/* SPDX-License-Identifier: Apache-2.0
 *
 * state.c - the files of a run directory: lock, socket, state, exit record
 */
#include "monitor/state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/fd.h"
#include "wire/json.h"

#define STATE_LOCK "lock"
#define STATE_CTL "ctl"
#define STATE_FILE "state"
#define STATE_EXIT "exit"
#define STATE_MAX_BYTES (16 * KIB)
#define STATE_BACKLOG 64
#define STATE_LEAVE_NS (5 * NS_PER_SEC)

static const char *const phase_names[] = {
	[MONITOR_CREATED] = "created",
	[MONITOR_RUNNING] = "running",
	[MONITOR_PAUSED] = "paused",
};

/* An earlier monitor that has written its exit record is on its way out: wait for that. */
static int lock_retrying(int dir_fd, int fd)
{
	int64_t deadline_ns = clock_now_ns() + STATE_LEAVE_NS;
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

	while (fcntl(fd, F_OFD_SETLK, &lock) < 0) {
		if (errno != EAGAIN && errno != EACCES)
			return -errno;
		if (faccessat(dir_fd, STATE_EXIT, F_OK, 0) < 0 || clock_now_ns() >= deadline_ns)
			return -EBUSY;
		(void)poll(NULL, 0, 1);
	}

	return 0;
}

int state_lock(int dir_fd, struct err *err)
{
	auto_close int fd =
		openat(dir_fd, STATE_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return err_sys(err, "open '%s' of the run directory", STATE_LOCK);
	r = lock_retrying(dir_fd, fd);
	if (r == -EBUSY)
		return err_setk(err, ERR_CONFLICT, EBUSY, "it already runs");
	if (r < 0)
		return err_set(err, -r, "lock '%s' of the run directory", STATE_LOCK);
	(void)unlinkat(dir_fd, STATE_EXIT, 0);

	return take_fd(fd);
}

int state_is_locked(int dir_fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	auto_close int fd = openat(dir_fd, STATE_LOCK, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
		return -errno;

	return lock.l_type != F_UNLCK;
}

/* The address of "ctl" whatever the length of the run directory's path. */
static void ctl_address(int dir_fd, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/" STATE_CTL, dir_fd);
}

int state_listen(int dir_fd, struct err *err)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return err_sys(err, "make a socket");
	ctl_address(dir_fd, &address);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		/* One that a killed monitor left. */
		if (errno != EADDRINUSE || unlinkat(dir_fd, STATE_CTL, 0) < 0 ||
		    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			return err_sys(err, "make the socket '%s'", STATE_CTL);
	}
	if (listen(fd, STATE_BACKLOG) < 0)
		return err_sys(err, "listen on '%s'", STATE_CTL);

	return take_fd(fd);
}

int state_connect(int dir_fd)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;

	if (fd < 0)
		return -errno;
	ctl_address(dir_fd, &address);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;

	return take_fd(fd);
}

static int write_json(int dir_fd, const char *name, const json_t *json, struct err *err)
{
	auto_free char *text = json_text(json);

	if (!text)
		return err_set(err, ENOMEM, "out of memory");

	return fd_replace_file(dir_fd, name, text, strlen(text), 0600, err);
}

int state_write(int dir_fd, const struct monitor_state *state, struct err *err)
{
	auto_json *json = json_object();

	if (!json || json_set_text(json, "phase", phase_names[state->phase]) < 0 ||
	    json_set_i64(json, "monitorPid", state->monitor_pid) < 0 ||
	    json_set_i64(json, "initPid", state->init_pid) < 0 ||
	    json_set_i64(json, "started", state->started_wall_ns) < 0 ||
	    json_set_text(json, "machine", state->machine) < 0)
		return err_set(err, ENOMEM, "out of memory");

	return write_json(dir_fd, STATE_FILE, json, err);
}

int state_write_exit(int dir_fd, const struct monitor_state *state, struct err *err)
{
	auto_json *json = json_object();

	if (!json || json_set_i64(json, "exitStatus", state->exit_status) < 0 ||
	    json_set_bool(json, "oom", state->oom) < 0 ||
	    json_set_i64(json, "started", state->started_wall_ns) < 0 ||
	    json_set_i64(json, "finished", state->finished_wall_ns) < 0 ||
	    json_set_text(json, "machine", state->machine) < 0 ||
	    json_set_text(json, "error", state->error) < 0)
		return err_set(err, ENOMEM, "out of memory");

	return write_json(dir_fd, STATE_EXIT, json, err);
}

void state_forget(int dir_fd)
{
	(void)unlinkat(dir_fd, STATE_FILE, 0);
	(void)unlinkat(dir_fd, STATE_CTL, 0);
}

/* 0 and @ret; -ENOENT when the file is not there. */
static int read_json(int dir_fd, const char *name, json_t **ret, struct err *err)
{
	auto_free char *text = NULL;
	size_t len;
	int r;

	r = fd_read_file(dir_fd, name, STATE_MAX_BYTES, &text, &len, err);
	if (r < 0)
		return r;

	return json_parse(text, len, name, ret, err);
}

static int get_text(const json_t *json, const char *key, char *buf, size_t buf_bytes,
		    struct err *err)
{
	const char *text = "";
	int r = json_get_text(json, key, &text, err);

	if (r == 0)
		(void)snprintf(buf, buf_bytes, "%s", text);

	return r;
}

static int read_exit(int dir_fd, struct monitor_state *ret, struct err *err)
{
	auto_json *json = NULL;
	int64_t status = 0;
	int r = read_json(dir_fd, STATE_EXIT, &json, err);

	if (r < 0)
		return r;
	r = json_get_i64(json, "exitStatus", 0, 255, &status, err);
	if (r == 0)
		r = json_get_bool(json, "oom", &ret->oom, err);
	if (r == 0)
		r = json_get_i64(json, "started", 0, INT64_MAX, &ret->started_wall_ns, err);
	if (r == 0)
		r = json_get_i64(json, "finished", 0, INT64_MAX, &ret->finished_wall_ns, err);
	if (r == 0)
		r = get_text(json, "machine", ret->machine, sizeof(ret->machine), err);
	if (r == 0)
		r = get_text(json, "error", ret->error, sizeof(ret->error), err);
	ret->exit_status = (int)status;
	ret->phase = MONITOR_EXITED;

	return r;
}

static int read_live(int dir_fd, struct monitor_state *ret, struct err *err)
{
	auto_json *json = NULL;
	const char *phase = "";
	int64_t monitor_pid = 0, init_pid = 0;
	int r = read_json(dir_fd, STATE_FILE, &json, err);

	if (r < 0)
		return r;
	r = json_get_text(json, "phase", &phase, err);
	if (r == 0)
		r = json_get_i64(json, "monitorPid", 0, INT32_MAX, &monitor_pid, err);
	if (r == 0)
		r = json_get_i64(json, "initPid", 0, INT32_MAX, &init_pid, err);
	if (r == 0)
		r = json_get_i64(json, "started", 0, INT64_MAX, &ret->started_wall_ns, err);
	if (r == 0)
		r = get_text(json, "machine", ret->machine, sizeof(ret->machine), err);
	ret->monitor_pid = (pid_t)monitor_pid;
	ret->init_pid = (pid_t)init_pid;
	ret->phase = MONITOR_CREATED;
	for (size_t i = MONITOR_CREATED; i < ARRAY_SIZE(phase_names); i++)
		if (strcmp(phase, phase_names[i]) == 0)
			ret->phase = (enum monitor_phase)i;

	return r;
}

static int read_dir(int dir_fd, struct monitor_state *state, struct err *err)
{
	/* Asked first: a monitor writes the exit record before it gives up the lock. */
	int locked = state_is_locked(dir_fd);
	int r;

	if (locked < 0)
		return err_set(err, -locked, "ask for the lock of a monitor");
	r = read_exit(dir_fd, state, err);
	if (r != -ENOENT)
		return r;
	*state = (struct monitor_state){ .phase = MONITOR_ABSENT };
	r = read_live(dir_fd, state, err);
	if (r == -ENOENT) {
		state->phase = locked ? MONITOR_CREATED : MONITOR_ABSENT;
		return 0;
	}
	if (r == 0 && !locked) {
		state->phase = MONITOR_LOST;
		state->monitor_pid = state->init_pid = 0;
		state->exit_status = EXIT_SIGNAL + SIGKILL;
		(void)snprintf(state->error, sizeof(state->error), "monitor lost");
	}

	return r;
}

int monitor_read_state(const char *run_dir, struct monitor_state *ret, struct err *err)
{
	auto_close int dir_fd = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct monitor_state state = { .phase = MONITOR_ABSENT };
	int r = 0;

	if (dir_fd >= 0)
		r = read_dir(dir_fd, &state, err);
	else if (errno != ENOENT)
		r = err_sys(err, "open the run directory '%s'", run_dir);
	if (r < 0)
		return err_wrap(err, r, "read the state in '%s'", run_dir);
	if (err)
		*err = (struct err)ERR_INIT;
	*ret = state;

	return 0;
}
