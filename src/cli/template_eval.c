/* SPDX-License-Identifier: Apache-2.0
 *
 * template_eval.c - a template's tree over JSON values, and its functions
 */
#include "cli/template.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "cli/template_func.h"
#include "wire/json.h"

/* Variables in scope, innermost first. */
struct variable {
	const char *name;
	json_t *value;
	struct variable *outer;
};

struct scope {
	const json_t *root; /* the value template_run() was given */
	json_t *dot;	    /* borrowed */
	struct variable *variables;
	struct strbuf *out;
	struct err *err;
};

static void push(struct scope *s, const char *name, json_t *value)
{
	struct variable *v = mem_calloc(1, sizeof(*v));

	*v = (struct variable){ .name = name, .value = json_incref(value), .outer = s->variables };
	s->variables = v;
}

static void pop_to(struct scope *s, struct variable *keep)
{
	while (s->variables != keep) {
		struct variable *outer = s->variables->outer;

		json_decref(s->variables->value);
		free(s->variables);
		s->variables = outer;
	}
}

static json_t *find_variable(const struct scope *s, const char *name)
{
	for (const struct variable *v = s->variables; v; v = v->outer)
		if (strcmp(v->name, name) == 0)
			return v->value;

	return NULL;
}

static int no_field(const struct scope *s, const json_t *object, const char *name)
{
	json_t *mutable = (json_t *)(uintptr_t)object; /* iterators want it so */
	auto_done(strbuf) has = STRBUF_INIT(sizeof(s->err->hint) - 16);
	const char *key;
	json_t *value;

	json_object_foreach (mutable, key, value)
		strbuf_addf(&has, "%s.%s", has.len ? " " : "", key);
	err_setk(s->err, ERR_USAGE, EINVAL, "template: no field .%s", name);
	err_hint(s->err, "there is %s", strbuf_get(&has));

	return -EINVAL;
}

/*
 * Follow @path from @value. An absent member is null, as an absent key of a Go map; one of the
 * top-level object is a mistake of the template's author and is told.
 */
static int follow(const struct scope *s, json_t *value, const struct strv *path, json_t **ret)
{
	for (size_t i = 0; i < path->len; i++) {
		json_t *next;

		if (!json_is_object(value) && !json_is_null(value))
			return err_setk(s->err, ERR_USAGE, EINVAL,
					"template: .%s is asked of something that has no fields",
					path->items[i]);
		next = json_object_get(value, path->items[i]);
		if (!next && value == s->root)
			return no_field(s, value, path->items[i]);
		value = next ? next : json_null();
	}
	*ret = json_incref(value);

	return 0;
}

static int eval_pipe(struct scope *s, const struct template_pipe *pipe, json_t **ret);

/* @ret is a new reference. */
static int eval_operand(struct scope *s, const struct template_operand *op, json_t **ret)
{
	auto_json *value = NULL;
	json_t *variable;

	switch (op->kind) {
	case TEMPLATE_DOT:
		return follow(s, s->dot, &op->path, ret);
	case TEMPLATE_VARIABLE:
		variable = find_variable(s, op->name);
		if (!variable)
			return err_setk(s->err, ERR_USAGE, EINVAL, "template: undefined $%s",
					op->name);
		return follow(s, variable, &op->path, ret);
	case TEMPLATE_LITERAL:
		*ret = json_incref(op->literal);
		return 0;
	case TEMPLATE_PIPE:
		if (eval_pipe(s, op->pipe, &value) < 0)
			return -EINVAL;
		return follow(s, value, &op->path, ret);
	case TEMPLATE_FUNCTION:
		return template_call(op->name, NULL, 0, ret, s->err);
	}

	return -EINVAL;
}

#define MAX_ARGS 32

/* @piped: value of the stage before, becomes the last argument; NULL for the first stage. */
static int eval_stage(struct scope *s, const struct template_stage *stage, json_t *piped,
		      json_t **ret)
{
	const struct template_operand *first = stage->operands, *op;
	json_t *args[MAX_ARGS] = { NULL };
	size_t len = 0;
	int r = 0;

	if (first->kind != TEMPLATE_FUNCTION) {
		if (first->next || piped)
			return err_setk(s->err, ERR_USAGE, EINVAL,
					"template: arguments to something that is no function");
		return eval_operand(s, first, ret);
	}
	for (op = first->next; op && r == 0 && len < MAX_ARGS - 1; op = op->next) {
		r = eval_operand(s, op, &args[len]);
		if (r == 0)
			len++;
	}
	if (r == 0 && op)
		r = err_setk(s->err, ERR_USAGE, EINVAL, "template: too many arguments to %s",
			     first->name);
	if (piped)
		args[len++] = json_incref(piped);
	if (r == 0)
		r = template_call(first->name, args, len, ret, s->err);
	for (size_t i = 0; i < len; i++)
		json_decref(args[i]);

	return r;
}

