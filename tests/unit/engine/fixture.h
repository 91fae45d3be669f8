/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.h - an engine with an empty store in a temporary directory, for tests
 */
#ifndef TESTS_ENGINE_FIXTURE_H
#define TESTS_ENGINE_FIXTURE_H

#include "engine/internal.h"

struct fixture {
	char dir[64];
	char *root, *run_root;
	struct engine *e;
	char id[SPEC_ID_HEX + 1]; /* of a container that a test may make */
	struct err err;
};

/* For cmocka: @state is the fixture. */
int fixture_set_up(void **state);
int fixture_tear_down(void **state);

#endif
