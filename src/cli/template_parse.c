/* SPDX-License-Identifier: Apache-2.0
 *
 * template_parse.c - from the text of a template to its tree
 */
#include "cli/template.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"

struct parser {
	const char *at;	   /* next byte */
	const char *limit; /* inside an action: where its }} begins; else NULL */
	bool trim_next;	   /* the last action ended in -}} */
	unsigned depth;
	struct err *err;
};

/* How a list of nodes ended. */
enum stop {
	STOP_END_OF_TEXT,
	STOP_END,
	STOP_ELSE, /* the rest of its action is still to be read: may hold "if" */
	STOP_FAILED,
};

static int bad(struct parser *p, const char *what)
{
	size_t len = strcspn(p->at, "\n");

	return err_setk(p->err, ERR_USAGE, EINVAL, "template: %s near '%.*s'", what,
			(int)MIN(len, (size_t)40), p->at);
}

static void skip_space(struct parser *p)
{
	while (p->at < p->limit && isspace((unsigned char)*p->at))
		p->at++;
}

static bool is_name_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

static char *take_name(struct parser *p)
{
	const char *start = p->at;

	while (p->at < p->limit && is_name_byte(*p->at))
		p->at++;

	return mem_strndup(start, (size_t)(p->at - start));
}

static bool take_word(struct parser *p, const char *word)
{
	size_t len = strlen(word);

	skip_space(p);
	if ((size_t)(p->limit - p->at) < len || strncmp(p->at, word, len) != 0)
		return false;
	if (is_name_byte(word[len - 1]) && p->at + len < p->limit && is_name_byte(p->at[len]))
		return false;
	p->at += len;

	return true;
}

static void free_pipe(struct template_pipe *pipe);

static void free_operands(struct template_operand *op)
{
	while (op) {
		struct template_operand *next = op->next;

		free(op->name);
		strv_done(&op->path);
		json_decref(op->literal);
		free_pipe(op->pipe);
		free(op);
		op = next;
	}
}

static void free_pipe(struct template_pipe *pipe)
{
	if (!pipe)
		return;
	while (pipe->stages) {
		struct template_stage *next = pipe->stages->next;

		free_operands(pipe->stages->operands);
		free(pipe->stages);
		pipe->stages = next;
	}
	free(pipe->key);
	free(pipe->variable);
	free(pipe);
}

static void free_nodes(struct template_node *node)
{
	while (node) {
		struct template_node *next = node->next;

		free(node->text);
		free_pipe(node->pipe);
		free_nodes(node->body);
		free_nodes(node->otherwise);
		free(node);
		node = next;
	}
}

void template_done(struct template *template)
{
	if (!template)
		return;
	free_nodes(template->nodes);
	template->nodes = NULL;
}

/* The inside of "..." with \n \t \" \\, or of `...` as it is. */
static int parse_quoted(struct parser *p, json_t **ret)
{
	auto_done(strbuf) text = STRBUF_INIT(TEMPLATE_MAX_BYTES);
	char quote = *p->at++;

	while (p->at < p->limit && *p->at != quote) {
		char c = *p->at++;

		if (c == '\\' && quote == '"' && p->at < p->limit) {
			c = *p->at++;
			c = (char)(c == 'n' ? '\n' : c == 't' ? '\t' : c);
		}
		strbuf_addc(&text, c);
	}
	if (p->at >= p->limit)
		return bad(p, "unterminated string");
	p->at++;
	*ret = json_string(strbuf_get(&text));

	return *ret ? 0 : bad(p, "text that is not UTF-8");
}

static int parse_number(struct parser *p, json_t **ret)
{
	const char *start = p->at;
	auto_free char *text = NULL;
	int64_t value;

	if (*p->at == '-')
		p->at++;
	while (p->at < p->limit && isdigit((unsigned char)*p->at))
		p->at++;
	text = mem_strndup(start, (size_t)(p->at - start));
	if (parse_i64(text, INT64_MIN, INT64_MAX, &value) < 0)
		return bad(p, "bad number");
	*ret = json_integer(value);

	return 0;
}

static int parse_path(struct parser *p, struct strv *path)
{
	while (p->at + 1 < p->limit && *p->at == '.' && is_name_byte(p->at[1])) {
		p->at++;
		(void)strv_give(path, take_name(p));
	}

	return 0;
}

static int parse_pipe(struct parser *p, const char *end, struct template_pipe **ret);

