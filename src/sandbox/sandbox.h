/* SPDX-License-Identifier: Apache-2.0
 *
 * sandbox.h - one isolated place to run processes, whatever isolates it
 *
 * The monitor and hull-oci see only this; the engine reaches it through monitor/client.h.
 * Backends: container.c (namespaces, via runtime/) and vm.c (a machine/ and the agent).
 *
 * Life: create() builds the place and makes the first process, which waits before its exec;
 * start() lets it go; spawn() adds processes; destroy() ends and removes everything. All calls
 * come from one thread. A call that needs an answer from inside a machine gives up after a
 * deadline with -ETIMEDOUT: nothing inside a sandbox can hold up its caller for ever.
 */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdint.h>

#include "base/err.h"

struct loop;
struct sandbox;
struct spec_process;
struct spec_resources;
struct spec_sandbox;
struct spec_stats;
struct spec_tool;

/* Number of the first process. */
#define SANDBOX_INIT 0

/**
 * struct sandbox_setup - what create() works with; all of it is borrowed
 * @spec:	what to build
 * @dir_fd:	private run directory of this sandbox, mode 0700
 * @layer_fds:	read-only layers, lowest first: detached EROFS mounts where the level wants
 *		MONITOR_LAYER_MOUNTS, for this sandbox alone, else the layer files opened O_RDONLY
 * @layers_len:	their number
 * @rw_fd:	directory for the writable layer, owned by root, kept from start to start
 * @stdio_fds:	the ends that the first process reads and writes; -1 gives /dev/null; unused
 *		with a terminal
 * @cancel_fd:	create() gives up with -ECANCELED once this is readable; -1: never
 * @loop:	where a backend may watch descriptors between calls
 * @cache_dir:	directory for artefacts that all sandboxes share (guest kernels), absolute
 */
struct sandbox_setup {
	const struct spec_sandbox *spec;
	int dir_fd;
	const int *layer_fds;
	size_t layers_len;
	int rw_fd;
	int stdio_fds[3];
	int cancel_fd;
	struct loop *loop;
	const char *cache_dir;
};

/**
 * struct sandbox_ops - what a backend must provide
 * @name:	as in --isolation
 * @probe:	can this host run it? 0, perhaps with a remark (code 0) on what runs it; or -errno
 *		with a hint saying what is missing
 * @create:	build it without running user code; caller owns @ret_sb. With a terminal
 *		@ret_tty_fd is the caller's end of it, else -1; caller owns it
 * @start:	let the first process go. An exec that fails is reported here, with kind
 *		ERR_NO_COMMAND or ERR_CANNOT_EXEC
 * @spawn:	start another process; @ret_proc numbers it; @stdio_fds and @ret_tty_fd as for
 *		create(). The descriptors in @stdio_fds are borrowed for the call
 * @tool:	start a built-in job in the root: bytes on @stdio_fds[0] and [1]; on failure it
 *		ends with status 125 and one whole struct err on @stdio_fds[2]
 * @signal:	send @signo to process @proc; -ESRCH once it has ended
 * @kill_all:	SIGKILL to every process of the workload
 * @resize:	set the terminal of process @proc, in characters
 * @wait_fd:	borrowed descriptor, readable once process @proc has ended and its output has
 *		reached @stdio_fds
 * @reap:	status of @proc as from waitpid(); -EAGAIN while it runs; forgets @proc. Of one that
 *		went with its sandbox the last argument says why, although 0 is returned
 * @death_fd:	borrowed descriptor, readable once the sandbox as a whole has died without
 *		being asked to; -1 where only the first process can tell
 * @init_pid:	host process that stands for the workload (for inspect), in the host's pid
 *		namespace
 * @update:	apply new limits; a limit that cannot change while it runs is -ENOTSUP
 * @stats:	read resource use; oom_kills counts since the start
 * @pause:	freeze (1) or thaw (0)
 * @describe:	one word on what runs it, such as "qemu-tcg"; borrowed, never NULL
 * @destroy:	kill everything, undo create(); safe to repeat after a failure
 * @put:	let go of the handle only; NULL allowed
 *
 * Every call returns 0 or a negative errno and fills in its last argument.
 */
struct sandbox_ops {
	const char *name;
	int (*probe)(struct err *err);
	int (*create)(const struct sandbox_setup *setup, struct sandbox **ret_sb, int *ret_tty_fd,
		      struct err *err);
	int (*start)(struct sandbox *sb, struct err *err);
	int (*spawn)(struct sandbox *sb, const struct spec_process *process, const int stdio_fds[3],
		     uint32_t *ret_proc, int *ret_tty_fd, struct err *err);
	int (*tool)(struct sandbox *sb, const struct spec_tool *tool, const int stdio_fds[3],
		    uint32_t *ret_proc, struct err *err);
	int (*signal)(struct sandbox *sb, uint32_t proc, int signo, struct err *err);
	int (*kill_all)(struct sandbox *sb, struct err *err);
	int (*resize)(struct sandbox *sb, uint32_t proc, uint16_t rows, uint16_t cols,
		      struct err *err);
	int (*wait_fd)(struct sandbox *sb, uint32_t proc, int *ret_fd, struct err *err);
	int (*reap)(struct sandbox *sb, uint32_t proc, int *ret_wstatus, struct err *err);
	int (*death_fd)(struct sandbox *sb);
	int (*init_pid)(struct sandbox *sb);
	int (*update)(struct sandbox *sb, const struct spec_resources *resources, struct err *err);
	int (*stats)(struct sandbox *sb, struct spec_stats *ret_stats, struct err *err);
	int (*pause)(struct sandbox *sb, int frozen, struct err *err);
	const char *(*describe)(struct sandbox *sb);
	int (*destroy)(struct sandbox *sb, struct err *err);
	void (*put)(struct sandbox *sb);
};

extern const struct sandbox_ops sandbox_container_ops;
extern const struct sandbox_ops sandbox_vm_ops;

/* The backend with this @name, or NULL. */
const struct sandbox_ops *sandbox_find(const char *name);

/* Kill and remove, by cgroup, what a sandbox of any level left whose monitor was killed. */
int sandbox_cleanup(const char *id, struct err *err);

#endif
