/* SPDX-License-Identifier: Apache-2.0
 *
 * kill.c - end a monitor and its workload by force
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "monitor/client.h"
#include "monitor/state.h"
#include "sandbox/sandbox.h"

#define KILL_NS (20 * NS_PER_SEC)
/* Between the lock and the socket of a monitor that is being born there is next to no time. */
#define RETRY_MS 2

/*
 * SIGKILL to the monitor that listens in @dir_fd. Its pid comes from the kernel, and its process
 * is pinned before we look whether it is still the one at the other end. 0 once it has been
 * killed, or -EAGAIN.
 */
static int kill_listener(int dir_fd, int64_t deadline_ns)
{
	auto_close int sock_fd = state_connect(dir_fd), pidfd = -1;
	struct pollfd alive = { .fd = sock_fd }, gone;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (sock_fd < 0 || getsockopt(sock_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
	    peer.pid <= 0)
		return -EAGAIN;
	pidfd = (int)syscall(SYS_pidfd_open, peer.pid, 0);
	if (pidfd < 0 || poll(&alive, 1, 0) != 0)
		return -EAGAIN;
	if (syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0)
		return -EAGAIN;
	gone = (struct pollfd){ .fd = pidfd, .events = POLLIN };
	(void)poll(&gone, 1, clock_poll_ms(deadline_ns));

	return 0;
}

static int kill_monitor(int dir_fd, struct err *err)
{
	int64_t deadline_ns = clock_now_ns() + KILL_NS;
	int locked;

	while ((locked = state_is_locked(dir_fd)) > 0) {
		if (clock_now_ns() >= deadline_ns)
			return err_set(err, ETIMEDOUT, "its monitor cannot be killed");
		/* The lock goes a moment after the process is seen to have ended. */
		(void)kill_listener(dir_fd, deadline_ns);
		(void)poll(NULL, 0, RETRY_MS);
	}

	return locked < 0 ? err_set(err, -locked, "ask for the lock of a monitor") : 0;
}

int monitor_kill_lost(const char *run_dir, const char *id, struct err *err)
{
	auto_close int dir_fd = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int r = 0;

	if (dir_fd >= 0)
		r = kill_monitor(dir_fd, err);
	else if (errno != ENOENT)
		r = err_sys(err, "open the run directory '%s'", run_dir);
	if (r == 0)
		r = sandbox_cleanup(id, err);

	return r < 0 ? err_wrap(err, r, "remove what is left of '%s'", id) : 0;
}
