/* SPDX-License-Identifier: Apache-2.0
 *
 * test_balloon.c - memory comes back to the host, and only memory of the guest
 */
#include "check.h"
#include "vmm/lying_guest.h"

#include <endian.h>
#include <linux/pci_regs.h>
#include <linux/virtio_balloon.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "vmm/virtio/balloon.h"

#define PAGE 4096

struct fixture {
	struct lying_guest g;
	struct virtio_balloon *balloon;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	lying_guest_init(&f->g);
	assert_int_equal(virtio_balloon_new(&f->g.env, &f->balloon, NULL), 0);
	lying_guest_find(&f->g);
	guest_start(&f->g, ~0ULL);
	*state = f;

	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	virtio_balloon_free(f->balloon);
	lying_guest_done(&f->g);
	free(f);

	return 0;
}

/* Bytes that the memory of the guest occupies on the host. */
static uint64_t occupied(const struct lying_guest *g)
{
	struct stat st;

	assert_int_equal(fstat(g->memory.fd, &st), 0);

	return (uint64_t)st.st_blocks * 512;
}

/* Give the pages from @gpa on up, by a list that a function makes. */
static void inflate(struct lying_guest *g, const uint32_t *pfns, size_t len)
{
	struct guest_buf buf = { .gpa = guest_alloc(g, len * 4), .bytes = (uint32_t)len * 4 };

	for (size_t i = 0; i < len; i++)
		((__le32 *)guest_at(g, buf.gpa))[i] = htole32(pfns[i]);
	assert_int_equal(guest_request(g, 0, &buf, 1), 0);
}

static void test_inflate(void **state)
{
	struct fixture *f = *state;
	uint32_t pfns[256];
	uint64_t before, after;
	unsigned char *at = guest_at(&f->g, 32 * MIB);

	/* Upwards, downwards, scattered: the pages go, their neighbours stay. */
	for (unsigned order = 0; order < 3; order++) {
		memset(at, 0xaa, 600 * PAGE);
		for (unsigned i = 0; i < 256; i++) {
			unsigned n = order == 0 ? i : order == 1 ? 255 - i : (i * 77) % 256;

			pfns[i] = (uint32_t)(32 * MIB / PAGE) + 2 * n / (order == 2 ? 1 : 2);
		}
		(void)guest_alloc(&f->g, PAGE);
		before = occupied(&f->g);
		inflate(&f->g, pfns, 256);
		after = occupied(&f->g);
		assert_true(after <= before - 255 * PAGE);
		for (unsigned i = 0; i < 256; i++)
			assert_int_equal(((unsigned char *)guest_at(&f->g, (uint64_t)pfns[i] *
										   PAGE))[PAGE - 1],
					 0);
		assert_int_equal(at[order == 2 ? PAGE : 256 * PAGE], 0xaa);
	}
}

