/* SPDX-License-Identifier: Apache-2.0
 *
 * documents.h - hull image inspect, hull volume inspect: everything about each of several objects
 */
#ifndef CLI_DOCUMENTS_H
#define CLI_DOCUMENTS_H

#include <jansson.h>

#include "cli/cli.h"
#include "cli/opt.h"

struct engine;

struct documents_args {
	const char *format;
};

#define DOCUMENTS_FORMAT_OPT(example)                                                         \
	{                                                                                     \
		'f', "format", OPT_TEXT, offsetof(struct documents_args, format), NULL, NULL, \
			"Print json, or by a template such as '" example "'"                  \
	}

/**
 * struct documents_ask - what to print
 * @args:	of the command
 * @words:	names of objects, @words_len of them
 * @get:	the document of one; @ret is the caller's. 0 or a negative errno
 */
struct documents_ask {
	const struct documents_args *args;
	char **words;
	int words_len;
	int (*get)(struct engine *e, const char *word, json_t **ret, struct err *err);
};

/**
 * documents_print() - Print those that are found as one array, complain about the others
 * @cli:	settings
 * @ask:	what to print
 * @err:	filled in on failure
 *
 * Return: exit status, or a negative errno.
 */
int documents_print(struct cli *cli, const struct documents_ask *ask, struct err *err);

#endif