static int parse_paren(struct parser *p, struct template_operand *op)
{
	int r;

	p->at++;
	if (++p->depth > TEMPLATE_MAX_DEPTH)
		return bad(p, "nested too deeply");
	r = parse_pipe(p, ")", &op->pipe);
	p->depth--;
	if (r < 0)
		return r;
	op->kind = TEMPLATE_PIPE;
	p->at++;

	return parse_path(p, &op->path);
}

static int parse_word(struct parser *p, struct template_operand *op)
{
	op->name = take_name(p);
	op->kind = TEMPLATE_LITERAL;
	if (strcmp(op->name, "true") == 0)
		op->literal = json_true();
	else if (strcmp(op->name, "false") == 0)
		op->literal = json_false();
	else if (strcmp(op->name, "nil") == 0)
		op->literal = json_null();
	else
		op->kind = TEMPLATE_FUNCTION;

	return 0;
}

static int parse_operand(struct parser *p, struct template_operand *op)
{
	char c = *p->at;

	if (c == '(')
		return parse_paren(p, op);
	if (c == '.') {
		op->kind = TEMPLATE_DOT;
		if (p->at + 1 < p->limit && is_name_byte(p->at[1]))
			return parse_path(p, &op->path);
		p->at++;
		return 0;
	}
	if (c == '$') {
		p->at++;
		op->kind = TEMPLATE_VARIABLE;
		op->name = take_name(p);
		return parse_path(p, &op->path);
	}
	op->kind = TEMPLATE_LITERAL;
	if (c == '"' || c == '`')
		return parse_quoted(p, &op->literal);
	if (isdigit((unsigned char)c) || c == '-')
		return parse_number(p, &op->literal);
	if (is_name_byte(c))
		return parse_word(p, op);

	return bad(p, "unexpected character");
}

static int parse_stage(struct parser *p, const char *end, struct template_stage *stage)
{
	struct template_operand **tail = &stage->operands;

	for (;;) {
		int r;

		skip_space(p);
		if (p->at >= p->limit || *p->at == '|' || (end && *p->at == *end))
			break;
		*tail = mem_calloc(1, sizeof(**tail));
		r = parse_operand(p, *tail);
		if (r < 0)
			return r;
		tail = &(*tail)->next;
	}
	if (!stage->operands)
		return bad(p, "missing value");

	return 0;
}

/* "$v :=" or "$k, $v :=" at the start of a pipeline. */
static void parse_declaration(struct parser *p, struct template_pipe *pipe)
{
	const char *start;

	skip_space(p);
	start = p->at;
	if (p->at >= p->limit || *p->at != '$')
		return;
	p->at++;
	pipe->variable = take_name(p);
	if (take_word(p, ",")) {
		skip_space(p);
		if (p->at < p->limit && *p->at == '$') {
			p->at++;
			pipe->key = pipe->variable;
			pipe->variable = take_name(p);
		}
	}
	if (take_word(p, ":=") || take_word(p, "="))
		return;
	p->at = start;
	free(take_ptr(pipe->key));
	free(take_ptr(pipe->variable));
}

static int parse_pipe(struct parser *p, const char *end, struct template_pipe **ret)
{
	struct template_pipe *pipe = mem_calloc(1, sizeof(*pipe));
	struct template_stage **tail = &pipe->stages;

	*ret = pipe;
	parse_declaration(p, pipe);
	for (;;) {
		int r;

		*tail = mem_calloc(1, sizeof(**tail));
		r = parse_stage(p, end, *tail);
		if (r < 0)
			return r;
		tail = &(*tail)->next;
		if (p->at >= p->limit || *p->at != '|')
			break;
		p->at++;
	}
	if (end && (p->at >= p->limit || *p->at != *end))
		return bad(p, "missing ')'");

	return 0;
}

/* Step over the }} of the action in hand. */
static int end_action(struct parser *p)
{
	skip_space(p);
	if (p->at != p->limit)
		return bad(p, "unexpected text");
	if (*p->at == '-') {
		p->trim_next = true;
		p->at++;
	}
	p->at += 2;
	p->limit = NULL;

	return 0;
}

/* @at is behind {{: find its }}, minding quotes. */
static int begin_action(struct parser *p)
{
	const char *at = p->at;
	char quote = 0;

	for (; *at; at++) {
		if (quote) {
			if (*at == '\\' && quote == '"' && at[1])
				at++;
			else if (*at == quote)
				quote = 0;
		} else if (*at == '"' || *at == '`') {
			quote = *at;
		} else if (at[0] == '}' && at[1] == '}') {
			break;
		}
	}
	if (!*at)
		return bad(p, "unclosed action");
	p->limit = at;
	if (at - 1 > p->at && at[-1] == '-' && isspace((unsigned char)at[-2]))
		p->limit = at - 1;

	return 0;
}