/* It may reach memory only later than it is ready: what waits is taken then, without a notice. */
static void test_master_late(void **state)
{
	struct fixture *f = *state;
	struct lying_guest *g = &f->g;
	uint32_t head, bytes;

	guest_offer_early(g, 1, 4);
	guest_pci_write(g, PCI_COMMAND, 2, PCI_COMMAND_MEMORY);
	guest_driver_ok(g);
	lying_guest_run(g);
	assert_false(guest_used(g, 1, &head, &bytes));
	guest_pci_write(g, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
	lying_guest_run(g);
	assert_true(guest_used(g, 1, &head, &bytes));
}

static void test_page_outside(void **state)
{
	static const uint32_t pfns[] = { LYING_GUEST_BYTES / PAGE, UINT32_MAX, 0xc0000000 / PAGE };
	struct fixture *f = *state;

	for (size_t i = 0; i < ARRAY_SIZE(pfns); i++) {
		struct guest_buf buf = { .gpa = guest_alloc(&f->g, 4), .bytes = 4 };
		__le32 pfn = htole32(pfns[i]);

		memcpy(guest_at(&f->g, buf.gpa), &pfn, sizeof(pfn));
		(void)guest_add(&f->g, 0, &buf, 1);
		guest_notify(&f->g, 0);
		lying_guest_run(&f->g);
		assert_true(guest_status(&f->g) & VIRTIO_CONFIG_S_NEEDS_RESET);
		guest_start(&f->g, ~0ULL);
	}
}

/* Free pages are reported in ranges, which need not be whole pages when the guest lies. */
static void test_report(void **state)
{
	struct fixture *f = *state;
	struct guest_buf bufs[] = {
		{ .gpa = 32 * MIB, .bytes = 2 * MIB, .writable = true },
		{ .gpa = 40 * MIB + 100, .bytes = 3 * PAGE, .writable = true },
		{ .gpa = 42 * MIB + 1, .bytes = PAGE, .writable = true },
	};
	uint64_t occupied_before;

	memset(guest_at(&f->g, 32 * MIB), 0xaa, 16 * MIB);
	occupied_before = occupied(&f->g);
	assert_int_equal(guest_request(&f->g, 2, bufs, ARRAY_SIZE(bufs)), 0);
	assert_int_equal(occupied_before - occupied(&f->g), 2 * MIB + 2 * PAGE);
	assert_int_equal(*(unsigned char *)guest_at(&f->g, 40 * MIB + PAGE - 1), 0xaa);
	assert_int_equal(*(unsigned char *)guest_at(&f->g, 40 * MIB + PAGE), 0);
	assert_int_equal(*(unsigned char *)guest_at(&f->g, 40 * MIB + 3 * PAGE), 0xaa);
	assert_int_equal(*(unsigned char *)guest_at(&f->g, 42 * MIB + PAGE), 0xaa);
}

static void test_target(void **state)
{
	struct fixture *f = *state;

	virtio_balloon_set_target(f->balloon, 3 * PAGE + 1);
	assert_true(guest_interrupted(&f->g, 0));
	assert_int_equal(guest_read(&f->g, f->g.config, 4), 3);
	guest_write(&f->g, f->g.config, 4, 99); /* the target is not the guest's to set */
	assert_int_equal(guest_read(&f->g, f->g.config, 4), 3);
	guest_write(&f->g, f->g.config + 4, 4, 2);
	assert_int_equal(guest_read(&f->g, f->g.config + 4, 4), 2);
}

/* Saved with a target that the guest has met in part, loaded into another device. */
static void test_save_load(void **state)
{
	struct fixture *f = *state;
	const uint32_t pfn = 32 * MIB / PAGE;
	struct virtio_saved *saved = calloc(1, sizeof(*saved));
	struct virtio_balloon_state kind;

	assert_non_null(saved);
	virtio_balloon_set_target(f->balloon, 5 * PAGE);
	inflate(&f->g, &pfn, 1);
	guest_write(&f->g, f->g.config + 4, 4, 1); /* actual */
	virtio_pause(virtio_balloon_device(f->balloon), true);
	virtio_balloon_save(f->balloon, &kind);
	virtio_save(virtio_balloon_device(f->balloon), saved);
	virtio_balloon_free(f->balloon);
	lying_guest_new_bus(&f->g);
	assert_int_equal(virtio_balloon_new(&f->g.env, &f->balloon, NULL), 0);
	virtio_balloon_load(f->balloon, &kind);
	assert_int_equal(virtio_load(virtio_balloon_device(f->balloon), saved, NULL), 0);
	assert_int_equal(guest_read(&f->g, f->g.config, 4), 5);
	assert_int_equal(guest_read(&f->g, f->g.config + 4, 4), 1);
	inflate(&f->g, &(uint32_t){ pfn + 1 }, 1);
	free(saved);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_inflate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_save_load, setup, teardown),
		cmocka_unit_test_setup_teardown(test_master_late, setup, teardown),
		cmocka_unit_test_setup_teardown(test_page_outside, setup, teardown),
		cmocka_unit_test_setup_teardown(test_report, setup, teardown),
		cmocka_unit_test_setup_teardown(test_target, setup, teardown),
	};

	return cmocka_run_group_tests_name("balloon", tests, NULL, NULL);
}
