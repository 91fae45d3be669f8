/* SPDX-License-Identifier: Apache-2.0
 *
 * test_opt.c - option tables
 */
#include "check.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/strv.h"
#include "cli/opt.h"

struct args {
	bool interactive, tty, on;
	const char *name;
	struct strv env;
	int64_t memory_bytes, tail, cpus;
};

static const struct opt opts[] = {
	{ 'i', "interactive", OPT_BOOL, offsetof(struct args, interactive), NULL, NULL, "stdin" },
	{ 't', "tty", OPT_BOOL, offsetof(struct args, tty), NULL, NULL, "terminal" },
	{ 0, "on", OPT_BOOL, offsetof(struct args, on), NULL, "true", "is on" },
	{ 0, "name", OPT_TEXT, offsetof(struct args, name), NULL, NULL, "name" },
	{ 'e', "env", OPT_LIST, offsetof(struct args, env), NULL, NULL, "environment" },
	{ 'm', "memory", OPT_SIZE, offsetof(struct args, memory_bytes), NULL, NULL, "memory" },
	{ 'n', "tail", OPT_INT, offsetof(struct args, tail), NULL, "-1", "lines" },
	{ 0, "cpus", OPT_MILLI, offsetof(struct args, cpus), NULL, NULL, "processors" },
	{ 'p', "publish", OPT_REFUSED, 0, NULL, NULL, "there are no networks yet" },
	{ 'P', "publish-all", OPT_REFUSED_BOOL, 0, NULL, NULL, "there are no networks yet" },
	OPT_END,
};

#define MAX_WORDS 16

struct parsed {
	struct args args;
	char *argv[MAX_WORDS];
	int words, help;
	struct err err;
};

static void parse(struct parsed *p, int stop_at_first, const char *line)
{
	static char copy[256];
	struct opt_words words = { .argv = p->argv, .stop_at_first = stop_at_first };
	char *at = copy;
	int argc = 0, r;

	memset(p, 0, sizeof(*p));
	assert_true(strlen(line) < sizeof(copy));
	memcpy(copy, line, strlen(line) + 1);
	while (*at) {
		p->argv[argc++] = at;
		at += strcspn(at, " ");
		if (*at)
			*at++ = '\0';
	}
	opt_defaults(opts, &p->args);
	words.argc = argc;
	r = opt_parse(opts, &p->args, &words, &p->err);
	p->words = r < 0 ? r : words.argc;
	p->help = words.help;
}

static void assert_error(const char *line, const char *expected)
{
	struct parsed p;
	char text[sizeof(p.err.frames)];

	parse(&p, 0, line);
	assert_int_equal(p.words, -EINVAL);
	assert_string_equal(err_text(&p.err, text, sizeof(text)), expected);
	assert_int_equal(err_exit_status(&p.err), 125);
	opt_release(opts, &p.args);
}

static void test_forms(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, 0, "-it --name=a -e A=1 --env B=2 -eC=3 -m=10k img --tail 5 cmd --on=false");
	assert_int_equal(p.words, 2);
	assert_string_equal(p.argv[0], "img");
	assert_string_equal(p.argv[1], "cmd");
	assert_true(p.args.interactive && p.args.tty);
	assert_false(p.args.on);
	assert_string_equal(p.args.name, "a");
	assert_int_equal(p.args.env.len, 3);
	assert_string_equal(p.args.env.items[2], "C=3");
	assert_int_equal(p.args.memory_bytes, 10240);
	assert_int_equal(p.args.tail, 5);
	opt_release(opts, &p.args);
}

static void test_stop_at_first(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, 1, "-t img ls -it --name x");
	assert_int_equal(p.words, 5);
	assert_string_equal(p.argv[2], "-it");
	assert_true(p.args.tty);
	assert_false(p.args.interactive);
	assert_null(p.args.name);
	assert_true(p.args.on);
	assert_int_equal(p.args.tail, -1);
}

static void test_dashes(void **state)
{
	struct parsed p;

	(void)state;
	parse(&p, 0, "a -- -t b");
	assert_int_equal(p.words, 3);
	assert_string_equal(p.argv[1], "-t");
	assert_false(p.args.tty);
	parse(&p, 0, "- x");
	assert_int_equal(p.words, 2);
	parse(&p, 0, "--nothing --help");
	assert_int_equal(p.words, -EINVAL);
	parse(&p, 0, "x --help --nothing");
	assert_int_equal(p.help, 1);
}

static void test_milli(void **state)
{
	static const struct {
		const char *line;
		int64_t milli;
	} cases[] = {
		{ "--cpus 1", 1000 },
		{ "--cpus 1.5", 1500 },
		{ "--cpus .25", 250 },
		{ "--cpus 0.0019", 1 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct parsed p;

		parse(&p, 0, cases[i].line);
		assert_int_equal(p.words, 0);
		assert_int_equal(p.args.cpus, cases[i].milli);
	}
}

static void test_errors(void **state)
{
	(void)state;
	assert_error("--bogus", "unknown flag: --bogus");
	assert_error("--bogus=3", "unknown flag: --bogus");
	assert_error("-tz", "unknown shorthand flag: 'z' in -tz");
	assert_error("--name", "flag needs an argument: --name");
	assert_error("-p 80:80", "--publish is not supported: there are no networks yet");
	assert_error("--publish=80", "--publish is not supported: there are no networks yet");
	assert_error("-P", "--publish-all is not supported: there are no networks yet");
	assert_error("-m lots",
		     "invalid argument 'lots' for --memory: expected a size such as 512m or 2g");
	assert_error("--tty=maybe", "invalid argument 'maybe' for --tty: expected true or false");
	assert_error("--tail=1x", "invalid argument '1x' for --tail: expected a whole number");
	assert_error("--cpus=2.",
		     "invalid argument '2.' for --cpus: expected a number such as 1.5");
	assert_error("--cpus=1.x",
		     "invalid argument '1.x' for --cpus: expected a number such as 1.5");
}

static void test_help(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	opt_help(opts, out);
	fclose(out);
	assert_non_null(strstr(text, "  -e, --env list"));
	assert_non_null(strstr(text, "lines (default -1)"));
	assert_null(strstr(text, "publish"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),  cmocka_unit_test(test_stop_at_first),
		cmocka_unit_test(test_dashes), cmocka_unit_test(test_milli),
		cmocka_unit_test(test_errors), cmocka_unit_test(test_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
