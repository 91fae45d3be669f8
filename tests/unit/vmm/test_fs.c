/* SPDX-License-Identifier: Apache-2.0
 *
 * test_fs.c - a file system daemon that crashes, or says what it should not
 */
#include "check.h"
#include "vmm/lying_guest.h"

#include <errno.h>
#include <linux/pci_regs.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/macro.h"
#include "vmm/back_end.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/vhost_user.h"

static void start(struct lying_guest *g, struct virtio_fs **ret_fs, struct back_end **ret_daemon)
{
	int fd;

	lying_guest_init(g);
	*ret_daemon = back_end_start(&fd);
	assert_int_equal(virtio_fs_new(&g->env, "share", fd, ret_fs, NULL), 0);
	lying_guest_find(g);
	guest_start(g, ~0ULL);
}

static void finish(struct lying_guest *g, struct virtio_fs *fs, struct back_end *daemon)
{
	virtio_fs_free(fs);
	back_end_join(daemon);
	lying_guest_done(g);
}

static void test_configuration(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;

	start(&g, &fs, &daemon);
	assert_int_equal(guest_read(&g, g.config, 4), 's' | 'h' << 8 | 'a' << 16 | 'r' << 24);
	assert_int_equal(guest_read(&g, g.config + 5, 1), 0);
	assert_int_equal(guest_read(&g, g.config + VIRTIO_FS_TAG_MAX, 4), 1);
	finish(&g, fs, daemon);
}

static void on_alarm(int sig UNUSED)
{
}

/*
 * A wait with a time limit is not taken up again by the kernel after a signal. They come seldom
 * enough for a slow machine to do something in between.
 */
static void test_handshake_with_signals(void **state UNUSED)
{
	const struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	struct lying_guest g;

	lying_guest_init(&g);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
	for (int i = 0; i < 100; i++) {
		struct virtio_fs *fs = NULL;
		int fd;
		struct back_end *daemon = back_end_start(&fd);
		int r = virtio_fs_new(&g.env, "share", fd, &fs, NULL);

		virtio_fs_free(fs);
		back_end_join(daemon);
		if (r < 0)
			(void)setitimer(ITIMER_REAL, &never, NULL);
		assert_int_equal(r, 0);
	}
	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(signal(SIGALRM, SIG_DFL) != SIG_ERR);
	lying_guest_done(&g);
}

static void test_daemon_crashes(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;
	int64_t deadline_ns;

	start(&g, &fs, &daemon);
	back_end_crash(daemon);
	deadline_ns = guest_deadline();
	while (!(guest_status(&g) & VIRTIO_CONFIG_S_NEEDS_RESET))
		guest_wait(&g, deadline_ns);
	assert_true(guest_interrupted(&g, 0));
	/* The driver gets out of it, but no further than to hear that again. */
	for (unsigned i = 0; i < 3; i++) {
		guest_start(&g, ~0ULL);
		assert_true(guest_status(&g) & VIRTIO_CONFIG_S_NEEDS_RESET);
	}
	guest_reset(&g);
	finish(&g, fs, daemon);
}

/* It crashes while the driver waits for the end of a reset. */
static void test_daemon_crashes_in_reset(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;

	start(&g, &fs, &daemon);
	back_end_crash(daemon);
	guest_reset(&g);
	finish(&g, fs, daemon);
}

/* One request, which the daemon answers with its own bytes. */
static void ask(struct lying_guest *g, unsigned queue)
{
	struct guest_buf bufs[] = { { .bytes = 8 }, { .bytes = 16, .writable = true } };

	bufs[0].gpa = guest_alloc(g, 8);
	bufs[1].gpa = guest_alloc(g, 16);
	memcpy(guest_at(g, bufs[0].gpa), "question", 8);
	assert_int_equal(guest_request(g, queue, bufs, ARRAY_SIZE(bufs)), 8);
	assert_memory_equal(guest_at(g, bufs[1].gpa), "question", 8);
}

/* What the driver has put there before its device runs is served without a notification. */
static void test_requests_before_start(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;
	uint32_t head, used;

	start(&g, &fs, &daemon);
	guest_offer_early(&g, 1, 8);
	guest_driver_ok(&g);
	assert_true(guest_wait_used(&g, 1, &head, &used));
	finish(&g, fs, daemon);
}

static void wait_quiet(struct lying_guest *g, struct virtio_fs *fs)
{
	int64_t deadline_ns = guest_deadline();

	virtio_pause(virtio_fs_device(fs), true);
	while (!virtio_fs_quiet(fs))
		guest_wait(g, deadline_ns);
}

