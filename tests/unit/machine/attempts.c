/* SPDX-License-Identifier: Apache-2.0
 *
 * attempts.c - the attempts of a hull-vmm in the hands of its guest
 *
 * They make system calls directly: what counts is the kernel's answer, not that of a library.
 */
#include "compromised.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/kvm.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/macro.h"
#include "vmm/virtio/blockio.h"

#define FILL_STEP_BYTES (8 * MIB)
#define FILL_STEPS 4096
#define X32_BIT 0x40000000
#define IA32_OPEN 5

struct captured captured = { .disk_fd = -1 };

#define CALL(...) (syscall(__VA_ARGS__) < 0 ? -(long)errno : 0L)
#define ATTEMPT(name, ...)            \
	static long name(void)        \
	{                             \
		return (__VA_ARGS__); \
	}

static char byte;
static const struct sockaddr_un host_socket = { .sun_family = AF_UNIX,
						.sun_path = "/run/dbus/system_bus_socket" };

ATTEMPT(nothing, 0)

/* Until the limit of the cgroup ends us; in vain is success here. */
static long fill_memory(void)
{
	for (unsigned i = 0; i < FILL_STEPS; i++) {
		char *map = mmap(NULL, FILL_STEP_BYTES, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (map == MAP_FAILED)
			return -errno;
		memset(map, 1, FILL_STEP_BYTES);
	}

	return 0;
}

/* Files. */
ATTEMPT(try_open, CALL(SYS_open, "/", O_RDONLY))
ATTEMPT(try_openat, CALL(SYS_openat, AT_FDCWD, "/etc/shadow", O_RDONLY))
ATTEMPT(try_openat2,
	CALL(SYS_openat2, AT_FDCWD, "/", &(struct open_how){ 0 }, sizeof(struct open_how)))
ATTEMPT(try_open_by_handle, CALL(SYS_open_by_handle_at, captured.disk_fd, &byte, O_RDONLY))
ATTEMPT(try_creat, CALL(SYS_creat, "/new", 0600))
ATTEMPT(try_memfd, CALL(SYS_memfd_create, "code", 0))
ATTEMPT(try_proc_of_others, CALL(SYS_openat, AT_FDCWD, "/proc/1/mem", O_RDWR))
ATTEMPT(try_readlink, CALL(SYS_readlink, "/proc/self/exe", &byte, 1))
ATTEMPT(try_mknod, CALL(SYS_mknod, "/sda", 0060600, 0x800))
ATTEMPT(try_getdents, CALL(SYS_getdents64, 0, &byte, 1))

/* Sockets. */
ATTEMPT(try_socket, CALL(SYS_socket, AF_INET, SOCK_STREAM, 0))
ATTEMPT(try_socketpair, CALL(SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, NULL))
ATTEMPT(try_connect, CALL(SYS_connect, 3, &host_socket, sizeof(host_socket)))
ATTEMPT(try_bind, CALL(SYS_bind, 3, &host_socket, sizeof(host_socket)))
ATTEMPT(try_listen, CALL(SYS_listen, 3, 1))
ATTEMPT(try_accept, CALL(SYS_accept, 3, NULL, NULL))

/* Programs and processes. */
ATTEMPT(try_execve, CALL(SYS_execve, "/bin/sh", NULL, NULL))
ATTEMPT(try_execveat, CALL(SYS_execveat, captured.disk_fd, "", NULL, NULL, AT_EMPTY_PATH))
ATTEMPT(try_fork, CALL(SYS_fork))
ATTEMPT(try_vfork, CALL(SYS_vfork))
ATTEMPT(try_clone, CALL(SYS_clone, SIGCHLD, NULL, NULL, NULL, 0))
ATTEMPT(try_clone3, CALL(SYS_clone3, &(struct clone_args){ 0 }, sizeof(struct clone_args)))
ATTEMPT(try_ptrace, CALL(SYS_ptrace, PTRACE_ATTACH, 1, NULL, NULL))
ATTEMPT(try_vm_readv, CALL(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0))
ATTEMPT(try_vm_writev, CALL(SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0))
ATTEMPT(try_kill, CALL(SYS_kill, -1, SIGKILL))
ATTEMPT(try_kill_see, CALL(SYS_kill, 2, 0))
ATTEMPT(try_tkill, CALL(SYS_tkill, 2, SIGKILL))
ATTEMPT(try_tgkill, CALL(SYS_tgkill, 2, 2, SIGKILL))
ATTEMPT(try_pidfd_open, CALL(SYS_pidfd_open, 2, 0))
ATTEMPT(try_pidfd_getfd, CALL(SYS_pidfd_getfd, 3, 0, 0))
ATTEMPT(try_pidfd_signal, CALL(SYS_pidfd_send_signal, 3, SIGKILL, NULL, 0))
ATTEMPT(try_setpriority, CALL(SYS_setpriority, 0, 0, -20))

/* Code. */
ATTEMPT(try_mmap_exec, CALL(SYS_mmap, NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
ATTEMPT(try_mmap_file, CALL(SYS_mmap, NULL, 4096, PROT_READ, MAP_SHARED, captured.disk_fd, 0))
ATTEMPT(try_mprotect, CALL(SYS_mprotect, &byte - (uintptr_t)&byte % 4096, 4096,
			   PROT_READ | PROT_WRITE | PROT_EXEC))
ATTEMPT(try_pkey_mprotect,
	CALL(SYS_pkey_mprotect, &byte - (uintptr_t)&byte % 4096, 4096, PROT_READ | PROT_EXEC, -1))
ATTEMPT(try_mremap, CALL(SYS_mremap, &byte - (uintptr_t)&byte % 4096, 4096, 8192, 1))
ATTEMPT(try_remap_file, CALL(SYS_remap_file_pages, NULL, 4096, 0, 0, 0))
ATTEMPT(try_userfaultfd, CALL(SYS_userfaultfd, 0))

/* Privileges and name spaces. */
ATTEMPT(try_prctl, CALL(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0))
ATTEMPT(try_seccomp, CALL(SYS_seccomp, 1, 0, NULL))
ATTEMPT(try_setns, CALL(SYS_setns, 3, 0))
ATTEMPT(try_unshare, CALL(SYS_unshare, 0x10000000))
ATTEMPT(try_mount, CALL(SYS_mount, "none", "/", "tmpfs", 0, NULL))
ATTEMPT(try_umount, CALL(SYS_umount2, "/", MNT_DETACH))
ATTEMPT(try_fsopen, CALL(SYS_fsopen, "tmpfs", 0))
ATTEMPT(try_open_tree, CALL(SYS_open_tree, AT_FDCWD, "/", 0))
ATTEMPT(try_move_mount, CALL(SYS_move_mount, 3, "", AT_FDCWD, "/", 0))
ATTEMPT(try_pivot_root, CALL(SYS_pivot_root, ".", "."))
ATTEMPT(try_chroot, CALL(SYS_chroot, "."))
ATTEMPT(try_chdir, CALL(SYS_chdir, ".."))
ATTEMPT(try_fchdir, CALL(SYS_fchdir, 3))
ATTEMPT(try_setuid, CALL(SYS_setuid, 0))
ATTEMPT(try_capset, CALL(SYS_capset, NULL, NULL))
ATTEMPT(try_setrlimit, CALL(SYS_prlimit64, 0, 7, NULL, NULL))

/* The kernel. */
ATTEMPT(try_bpf, CALL(SYS_bpf, 0, NULL, 0))
ATTEMPT(try_perf, CALL(SYS_perf_event_open, NULL, 0, -1, -1, 0))
ATTEMPT(try_keyctl, CALL(SYS_keyctl, 0, 0))
ATTEMPT(try_add_key, CALL(SYS_add_key, "user", "k", &byte, 1, -1))
ATTEMPT(try_init_module, CALL(SYS_finit_module, 3, "", 0))
ATTEMPT(try_kexec, CALL(SYS_kexec_load, 0, 0, NULL, 0))
ATTEMPT(try_reboot, CALL(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, NULL))
ATTEMPT(try_clock, CALL(SYS_clock_settime, 0, NULL))
ATTEMPT(try_kvm_create, CALL(SYS_ioctl, 3, KVM_CREATE_VM, 0))
ATTEMPT(try_tiocsti, CALL(SYS_ioctl, 0, 0x5412, &byte))
ATTEMPT(try_unknown, CALL(900))

/* Calls of the other two tables of the same kernel. */
ATTEMPT(try_x32, CALL(X32_BIT | SYS_openat, AT_FDCWD, "/", O_RDONLY))

static long try_ia32(void)
{
	/* An address that a 32-bit call can name: the call fails before it looks there. */
	long r = IA32_OPEN;

	__asm__ volatile("int $0x80"
			 : "+a"(r)
			 : "b"(0), "c"(0), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");

	return r;
}

/* io_uring: the one ring that there is, by the operations that it was restricted from. */
ATTEMPT(try_ring_new, CALL(SYS_io_uring_setup, 1, &(struct io_uring_params){ 0 }))
ATTEMPT(try_ring_register,
	CALL(SYS_io_uring_register, captured.io->ring_fd, IORING_REGISTER_FILES, NULL, 0))

/* One operation on the ring; what it ended with. */
static long ring_op(struct io_uring_sqe op)
{
	struct blockio *io = captured.io;
	struct blockio_done done;
	unsigned tail;

	if (!io || io->ring_fd < 0)
		return -ENXIO;
	tail = *io->sq_tail;
	io->sqes[tail & io->sq_mask] = op;
	io->sq_array[tail & io->sq_mask] = tail & io->sq_mask;
	__atomic_store_n(io->sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, io->ring_fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		return -errno;
	io->in_flight++;

	return blockio_reap(io, &done) ? done.result : -ENODATA;
}

#define RING(name, ...) ATTEMPT(name, ring_op((struct io_uring_sqe){ __VA_ARGS__ }))
#define PATH(text) .addr = (uintptr_t)(text)

RING(ring_openat, .opcode = IORING_OP_OPENAT, .fd = AT_FDCWD, PATH("/"))
RING(ring_openat_fixed, .opcode = IORING_OP_OPENAT, .flags = IOSQE_FIXED_FILE, PATH("/"))
RING(ring_openat2, .opcode = IORING_OP_OPENAT2, .fd = AT_FDCWD, PATH("/"))
RING(ring_socket, .opcode = 45 /* IORING_OP_SOCKET */, .fd = AF_INET, .off = SOCK_STREAM)
RING(ring_connect, .opcode = IORING_OP_CONNECT, .fd = 3, PATH(&host_socket),
     .off = sizeof(host_socket))
RING(ring_accept, .opcode = IORING_OP_ACCEPT, .fd = 3)
RING(ring_sendmsg, .opcode = IORING_OP_SENDMSG, .flags = IOSQE_FIXED_FILE)
RING(ring_close, .opcode = IORING_OP_CLOSE, .fd = 3)
RING(ring_statx, .opcode = IORING_OP_STATX, .fd = AT_FDCWD, PATH("/"))
RING(ring_renameat, .opcode = 35 /* IORING_OP_RENAMEAT */, .fd = AT_FDCWD, PATH("/a"))
RING(ring_uring_cmd, .opcode = 46 /* IORING_OP_URING_CMD */, .flags = IOSQE_FIXED_FILE)
RING(ring_files_update, .opcode = IORING_OP_FILES_UPDATE, .flags = IOSQE_FIXED_FILE)
RING(ring_read_other_file, .opcode = IORING_OP_READV, .fd = 3)
RING(ring_linked, .opcode = IORING_OP_READV, .flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK)

static struct iovec one_byte = { .iov_base = &byte, .iov_len = 1 };

/* The layer that this disk is, which others use as well. */
RING(ring_write_layer, .opcode = IORING_OP_WRITEV, .flags = IOSQE_FIXED_FILE, PATH(&one_byte),
     .len = 1)
RING(ring_punch_layer, .opcode = IORING_OP_FALLOCATE, .flags = IOSQE_FIXED_FILE, .addr = 4096,
     .len = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)
ATTEMPT(write_layer, CALL(SYS_write, captured.disk_fd, &byte, 1))
ATTEMPT(pwrite_layer, CALL(SYS_pwrite64, captured.disk_fd, &byte, 1, 0))
ATTEMPT(truncate_layer, CALL(SYS_ftruncate, captured.disk_fd, 0))
ATTEMPT(chmod_layer, CALL(SYS_fchmod, captured.disk_fd, 0777))
ATTEMPT(fcntl_layer, CALL(SYS_fcntl, captured.disk_fd, F_SETFL, O_RDWR))

#define RING_ATTEMPT(title, fn, error)                \
	{                                             \
		title " by io_uring", fn, error, true \
	}

const struct attempt attempts[] = {
	[ATTEMPT_NOTHING] = { "nothing", nothing, 0, false },
	[ATTEMPT_FILL_MEMORY] = { "fill the host's memory", fill_memory, 0, true },
	{ "open", try_open, 0, false },
	{ "openat", try_openat, 0, false },
	{ "openat2", try_openat2, 0, false },
	{ "open_by_handle_at", try_open_by_handle, 0, false },
	{ "creat", try_creat, 0, false },
	{ "memfd_create", try_memfd, 0, false },
	{ "/proc of others", try_proc_of_others, 0, false },
	{ "readlink", try_readlink, 0, false },
	{ "mknod", try_mknod, 0, false },
	{ "getdents64", try_getdents, 0, false },
	{ "socket", try_socket, 0, false },
	{ "socketpair", try_socketpair, 0, false },
	{ "connect", try_connect, 0, false },
	{ "bind", try_bind, 0, false },
	{ "listen", try_listen, 0, false },
	{ "accept", try_accept, 0, false },
	{ "execve", try_execve, 0, false },
	{ "execveat", try_execveat, 0, false },
	{ "fork", try_fork, 0, false },
	{ "vfork", try_vfork, 0, false },
	{ "clone", try_clone, 0, false },
	{ "clone3", try_clone3, 0, false },
	{ "ptrace", try_ptrace, 0, false },
	{ "process_vm_readv", try_vm_readv, 0, false },
	{ "process_vm_writev", try_vm_writev, 0, false },
	{ "kill of everybody", try_kill, 0, false },
	{ "kill with signal 0, to see others", try_kill_see, 0, false },
	{ "tkill", try_tkill, 0, false },
	{ "tgkill with SIGKILL", try_tgkill, 0, false },
	{ "pidfd_open", try_pidfd_open, 0, false },
	{ "pidfd_getfd", try_pidfd_getfd, 0, false },
	{ "pidfd_send_signal", try_pidfd_signal, 0, false },
	{ "setpriority", try_setpriority, 0, false },
	{ "mmap of executable memory", try_mmap_exec, 0, false },
	{ "mmap of a file", try_mmap_file, 0, false },
	{ "mprotect to executable", try_mprotect, 0, false },
	{ "pkey_mprotect to executable", try_pkey_mprotect, 0, false },
	{ "mremap", try_mremap, 0, false },
	{ "remap_file_pages", try_remap_file, 0, false },
	{ "userfaultfd", try_userfaultfd, 0, false },
	{ "prctl", try_prctl, 0, false },
	{ "seccomp", try_seccomp, 0, false },
	{ "setns", try_setns, 0, false },
	{ "unshare", try_unshare, 0, false },
	{ "mount", try_mount, 0, false },
	{ "umount2", try_umount, 0, false },
	{ "fsopen", try_fsopen, 0, false },
	{ "open_tree", try_open_tree, 0, false },
	{ "move_mount", try_move_mount, 0, false },
	{ "pivot_root", try_pivot_root, 0, false },
	{ "chroot", try_chroot, 0, false },
	{ "chdir", try_chdir, 0, false },
	{ "fchdir", try_fchdir, 0, false },
	{ "setuid", try_setuid, 0, false },
	{ "capset", try_capset, 0, false },
	{ "prlimit64", try_setrlimit, 0, false },
	{ "bpf", try_bpf, 0, false },
	{ "perf_event_open", try_perf, 0, false },
	{ "keyctl", try_keyctl, 0, false },
	{ "add_key", try_add_key, 0, false },
	{ "finit_module", try_init_module, 0, false },
	{ "kexec_load", try_kexec, 0, false },
	{ "reboot", try_reboot, 0, false },
	{ "clock_settime", try_clock, 0, false },
	{ "ioctl KVM_CREATE_VM", try_kvm_create, 0, false },
	{ "ioctl TIOCSTI", try_tiocsti, 0, false },
	{ "a call that is not there", try_unknown, 0, false },
	{ "openat of the x32 table", try_x32, ENOSYS, false },
	{ "open of the 32-bit table", try_ia32, ENOSYS, false },
	{ "io_uring_setup", try_ring_new, 0, false },
	{ "io_uring_register", try_ring_register, 0, false },
	RING_ATTEMPT("openat", ring_openat, EACCES),
	RING_ATTEMPT("openat into a slot", ring_openat_fixed, EACCES),
	RING_ATTEMPT("openat2", ring_openat2, EACCES),
	RING_ATTEMPT("socket", ring_socket, EACCES),
	RING_ATTEMPT("connect", ring_connect, EACCES),
	RING_ATTEMPT("accept", ring_accept, EACCES),
	RING_ATTEMPT("sendmsg", ring_sendmsg, EACCES),
	RING_ATTEMPT("close", ring_close, EACCES),
	RING_ATTEMPT("statx", ring_statx, EACCES),
	RING_ATTEMPT("renameat", ring_renameat, EACCES),
	RING_ATTEMPT("a command of a device", ring_uring_cmd, EACCES),
	RING_ATTEMPT("exchange of its files", ring_files_update, EACCES),
	RING_ATTEMPT("read of another file", ring_read_other_file, EACCES),
	RING_ATTEMPT("linked operations", ring_linked, EACCES),
	RING_ATTEMPT("write to a layer", ring_write_layer, EBADF),
	RING_ATTEMPT("hole in a layer", ring_punch_layer, EBADF),
	{ "write to a layer", write_layer, EBADF, false },
	{ "pwrite64 to a layer", pwrite_layer, 0, false },
	{ "ftruncate of a layer", truncate_layer, 0, false },
	{ "fchmod of a layer", chmod_layer, 0, false },
	{ "fcntl of a layer's descriptor", fcntl_layer, 0, false },
};
const size_t attempts_len = ARRAY_SIZE(attempts);