static enum stop parse_nodes(struct parser *p, struct template_node **ret);

/* The rest of if, range or with, behind the keyword. */
static int parse_block(struct parser *p, struct template_node *node)
{
	enum stop stop;

	if (++p->depth > TEMPLATE_MAX_DEPTH)
		return bad(p, "nested too deeply");
	if (parse_pipe(p, NULL, &node->pipe) < 0 || end_action(p) < 0)
		return -EINVAL;
	stop = parse_nodes(p, &node->body);
	if (stop == STOP_ELSE && take_word(p, "if")) {
		node->otherwise = mem_calloc(1, sizeof(*node));
		node->otherwise->kind = TEMPLATE_IF;
		p->depth--;
		return parse_block(p, node->otherwise);
	}
	if (stop == STOP_ELSE) {
		if (end_action(p) < 0)
			return -EINVAL;
		stop = parse_nodes(p, &node->otherwise);
	}
	p->depth--;
	if (stop == STOP_FAILED)
		return -EINVAL;
	if (stop != STOP_END)
		return bad(p, "missing {{end}}");

	return end_action(p);
}

static int parse_action(struct parser *p, struct template_node *node)
{
	static const struct {
		const char *word;
		enum template_node_kind kind;
	} blocks[] = {
		{ "if", TEMPLATE_IF },
		{ "range", TEMPLATE_RANGE },
		{ "with", TEMPLATE_WITH },
	};

	for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
		if (take_word(p, blocks[i].word)) {
			node->kind = blocks[i].kind;
			return parse_block(p, node);
		}
	}
	node->kind = TEMPLATE_PRINT;
	if (parse_pipe(p, NULL, &node->pipe) < 0)
		return -EINVAL;

	return end_action(p);
}

/* Text up to the next action; trimmed where the actions beside it say so. */
static struct template_node *parse_text(struct parser *p)
{
	const char *open = strstr(p->at, "{{");
	const char *start = p->at, *end = open ? open : p->at + strlen(p->at);
	struct template_node *node;

	p->at = end;
	if (p->trim_next)
		while (start < end && isspace((unsigned char)*start))
			start++;
	p->trim_next = false;
	if (open && open[2] == '-' && isspace((unsigned char)open[3]))
		while (end > start && isspace((unsigned char)end[-1]))
			end--;
	if (start == end)
		return NULL;
	node = mem_calloc(1, sizeof(*node));
	node->kind = TEMPLATE_TEXT;
	node->text = mem_strndup(start, (size_t)(end - start));

	return node;
}

static enum stop parse_nodes(struct parser *p, struct template_node **ret)
{
	struct template_node **tail = ret;

	for (;;) {
		*tail = parse_text(p);
		if (*tail)
			tail = &(*tail)->next;
		if (!*p->at)
			return STOP_END_OF_TEXT;
		p->at += 2;
		if (*p->at == '-' && isspace((unsigned char)p->at[1]))
			p->at++;
		if (begin_action(p) < 0)
			return STOP_FAILED;
		if (take_word(p, "/*")) {
			p->at = p->limit;
			if (end_action(p) < 0)
				return STOP_FAILED;
			continue;
		}
		if (take_word(p, "end"))
			return STOP_END;
		if (take_word(p, "else"))
			return STOP_ELSE;
		*tail = mem_calloc(1, sizeof(**tail));
		if (parse_action(p, *tail) < 0)
			return STOP_FAILED;
		tail = &(*tail)->next;
	}
}

int template_parse(const char *text, struct template *ret, struct err *err)
{
	struct parser p = { .at = text, .err = err };
	struct template_node *nodes = NULL;
	enum stop stop;
	int r = 0;

	if (strlen(text) > TEMPLATE_MAX_BYTES)
		return err_setk(err, ERR_USAGE, EINVAL, "template: longer than %d bytes",
				TEMPLATE_MAX_BYTES);
	stop = parse_nodes(&p, &nodes);
	if (stop == STOP_FAILED)
		r = -EINVAL;
	else if (stop != STOP_END_OF_TEXT)
		r = bad(&p, "{{end}} or {{else}} without its beginning");
	if (r < 0) {
		free_nodes(nodes);
		return r;
	}
	ret->nodes = nodes;

	return 0;
}
