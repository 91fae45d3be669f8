/* SPDX-License-Identifier: Apache-2.0
 *
 * test_template.c - templates against what Go's text/template prints
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "cli/template.h"
#include "wire/json.h"

static const char data[] =
	"{\"ID\":\"abc\",\"State\":{\"Running\":true,\"Pid\":42,\"Error\":\"\"},"
	"\"Args\":[\"a\",\"b\",\"c\"],\"Empty\":[],\"Labels\":{\"z\":\"1\",\"com.x\":\"two\"},"
	"\"Nothing\":null,\"Mounts\":[{\"Source\":\"/a\"},{\"Source\":\"/b\"}]}";

/* Returns 0 with the text in @buf, or the error with its text there. */
static int expand(const char *text, char *buf, size_t buf_bytes)
{
	auto_done(template) template = { 0 };
	auto_done(strbuf) out = STRBUF_INIT(4096);
	auto_json *json = NULL;
	struct err err = ERR_INIT;
	int r;

	assert_int_equal(json_parse(data, strlen(data), "test", &json, NULL), 0);
	r = template_parse(text, &template, &err);
	if (r == 0)
		r = template_run(&template, json, &out, &err);
	if (r == 0)
		(void)snprintf(buf, buf_bytes, "%s", strbuf_get(&out));
	else
		err_text(&err, buf, buf_bytes);

	return r;
}

static void test_output(void **state)
{
	static const struct {
		const char *template, *expected;
	} cases[] = {
		{ "{{.ID}}", "abc" },
		{ "x{{ .State.Running }}y{{.State.Pid}}", "xtruey42" },
		{ "{{json .State}}", "{\"Running\":true,\"Pid\":42,\"Error\":\"\"}" },
		{ "{{.Args}}", "[a b c]" },
		{ "{{.Labels}}", "map[z:1 com.x:two]" },
		{ "{{join .Args \", \"}}", "a, b, c" },
		{ "{{.Args | len}}", "3" },
		{ "{{range .Args}}<{{.}}>{{end}}", "<a><b><c>" },
		{ "{{range .Empty}}x{{else}}none{{end}}", "none" },
		{ "{{range $i, $a := .Args}}{{$i}}={{$a}} {{end}}", "0=a 1=b 2=c " },
		{ "{{range $k, $v := .Labels}}{{$k}}:{{$v}};{{end}}", "com.x:two;z:1;" },
		{ "{{range .Mounts}}{{.Source}}{{println}}{{end}}", "/a\n/b\n" },
		{ "{{range .Mounts}}{{.Source}}{{$.ID}}{{end}}", "/aabc/babc" },
		{ "{{if .State.Error}}bad{{else}}good{{end}}", "good" },
		{ "{{if .State.Error}}1{{else if .State.Running}}2{{else}}3{{end}}", "2" },
		{ "{{if and .State.Running (gt .State.Pid 40)}}yes{{end}}", "yes" },
		{ "{{if eq .ID \"x\" \"abc\"}}in{{end}}", "in" },
		{ "{{if not .Nothing}}nil{{end}}", "nil" },
		{ "{{with .State}}{{.Pid}}{{end}}", "42" },
		{ "{{index .Labels \"com.x\"}}", "two" },
		{ "{{index .Args 1}}", "b" },
		{ "{{.Labels.absent}}", "<no value>" },
		{ "{{(index .Mounts 1).Source}}", "/b" },
		{ "{{printf \"%-5s|%5d|%.2s|%q|%%\" .ID .State.Pid .ID .ID}}",
		  "abc  |   42|ab|\"abc\"|%" },
		{ "{{upper .ID}}{{lower \"ABC\"}}{{title \"a b\"}}", "ABCabcA B" },
		{ "{{$x := .ID}}{{$x}}{{$x}}", "abcabc" },
		{ "a {{- .ID -}} \n b", "aabcb" },
		{ "{{/* nothing */}}z", "z" },
		{ "{{\"}}\"}}", "}}" },
		{ "{{`a\\n`}}", "a\\n" },
		{ "{{split \"a:b\" \":\" | json}}", "[\"a\",\"b\"]" },
		{ "no action", "no action" },
		{ "", "" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[512];

		if (expand(cases[i].template, text, sizeof(text)) < 0)
			fail_msg("%s: %s", cases[i].template, text);
		assert_string_equal(text, cases[i].expected);
	}
}

static void test_errors(void **state)
{
	static const char *const templates[] = {
		"{{",
		"{{.ID",
		"{{end}}",
		"{{if .ID}}",
		"{{.Absent}}",
		"{{nofunc .ID}}",
		"{{range .ID}}{{end}}",
		"{{.ID.X}}",
		"{{.ID .ID}}",
		"{{len}}",
		"{{index .Args 7}}",
		"{{(.ID}}",
		"{{\"abc}}",
		"{{$y}}",
		"{{printf \"%d\"}}",
		"{{else}}",
		"{{if}}x{{end}}",
		"{{.ID | }}",
		"{{printf \"%9999s\" .ID}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(templates); i++) {
		char text[512];

		if (expand(templates[i], text, sizeof(text)) != -EINVAL)
			fail_msg("%s was accepted: %s", templates[i], text);
		assert_memory_equal(text, "template: ", 10);
	}
}

static void test_bounds(void **state)
{
	auto_done(strbuf) deep = STRBUF_INIT(100000);
	char text[512];

	(void)state;
	for (int i = 0; i < 1000; i++)
		strbuf_adds(&deep, "{{if .ID}}");
	assert_int_equal(expand(strbuf_get(&deep), text, sizeof(text)), -EINVAL);
	strbuf_reset(&deep);
	strbuf_adds(&deep, "{{");
	for (int i = 0; i < 1000; i++)
		strbuf_adds(&deep, "(");
	strbuf_adds(&deep, "}}");
	assert_int_equal(expand(strbuf_get(&deep), text, sizeof(text)), -EINVAL);
	strbuf_reset(&deep);
	for (int i = 0; i < 66000; i++)
		strbuf_adds(&deep, "x");
	assert_int_equal(expand(strbuf_get(&deep), text, sizeof(text)), -EINVAL);
	/* More output than the caller's buffer takes. */
	assert_int_equal(expand("{{printf \"%1000s%1000s%1000s%1000s%1000s\" 1 2 3 4 5}}", text,
				sizeof(text)),
			 -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_output),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
