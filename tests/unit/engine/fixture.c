/* SPDX-License-Identifier: Apache-2.0
 *
 * fixture.c - an engine with an empty store in a temporary directory, for tests
 */
#include "engine/fixture.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/path.h"
#include "base/rand.h"

int fixture_set_up(void **state)
{
	struct fixture *f = mem_calloc(1, sizeof(*f));

	/* Sockets below it have short names. */
	(void)snprintf(f->dir, sizeof(f->dir), "%s/hull-engine-XXXXXX",
		       getenv("TMPDIR") && strlen(getenv("TMPDIR")) < 32 ? getenv("TMPDIR")
									 : "/tmp");
	if (!mkdtemp(f->dir))
		return -1;
	f->root = mem_printf("%s/root", f->dir);
	f->run_root = mem_printf("%s/run", f->dir);
	rand_hex(f->id, SPEC_ID_HEX);
	*state = f;

	return engine_open(f->root, f->run_root, 0, &f->e, &f->err);
}

int fixture_tear_down(void **state)
{
	struct fixture *f = *state;

	engine_close(f->e);
	(void)path_rmtree(AT_FDCWD, f->dir, NULL);
	free(f->root);
	free(f->run_root);
	free(f);

	return 0;
}