static int eval_pipe(struct scope *s, const struct template_pipe *pipe, json_t **ret)
{
	json_t *value = NULL;

	for (const struct template_stage *stage = pipe->stages; stage; stage = stage->next) {
		json_t *next = NULL;
		int r = eval_stage(s, stage, value, &next);

		json_decref(value);
		if (r < 0)
			return r;
		value = next;
	}
	*ret = value;

	return 0;
}

static int run_nodes(struct scope *s, const struct template_node *node);

/* Run @body with another dot and its variables, which end with it. */
static int run_body(struct scope *s, const struct template_node *body, json_t *dot)
{
	json_t *outer_dot = s->dot;
	int r;

	s->dot = dot;
	r = run_nodes(s, body);
	s->dot = outer_dot;

	return r;
}

static int run_item(struct scope *s, const struct template_node *node, json_t *key, json_t *value)
{
	struct variable *keep = s->variables;
	int r;

	if (node->pipe->key)
		push(s, node->pipe->key, key);
	if (node->pipe->variable)
		push(s, node->pipe->variable, value);
	r = run_body(s, node->body, value);
	pop_to(s, keep);

	return r;
}

static int by_key(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Go visits the keys of a map in sorted order. */
static int range_object(struct scope *s, const struct template_node *node, json_t *object)
{
	size_t len = json_object_size(object), i = 0;
	auto_free const char **keys = mem_calloc(len, sizeof(*keys));
	const char *key;
	json_t *value;
	int r = 0;

	json_object_foreach (object, key, value)
		keys[i++] = key;
	qsort(keys, len, sizeof(*keys), by_key);
	for (i = 0; i < len && r == 0; i++) {
		auto_json *name = json_string(keys[i]);

		r = run_item(s, node, name, json_object_get(object, keys[i]));
	}

	return r;
}

static int run_range(struct scope *s, const struct template_node *node, json_t *over)
{
	json_t *item;
	size_t i;
	int r = 0;

	if (json_is_object(over) && json_object_size(over) > 0)
		return range_object(s, node, over);
	if (json_is_array(over) && json_array_size(over) > 0) {
		json_array_foreach (over, i, item) {
			auto_json *index = json_integer((json_int_t)i);

			r = run_item(s, node, index, item);
			if (r < 0)
				break;
		}
		return r;
	}
	if (!json_is_object(over) && !json_is_array(over) && !json_is_null(over))
		return err_setk(s->err, ERR_USAGE, EINVAL,
				"template: range over something that is no list");

	return run_nodes(s, node->otherwise);
}

static int run_block(struct scope *s, const struct template_node *node)
{
	struct variable *keep = s->variables;
	auto_json *value = NULL;
	int r = eval_pipe(s, node->pipe, &value);

	if (r < 0)
		return r;
	if (node->kind == TEMPLATE_RANGE)
		return run_range(s, node, value);
	if (node->pipe->variable)
		push(s, node->pipe->variable, value);
	if (!template_true(value))
		r = run_nodes(s, node->otherwise);
	else if (node->kind == TEMPLATE_WITH)
		r = run_body(s, node->body, value);
	else
		r = run_nodes(s, node->body);
	pop_to(s, keep);

	return r;
}

static int run_print(struct scope *s, const struct template_node *node)
{
	auto_json *value = NULL;
	int r = eval_pipe(s, node->pipe, &value);

	if (r < 0)
		return r;
	if (node->pipe->variable)
		push(s, node->pipe->variable, value);
	else
		template_print(value, s->out);

	return 0;
}

static int run_nodes(struct scope *s, const struct template_node *node)
{
	int r = 0;

	for (; node && r == 0; node = node->next) {
		switch (node->kind) {
		case TEMPLATE_TEXT:
			strbuf_adds(s->out, node->text);
			break;
		case TEMPLATE_PRINT:
			r = run_print(s, node);
			break;
		case TEMPLATE_IF:
		case TEMPLATE_RANGE:
		case TEMPLATE_WITH:
			r = run_block(s, node);
			break;
		}
	}

	return r;
}

int template_run(const struct template *template, const json_t *dot, struct strbuf *out,
		 struct err *err)
{
	/* The tree is only read, but jansson counts references in it. */
	json_t *value = (json_t *)(uintptr_t)dot;
	struct scope s = { .root = dot, .dot = value, .out = out, .err = err };
	int r;

	push(&s, "", value);
	r = run_nodes(&s, template->nodes);
	pop_to(&s, NULL);
	if (r == 0 && out->failed)
		r = err_setk(err, ERR_USAGE, EINVAL, "template: prints more than %zu bytes",
			     out->max_bytes);

	return r;
}
