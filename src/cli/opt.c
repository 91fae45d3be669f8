/* SPDX-License-Identifier: Apache-2.0
 *
 * opt.c - command line options, declared in tables
 */
#include "cli/opt.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/parse.h"
#include "base/strbuf.h"
#include "base/strv.h"

const struct opt *opt_first(const struct opt *table)
{
	while (table && !table->name)
		table = table->more;

	return table;
}

const struct opt *opt_next(const struct opt *opt)
{
	return opt_first(opt + 1);
}

static bool takes_value(const struct opt *opt)
{
	return opt->type != OPT_BOOL && opt->type != OPT_REFUSED_BOOL;
}

static bool is_refused(const struct opt *opt)
{
	return opt->type == OPT_REFUSED || opt->type == OPT_REFUSED_BOOL;
}

static void *member(const struct opt *opt, void *target)
{
	return (char *)target + opt->offset;
}

static int bad_value(const struct opt *opt, const char *value, const char *expected,
		     struct err *err)
{
	return err_setk(err, ERR_USAGE, EINVAL, "invalid argument '%s' for --%s: expected %s",
			value, opt->name, expected);
}

static int parse_size_or_unlimited(const char *value, int64_t *ret)
{
	uint64_t bytes;
	int r;

	if (strcmp(value, "-1") == 0) {
		*ret = -1;
		return 0;
	}
	r = parse_size(value, &bytes);
	if (r < 0)
		return r;
	if (bytes > INT64_MAX)
		return -ERANGE;
	*ret = (int64_t)bytes;

	return 0;
}

/* "1.5" is 1500; digits beyond the third are dropped. */
static int parse_milli(const char *value, int64_t *ret)
{
	const char *dot = strchr(value, '.');
	struct slice whole = { .at = value, .len = dot ? (size_t)(dot - value) : strlen(value) };
	struct slice rest = slice_of(dot ? dot + 1 : NULL);
	uint64_t units = 0, part = 0;
	int r = 0;

	if (whole.len > 0 || !dot)
		r = parse_slice_u64(whole, 0, INT64_MAX / 1000 - 1, &units);
	if (r == 0 && dot)
		r = parse_slice_u64(rest, 0, UINT64_MAX, &part);
	if (r < 0)
		return r;
	rest.len = MIN(rest.len, (size_t)3);
	if (rest.len > 0)
		r = parse_slice_u64(rest, 0, 999, &part);
	for (size_t i = rest.len; i > 0 && i < 3; i++)
		part *= 10;
	*ret = (int64_t)(units * 1000 + part);

	return r;
}

static int set_value(const struct opt *opt, void *target, const char *value, struct err *err)
{
	void *at = member(opt, target);

	switch (opt->type) {
	case OPT_BOOL:
		if (parse_bool(value, at) < 0)
			return bad_value(opt, value, "true or false", err);
		return 0;
	case OPT_TEXT:
		*(const char **)at = value;
		return 0;
	case OPT_LIST:
		if (strv_add(at, value) < 0)
			return err_set(err, ENOMEM, "out of memory");
		return 0;
	case OPT_SIZE:
		if (parse_size_or_unlimited(value, at) < 0)
			return bad_value(opt, value, "a size such as 512m or 2g", err);
		return 0;
	case OPT_INT:
		if (parse_i64(value, INT64_MIN, INT64_MAX, at) < 0)
			return bad_value(opt, value, "a whole number", err);
		return 0;
	case OPT_MILLI:
		if (parse_milli(value, at) < 0)
			return bad_value(opt, value, "a number such as 1.5", err);
		return 0;
	case OPT_REFUSED:
	case OPT_REFUSED_BOOL:
		break;
	}

	return err_setk(err, ERR_USAGE, EINVAL, "--%s is not supported: %s", opt->name, opt->help);
}

static const struct opt *find_long(const struct opt *opts, struct slice name)
{
	for (const struct opt *opt = opt_first(opts); opt; opt = opt_next(opt))
		if (slice_eq(name, opt->name))
			return opt;

	return NULL;
}

static const struct opt *find_letter(const struct opt *opts, char letter)
{
	for (const struct opt *opt = opt_first(opts); opt; opt = opt_next(opt))
		if (opt->letter && opt->letter == letter)
			return opt;

	return NULL;
}

/* Words that are left over; @next is the one after that in hand. */
struct words {
	char **argv;
	int argc;
	int next;
};

/* The value that follows in a word of its own. */
static int next_value(struct words *words, const struct opt *opt, const char **ret, struct err *err)
{
	if (words->next >= words->argc)
		return err_setk(err, ERR_USAGE, EINVAL, "flag needs an argument: --%s", opt->name);
	*ret = words->argv[words->next++];

	return 0;
}

