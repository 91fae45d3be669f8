/* SPDX-License-Identifier: Apache-2.0
 *
 * test_fs.c - a file system daemon that crashes, or says what it should not
 */
#include "check.h"
#include "vmm/lying_guest.h"

#include <errno.h>
#include <sys/socket.h>
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

static void test_daemon_crashes(void **state UNUSED)
{
	struct lying_guest g;
	struct virtio_fs *fs;
	struct back_end *daemon;

	start(&g, &fs, &daemon);
	back_end_crash(daemon);
	while (!(guest_status(&g) & VIRTIO_CONFIG_S_NEEDS_RESET))
		lying_guest_run(&g);
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
		cmocka_unit_test(test_daemon_crashes),
		cmocka_unit_test(test_daemon_crashes_in_reset),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests_name("fs", tests, NULL, NULL);
}
