/* SPDX-License-Identifier: Apache-2.0
 *
 * template.h - the part of Go's text/template that scripts use with --format
 *
 * Text with actions in {{ }}; {{- and -}} trim white space. Actions: a pipeline; if, range, with,
 * each with else (also "else if") and end; $variables, also in range ($key, $value := ...).
 * Operands: ., .Field.Field, $var.Field, "text", `text`, numbers, true, false, nil, and
 * pipelines in parentheses. Functions: template_eval.c has the table. Data are JSON values.
 *
 * Input is bounded: TEMPLATE_MAX_BYTES of text, TEMPLATE_MAX_DEPTH of nesting; what a template
 * prints is bounded by the strbuf of the caller.
 */
#ifndef CLI_TEMPLATE_H
#define CLI_TEMPLATE_H

#include <jansson.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/strv.h"

#define TEMPLATE_MAX_BYTES 65536
#define TEMPLATE_MAX_DEPTH 32

struct template_pipe;

enum template_operand_kind {
	TEMPLATE_DOT = 0,  /* . and what @path selects */
	TEMPLATE_VARIABLE, /* $name, and what @path selects */
	TEMPLATE_LITERAL,
	TEMPLATE_FUNCTION, /* name of one */
	TEMPLATE_PIPE,	   /* (pipeline), and what @path selects */
};

struct template_operand {
	enum template_operand_kind kind;
	char *name;
	struct strv path;
	json_t *literal;
	struct template_pipe *pipe;
	struct template_operand *next;
};

/* One stage of a pipeline: an operand, or a function and its arguments. */
struct template_stage {
	struct template_operand *operands;
	struct template_stage *next;
};

/* A pipeline; its value goes to the variables, if any. @key only with range. */
struct template_pipe {
	char *key, *variable;
	struct template_stage *stages;
};

enum template_node_kind {
	TEMPLATE_TEXT = 0,
	TEMPLATE_PRINT,
	TEMPLATE_IF,
	TEMPLATE_RANGE,
	TEMPLATE_WITH,
};

struct template_node {
	enum template_node_kind kind;
	char *text;
	struct template_pipe *pipe;
	struct template_node *body, *otherwise;
	struct template_node *next;
};

struct template
{
	struct template_node *nodes;
};

/**
 * template_parse() - Compile a template
 * @text:	the template
 * @ret:	release with template_done(); untouched on failure
 * @err:	kind USAGE: what is wrong, and near which text
 *
 * Return: 0 or -EINVAL.
 */
int template_parse(const char *text, struct template *ret, struct err *err);

/**
 * template_run() - Print one value through a template
 * @template:	compiled
 * @dot:	what "." is, borrowed
 * @out:	appended to
 * @err:	kind USAGE: a field that the top-level object does not have, wrong arguments
 *
 * Return: 0 or -EINVAL.
 */
int template_run(const struct template *template, const json_t *dot, struct strbuf *out,
		 struct err *err);

void template_done(struct template *template);
DEFINE_AUTO_DONE(template)

#endif
