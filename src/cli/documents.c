/* SPDX-License-Identifier: Apache-2.0
 *
 * documents.c - hull image inspect, hull volume inspect
 */
#include "cli/documents.h"

#include <stdio.h>

#include "cli/format.h"
#include "wire/json.h"

struct collect {
	const struct documents_ask *ask;
	struct engine *engine;
	json_t *documents;
};

static int collect_one(void *ctx, const char *word, struct err *err)
{
	const struct collect *collect = ctx;
	json_t *document = NULL;
	int r = collect->ask->get(collect->engine, word, &document, err);

	if (r == 0)
		json_array_append_new(collect->documents, document);

	return r;
}

int documents_print(struct cli *cli, const struct documents_ask *ask, struct err *err)
{
	auto_json *documents = json_array();
	struct collect collect = { .ask = ask, .documents = documents };
	int status, r = cli_engine(cli, CLI_ENGINE_READ, &collect.engine, err);

	if (r < 0)
		return r;
	status = cli_each(cli, ask->words, ask->words_len, collect_one, &collect);
	r = format_documents(stdout, ask->args->format, documents, err);

	return r < 0 ? r : status;
}
