/* SPDX-License-Identifier: Apache-2.0
 *
 * test_attacks.c - every lie of a guest told to every device: it says so or bears it, and works on
 *
 * Each test is one attack on one device, so the tests are the table of both; a new device is a row
 * in victims.c, a new attack one in attacks_*.c. Afterwards the device is reset as a driver would
 * do it and must work as if nothing had been; memory that no buffer named holds what it held; there
 * is nothing beside guest memory to be reached; and no descriptor is left. What the sanitizers see
 * on the way counts as well.
 */
#include "check.h"
#include "vmm/attacks.h"
#include "vmm/victims.h"

#include <fcntl.h>

#include "base/macro.h"

struct attempt {
	const struct victim *victim;
	const struct attack *attack;
};

#define CANARY_GPA (48 * MIB) /* no attack names it */
#define CANARY_BYTES (64 * KIB)

static void set_canary(struct lying_guest *g)
{
	memset(guest_at(g, CANARY_GPA), 0xc5, CANARY_BYTES);
}

static void check_canary(struct lying_guest *g)
{
	const uint8_t *at = guest_at(g, CANARY_GPA);

	for (size_t i = 0; i < CANARY_BYTES; i++)
		assert_int_equal(at[i], 0xc5);
}

static unsigned count_fds(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;

	return count;
}

static void run(void **state)
{
	const struct attempt *attempt = *state;
	unsigned fds = count_fds();
	struct lying_guest g;
	void *thing;

	lying_guest_init(&g);
	set_canary(&g);
	g.eager = attempt->victim->eager;
	g.elsewhere = attempt->victim->elsewhere;
	thing = attempt->victim->make(&g);
	lying_guest_find(&g);
	if (attempt->attack->on_device) {
		guest_start(&g, ALL_FEATURES);
		attempt->attack->on_device(&g);
	}
	if (attempt->attack->on_victim) {
		guest_start(&g, ALL_FEATURES);
		attempt->attack->on_victim(&g, attempt->victim, thing);
	}
	for (unsigned i = 0; attempt->attack->on_queue && i < g.queues_len; i++) {
		guest_start(&g, ALL_FEATURES);
		attempt->attack->on_queue(&g, i);
	}
	attempt->victim->works(&g, thing);
	check_canary(&g);
	attempt->victim->free(thing);
	lying_guest_done(&g);
	assert_int_equal(count_fds(), fds);
}

/* Attack number @i of all. */
static const struct attack *find_attack(size_t i)
{
	if (i < queue_attacks_len)
		return &queue_attacks[i];
	i -= queue_attacks_len;

	return i < device_attacks_len ? &device_attacks[i] : &bus_attacks[i - device_attacks_len];
}

int main(void)
{
	const size_t attacks_len = queue_attacks_len + device_attacks_len + bus_attacks_len;
	size_t count = victims_len * attacks_len, n = 0;
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	struct attempt *attempts = calloc(count, sizeof(*attempts));
	char(*names)[128] = calloc(count, sizeof(*names));
	int failed;

	if (!tests || !attempts || !names)
		return 1;
	for (size_t v = 0; v < victims_len; v++)
		for (size_t a = 0; a < attacks_len; a++, n++) {
			const struct attack *attack = find_attack(a);

			attempts[n] = (struct attempt){ &victims[v], attack };
			(void)snprintf(names[n], sizeof(names[n]), "%s: %s", victims[v].name,
				       attack->name);
			tests[n] = (struct CMUnitTest){ .name = names[n],
							.test_func = run,
							.initial_state = &attempts[n] };
		}
	failed = _cmocka_run_group_tests("attacks", tests, count, NULL, NULL);
	free(names);
	free(attempts);
	free(tests);

	return failed;
}
