/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.c - opening and closing
 */
#include "base/mem.h"
#include "engine/internal.h"

int engine_open(const char *root, const char *run_root, unsigned flags, struct engine **ret,
		struct err *err)
{
	struct engine *e = mem_calloc(1, sizeof(*e));
	unsigned store_flags = (flags & ENGINE_REPAIR ? STORE_WRITER : 0) |
			       (flags & ENGINE_HURRY ? STORE_HURRY : 0);
	int r = store_open(root, run_root, store_flags, &e->store, err);

	if (r == 0) {
		e->root = store_root(e->store);
		e->run_root = store_run_root(e->store);
	}
	if (r == 0 && (flags & ENGINE_REPAIR))
		r = rundir_sweep(e, err);
	if (r < 0) {
		engine_close(e);
		return r;
	}
	*ret = e;

	return 0;
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	store_close(e->store);
	free(e);
}

struct store *engine_store(const struct engine *e)
{
	return e->store;
}

const char *engine_root(const struct engine *e)
{
	return e->root;
}

const char *engine_run_root(const struct engine *e)
{
	return e->run_root;
}
