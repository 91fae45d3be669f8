/* SPDX-License-Identifier: Apache-2.0
 *
 * test_attacks.c - every lie of a guest told to every device: it says so or bears it, and works on
 *
 * Each test is one attack on one device. Afterwards the device is reset as a driver would do it
 * and must work as if nothing had been. What the sanitizers see on the way counts as well.
 */
#include "check.h"
#include "vmm/attacks.h"
#include "vmm/victims.h"

#include "base/macro.h"

struct attempt {
	const struct victim *victim;
	const struct attack *attack;
};

static void run(void **state)
{
	const struct attempt *attempt = *state;
	struct lying_guest g;
	void *thing;

	lying_guest_init(&g);
	g.eager = attempt->victim->eager;
	g.elsewhere = attempt->victim->elsewhere;
	thing = attempt->victim->make(&g);
	lying_guest_find(&g);
	if (attempt->attack->on_device) {
		guest_start(&g, ALL_FEATURES);
		attempt->attack->on_device(&g);
	}
	for (unsigned i = 0; attempt->attack->on_queue && i < g.queues_len; i++) {
		guest_start(&g, ALL_FEATURES);
		attempt->attack->on_queue(&g, i);
	}
	attempt->victim->works(&g, thing);
	attempt->victim->free(thing);
	lying_guest_done(&g);
}

int main(void)
{
	const size_t attacks_len = queue_attacks_len + device_attacks_len;
	size_t count = victims_len * attacks_len, n = 0;
	struct CMUnitTest *tests = calloc(count, sizeof(*tests));
	struct attempt *attempts = calloc(count, sizeof(*attempts));
	char(*names)[128] = calloc(count, sizeof(*names));
	int failed;

	if (!tests || !attempts || !names)
		return 1;
	for (size_t v = 0; v < victims_len; v++)
		for (size_t a = 0; a < attacks_len; a++, n++) {
			const struct attack *attack =
				a < queue_attacks_len ? &queue_attacks[a]
						      : &device_attacks[a - queue_attacks_len];

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