static int parse_long(const struct opt *opts, void *target, const char *word, struct words *words,
		      struct err *err)
{
	const char *value = strchr(word, '=');
	struct slice name = { .at = word, .len = value ? (size_t)(value - word) : strlen(word) };
	const struct opt *opt = find_long(opts, name);

	if (!opt)
		return err_setk(err, ERR_USAGE, EINVAL, "unknown flag: --%.*s", (int)name.len,
				name.at);
	if (is_refused(opt))
		return set_value(opt, target, "", err);
	if (value)
		return set_value(opt, target, value + 1, err);
	if (!takes_value(opt))
		return set_value(opt, target, "true", err);
	if (next_value(words, opt, &value, err) < 0)
		return -EINVAL;

	return set_value(opt, target, value, err);
}

static int parse_letters(const struct opt *opts, void *target, const char *letters,
			 struct words *words, struct err *err)
{
	for (const char *at = letters; *at; at++) {
		const struct opt *opt = find_letter(opts, *at);
		const char *value = "true";
		int r;

		if (!opt)
			return err_setk(err, ERR_USAGE, EINVAL,
					"unknown shorthand flag: '%c' in -%s", *at, letters);
		if (is_refused(opt))
			return set_value(opt, target, "", err);
		if (!takes_value(opt)) {
			if (at[1] == '=')
				return set_value(opt, target, at + 2, err);
			r = set_value(opt, target, value, err);
			if (r < 0)
				return r;
			continue;
		}
		if (at[1])
			value = at[1] == '=' ? at + 2 : at + 1;
		else if (next_value(words, opt, &value, err) < 0)
			return -EINVAL;
		return set_value(opt, target, value, err);
	}

	return 0;
}

int opt_parse(const struct opt *opts, void *target, struct opt_words *line, struct err *err)
{
	struct words words = { .argv = line->argv, .argc = line->argc };
	int kept = 0;

	while (words.next < words.argc) {
		char *word = words.argv[words.next++];
		int r;

		if (strcmp(word, "--") == 0)
			break;
		if (word[0] != '-' || word[1] == '\0') {
			words.argv[kept++] = word;
			if (line->stop_at_first)
				break;
			continue;
		}
		if (strcmp(word, "--help") == 0 ||
		    (strcmp(word, "-h") == 0 && !find_letter(opts, 'h'))) {
			line->help = true;
			return 0;
		}
		if (word[1] == '-')
			r = parse_long(opts, target, word + 2, &words, err);
		else
			r = parse_letters(opts, target, word + 1, &words, err);
		if (r < 0)
			return r;
	}
	while (words.next < words.argc)
		words.argv[kept++] = words.argv[words.next++];
	line->argc = kept;

	return 0;
}

void opt_defaults(const struct opt *opts, void *target)
{
	for (const struct opt *opt = opt_first(opts); opt; opt = opt_next(opt))
		if (opt->def)
			(void)set_value(opt, target, opt->def, NULL);
}

void opt_release(const struct opt *opts, void *target)
{
	for (const struct opt *opt = opt_first(opts); opt; opt = opt_next(opt))
		if (opt->type == OPT_LIST)
			strv_done(member(opt, target));
}

static const char *value_word(const struct opt *opt)
{
	if (opt->arg)
		return opt->arg;
	switch (opt->type) {
	case OPT_LIST:
		return "list";
	case OPT_SIZE:
		return "bytes";
	case OPT_INT:
		return "int";
	case OPT_MILLI:
		return "decimal";
	case OPT_TEXT:
		return "string";
	case OPT_BOOL:
	case OPT_REFUSED:
	case OPT_REFUSED_BOOL:
		break;
	}

	return "";
}

static void add_left(const struct opt *opt, struct strbuf *sb)
{
	if (opt->letter)
		strbuf_addf(sb, "  -%c, --%s", opt->letter, opt->name);
	else
		strbuf_addf(sb, "      --%s", opt->name);
	if (*value_word(opt))
		strbuf_addf(sb, " %s", value_word(opt));
}

void opt_help(const struct opt *opts, FILE *out)
{
	auto_done(strbuf) left = STRBUF_INIT(1024);
	size_t width = 0;

	for (const struct opt *opt = opt_first(opts); opt; opt = opt_next(opt)) {
		if (is_refused(opt))
			continue;
		strbuf_reset(&left);
		add_left(opt, &left);
		width = MAX(width, left.len);
	}
	for (const struct opt *opt = opt_first(opts); opt; opt = opt_next(opt)) {
		if (is_refused(opt))
			continue;
		strbuf_reset(&left);
		add_left(opt, &left);
		fprintf(out, "%-*s   %s", (int)width, strbuf_get(&left), opt->help);
		if (opt->def && opt->type != OPT_BOOL)
			fprintf(out, " (default %s)", opt->def);
		else if (opt->def)
			fprintf(out, " (on unless =false)");
		fputc('\n', out);
	}
}
