/* SPDX-License-Identifier: Apache-2.0
 *
 * test_hullvmm.c - hull-vmm in its jail, from start to end, and what it tells about that
 *
 * The kernels are a few bytes of 32-bit code behind a PVH note, which every KVM can run. Without
 * root or /dev/kvm the tests are skipped.
 */
#include "machine/machine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "check.h"
#include "vmm/tiny_kernel.h"

#define LIMIT_MS 30000

static const struct machine_ops *const ops = &machine_hullvmm_ops;

/* Start a machine with @text as its kernel; 0 or a negative errno. */
static int start_with(const struct machine_net *net, const int *pmem, const void *text, size_t len,
		      struct machine **ret, struct err *err)
{
	int port_fds[2], kernel_fd = tiny_kernel(text, len), initrd_fd = tiny_kernel("", 0), r;
	struct machine_config config = { .memory_bytes = 128 * MIB,
					 .cpus = 2,
					 .kernel_fd = kernel_fd,
					 .initrd_fd = initrd_fd,
					 .nets = net,
					 .nets_len = net ? 1 : 0,
					 .pmems = pmem,
					 .pmems_len = pmem ? 1 : 0,
					 .port_name = "port",
					 .console_fd = -1,
					 .cgroup_fd = -1 };

	if (geteuid() != 0 || access("/dev/kvm", R_OK | W_OK) < 0)
		skip();
#if defined(__SANITIZE_ADDRESS__)
	skip(); /* hull-vmm is confined: the sanitizer makes calls of its own */
#endif
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, port_fds), 0);
	config.stream_fd = port_fds[1];
	r = ops->start(&config, ret, err);
	fd_close(port_fds[0]);
	fd_close(port_fds[1]);
	fd_close(kernel_fd);
	fd_close(initrd_fd);

	return r;
}

static int start(const void *text, size_t len, struct machine **ret, struct err *err)
{
	return start_with(NULL, NULL, text, len, ret, err);
}

static void wait_death(const struct machine *m)
{
	struct pollfd pfd = { .fd = ops->death_fd(m), .events = POLLIN };

	assert_int_equal(poll(&pfd, 1, LIMIT_MS), 1);
}

static void test_power_off(void **state)
{
	static const uint8_t text[] = {
		0x66, 0xba, 0x00, 0x06, 0xb0, 0x34, 0xee, /* out 0x600, 0x34 */
		0xeb, 0xfe,
	};
	struct machine *m = NULL;
	char words[256];

	(void)state;
	assert_int_equal(start(text, sizeof(text), &m, NULL), 0);
	assert_string_equal(ops->describe(m), "hull-vmm");
	wait_death(m);
	ops->last_words(m, words, sizeof(words));
	assert_string_equal(words, "power-off: the guest has switched itself off");
	ops->free(m);
}

static void test_pause_and_kill(void **state)
{
	static const uint8_t text[] = { 0xe6, 0x80, 0xeb, 0xfc };
	struct machine *m = NULL;

	(void)state;
	assert_int_equal(start(text, sizeof(text), &m, NULL), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(ops->pause(m, true, NULL), 0);
		assert_int_equal(ops->pause(m, false, NULL), 0);
	}
	assert_int_equal(kill(ops->pid(m), 0), 0);
	ops->kill(m);
	wait_death(m);
	assert_int_equal(ops->pause(m, true, NULL), -EPIPE);
	ops->free(m);
}

/* What is wrong is told with its whole chain of reasons. */
static void test_no_kernel(void **state)
{
	static const uint8_t text[] = { 0xf4 };
	struct machine *m = NULL;
	struct err err = ERR_INIT;
	char words[512];
	struct machine_config config = { .memory_bytes = 128 * MIB,
					 .cpus = 1,
					 .port_name = "port",
					 .initrd_fd = -1,
					 .stream_fd = -1,
					 .console_fd = -1,
					 .cgroup_fd = -1 };

	(void)state;
	assert_int_equal(start(text, sizeof(text), &m, NULL), 0);
	ops->free(m);
	config.kernel_fd = memfd_create("empty", MFD_CLOEXEC);
	assert_true(ops->start(&config, &m, &err) < 0);
	assert_string_equal(err_text(&err, words, sizeof(words)),
			    "start the hypervisor: load the kernel: the file is cut short");
	fd_close(config.kernel_fd);
}

/* A card with two pairs of queues and a file in memory; a card without a tap. */
static void test_net_and_pmem(void **state)
{
	static const uint8_t text[] = {
		0x66, 0xba, 0x00, 0x06, 0xb0, 0x34, 0xee, /* out 0x600, 0x34 */
		0xeb, 0xfe,
	};
	int first[2], second[2], taps[2], file_fd = tiny_kernel("layer", 5);
	struct machine_net net = { .tap_fds = taps, .tap_fds_len = 2, .mac = { 2 } };
	struct machine *m = NULL;
	char words[256];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, first), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, second), 0);
	taps[0] = first[0];
	taps[1] = second[0];
	assert_int_equal(start_with(&net, &file_fd, text, sizeof(text), &m, NULL), 0);
	wait_death(m);
	ops->last_words(m, words, sizeof(words));
	assert_memory_equal(words, "power-off", 9);
	ops->free(m);
	net.tap_fds_len = 0;
	assert_int_equal(start_with(&net, NULL, text, sizeof(text), &m, NULL), -EINVAL);
	for (unsigned i = 0; i < 2; i++) {
		fd_close(first[i]);
		fd_close(second[i]);
	}
	fd_close(file_fd);
}

static void test_too_many_processors(void **state)
{
	struct machine_config config = { .cpus = 65, .port_name = "port" };
	struct machine *m = NULL;

	(void)state;
	if (access("/dev/kvm", R_OK | W_OK) < 0)
		skip();
	assert_int_equal(ops->start(&config, &m, NULL), -ENOTSUP);
}

static int count_fds(void)
{
	int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;

	return count;
}

/* Nothing of it stays with the starter. */
static void test_no_leaks(void **state)
{
	static const uint8_t text[] = { 0xeb, 0xfe };
	struct machine *m = NULL;
	int before = count_fds();

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(start(text, sizeof(text), &m, NULL), 0);
		ops->free(m);
	}
	assert_int_equal(count_fds(), before);
	ops->free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_power_off),    cmocka_unit_test(test_pause_and_kill),
		cmocka_unit_test(test_no_kernel),    cmocka_unit_test(test_too_many_processors),
		cmocka_unit_test(test_net_and_pmem), cmocka_unit_test(test_no_leaks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
