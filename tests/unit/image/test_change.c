/* SPDX-License-Identifier: Apache-2.0
 *
 * test_change.c - --change in the forms that a Dockerfile knows
 */
#include "image/change.h"

#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "check.h"

/* All that changes can change, as text. */
static void describe(const struct spec_image *image, struct strbuf *sb)
{
	const struct {
		const char *name;
		const struct strv *list;
	} lists[] = {
		{ "cmd", &image->cmd },		{ "entrypoint", &image->entrypoint },
		{ "env", &image->env },		{ "ports", &image->exposed_ports },
		{ "labels", &image->labels },	{ "volumes", &image->volumes },
		{ "onbuild", &image->onbuild },
	};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		for (size_t k = 0; k < lists[i].list->len; k++)
			strbuf_addf(sb, "%s<%s>", k ? "" : lists[i].name, lists[i].list->items[k]);
	if (image->user)
		strbuf_addf(sb, "user<%s>", image->user);
	if (image->working_dir)
		strbuf_addf(sb, "workdir<%s>", image->working_dir);
	if (image->stop_signal)
		strbuf_addf(sb, "signal<%s>", image->stop_signal);
}

static void test_forms(void **state)
{
	static const struct {
		const char *change, *want; /* NULL: refused */
	} cases[] = {
		{ "CMD [\"sh\", \"-c\", \"a b\"]", "cmd<sh><-c><a b>" },
		{ "CMD echo $A", "cmd</bin/sh><-c><echo $A>" },
		{ "CMD [broken", "cmd</bin/sh><-c><[broken>" },
		{ "CMD []", "" },
		{ "  entrypoint   [\"/init\"]", "entrypoint</init>" },
		{ "ENV A=b C=\"d e\" F='g h' I=j\\ k", "env<A=b><C=d e><F=g h><I=j k>" },
		{ "ENV A=b A=c", "env<A=c>" },
		{ "ENV NAME value with spaces", "env<NAME=value with spaces>" },
		{ "ENV A", NULL },
		{ "ENV =b", NULL },
		{ "ENV A=b C", NULL },
		{ "ENV A=\"b", NULL },
		{ "LABEL com.example.key=\"a b\" x=", "labels<com.example.key=a b><x=>" },
		{ "EXPOSE 80 53/udp 80/tcp", "ports<80/tcp><53/udp>" },
		{ "EXPOSE 0", NULL },
		{ "EXPOSE 65536", NULL },
		{ "EXPOSE 80/http", NULL },
		{ "VOLUME /a /b", "volumes</a></b>" },
		{ "VOLUME [\"/a b\"]", "volumes</a b>" },
		{ "VOLUME relative", NULL },
		{ "USER 1000:1000", "user<1000:1000>" },
		{ "WORKDIR /w", "workdir</w>" },
		{ "STOPSIGNAL SIGINT", "signal<SIGINT>" },
		{ "ONBUILD RUN make", "onbuild<RUN make>" },
		{ "RUN make", NULL },
		{ "CMD", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_done(spec_image) image = { 0 };
		auto_done(strbuf) got = STRBUF_INIT(10000);
		int r = change_apply(&image, cases[i].change, NULL);

		assert_int_equal(r, cases[i].want ? 0 : -EINVAL);
		describe(&image, &got);
		if (cases[i].want)
			assert_string_equal(strbuf_get(&got), cases[i].want);
	}
}

static void test_order(void **state)
{
	auto_done(spec_image) image = { 0 };
	struct err err = ERR_INIT;

	(void)state;
	assert_int_equal(change_apply(&image, "WORKDIR /a", NULL), 0);
	assert_int_equal(change_apply(&image, "WORKDIR b", NULL), 0);
	assert_string_equal(image.working_dir, "/a/b");
	assert_int_equal(change_apply(&image, "CMD one", NULL), 0);
	assert_int_equal(change_apply(&image, "CMD [\"two\"]", NULL), 0);
	assert_int_equal(image.cmd.len, 1);
	assert_int_equal(change_apply(&image, "FROM x", &err), -EINVAL);
	assert_true(err.kind == ERR_USAGE && err.hint[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