/* It may reach memory only later than it is ready: what waits is served then, and only then. */
static void test_master_late(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;
	uint32_t head, used;

	start(&g, &fs, &daemon);
	guest_offer_early(&g, 1, 8);
	guest_pci_write(&g, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	guest_driver_ok(&g);
	lying_guest_run(&g);
	assert_true(virtio_fs_quiet(fs));
	guest_pci_write(&g, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	assert_true(guest_wait_used(&g, 1, &head, &used));
	finish(&g, fs, daemon);
}

/* A daemon that lets go may have been about to interrupt: the driver is told to look. */
static void test_interrupt_at_stop(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;

	start(&g, &fs, &daemon);
	assert_false(guest_interrupted(&g, 2));
	wait_quiet(&g, fs);
	assert_true(guest_interrupted(&g, 1));
	assert_true(guest_interrupted(&g, 2));
	finish(&g, fs, daemon);
}

/* Nothing is served while it is paused, everything that came meanwhile afterwards. */
static void test_pause(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;
	struct guest_buf buf = { .bytes = 8 };
	uint32_t head, used;

	start(&g, &fs, &daemon);
	for (unsigned round = 0; round < 3; round++) {
		ask(&g, 0);
		ask(&g, 1);
		wait_quiet(&g, fs);
		buf.gpa = guest_alloc(&g, 8);
		(void)guest_add(&g, 1, &buf, 1);
		guest_notify(&g, 1);
		lying_guest_run(&g);
		assert_false(guest_used(&g, 1, &head, &used));
		virtio_pause(virtio_fs_device(fs), false);
		assert_true(guest_wait_used(&g, 1, &head, &used));
	}
	/* To and fro faster than the daemon answers; a reset while it is paused. */
	for (unsigned i = 0; i < 7; i++) {
		virtio_pause(virtio_fs_device(fs), i % 2);
		(void)loop_once(&g.loop, 0, NULL);
	}
	ask(&g, 1);
	virtio_pause(virtio_fs_device(fs), true);
	guest_reset(&g);
	virtio_pause(virtio_fs_device(fs), false);
	guest_start(&g, ~0ULL);
	ask(&g, 0);
	finish(&g, fs, daemon);
}

/* Saved, and loaded into another device with another daemon on the same memory. */
static void test_save_load(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;
	struct virtio_saved *saved = calloc(1, sizeof(*saved));
	int fd;

	assert_non_null(saved);
	start(&g, &fs, &daemon);
	for (unsigned i = 0; i < 100; i++) /* more than the queue has entries */
		ask(&g, 1);
	wait_quiet(&g, fs);
	virtio_save(virtio_fs_device(fs), saved);
	virtio_fs_free(fs);
	back_end_join(daemon);
	lying_guest_new_bus(&g);
	daemon = back_end_start(&fd);
	assert_int_equal(virtio_fs_new(&g.env, "share", fd, &fs, NULL), 0);
	assert_int_equal(virtio_load(virtio_fs_device(fs), saved, NULL), 0);
	ask(&g, 0);
	for (unsigned i = 0; i < 100; i++)
		ask(&g, 1);
	finish(&g, fs, daemon);
	free(saved);
}

struct answer {
	uint32_t request, flags, bytes;
	uint64_t value;
} __attribute__((packed));

/* Shake hands with a back end that has answered already. */
static int hear(const void *bytes, size_t len)
{
	struct vhost_user vu;
	int fds[2], r;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fd_write_all(fds[1], bytes, len), 0);
	assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
	r = vhost_user_init(&vu, fds[0], NULL);
	if (r == 0)
		vhost_user_done(&vu);
	fd_close(fds[1]);

	return r;
}

static void test_nonsense(void **state UNUSED)
{
	const struct answer right = { .request = 1, .flags = 1 | 4, .bytes = 8 };
	struct answer wrong[] = { right, right, right, right, right };

	assert_int_equal(hear(&right, sizeof(right)), 0);
	wrong[0].request = 2;
	wrong[1].flags = 1;
	wrong[2].flags = 2 | 4;
	wrong[3].bytes = 9;
	wrong[4].bytes = UINT32_MAX;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_int_equal(hear(&wrong[i], sizeof(wrong[i])), -EPROTO);
	for (size_t len = 0; len < sizeof(right); len++)
		assert_true(hear(&right, len) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_configuration),
		cmocka_unit_test(test_handshake_with_signals),
		cmocka_unit_test(test_daemon_crashes),
		cmocka_unit_test(test_daemon_crashes_in_reset),
		cmocka_unit_test(test_requests_before_start),
		cmocka_unit_test(test_master_late),
		cmocka_unit_test(test_interrupt_at_stop),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_save_load),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
