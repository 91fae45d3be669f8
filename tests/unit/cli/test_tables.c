/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tables.c - what must hold for the table of every command, and for ps filters
 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/ps_filter.h"
#include "engine/container.h"

static void check_options(const struct command_name *name)
{
	for (const struct opt *a = opt_first(name->command->opts); a; a = opt_next(a)) {
		if (!a->help || !*a->help || strcmp(a->name, "help") == 0)
			fail_msg("%s --%s: no help", name->name, a->name);
		for (const struct opt *b = opt_next(a); b; b = opt_next(b))
			if (strcmp(a->name, b->name) == 0 || (a->letter && a->letter == b->letter))
				fail_msg("%s: --%s and --%s collide", name->name, a->name, b->name);
	}
}

static void test_commands(void **state)
{
	(void)state;
	for (const struct command_name *c = command_names; c->name; c++) {
		if (!c->command->run || !c->command->usage || !c->command->summary)
			fail_msg("%s is not complete", c->name);
		if (c->command->max_words != COMMAND_MANY &&
		    c->command->min_words > c->command->max_words)
			fail_msg("%s takes no number of words", c->name);
		for (const struct command_name *d = c + 1; d->name; d++)
			if (strcmp(c->name, d->name) == 0)
				fail_msg("%s is there twice", c->name);
		check_options(c);
	}
}

static void test_groups(void **state)
{
	(void)state;
	for (const struct command_name *c = command_names; c->name; c++) {
		size_t len = strcspn(c->name, " ");
		bool found = c->name[len] == '\0';

		for (const struct command_group *g = command_groups; g->name; g++)
			found |= strlen(g->name) == len && strncmp(g->name, c->name, len) == 0;
		if (!found)
			fail_msg("%s belongs to no group", c->name);
	}
}

/* The options of docker run 28.0. */
static const char *const dockers[] = {
	"add-host",
	"annotation",
	"attach",
	"blkio-weight",
	"blkio-weight-device",
	"cap-add",
	"cap-drop",
	"cgroup-parent",
	"cgroupns",
	"cidfile",
	"cpu-period",
	"cpu-quota",
	"cpu-rt-period",
	"cpu-rt-runtime",
	"cpu-shares",
	"cpus",
	"cpuset-cpus",
	"cpuset-mems",
	"detach",
	"detach-keys",
	"device",
	"device-cgroup-rule",
	"device-read-bps",
	"device-read-iops",
	"device-write-bps",
	"device-write-iops",
	"disable-content-trust",
	"dns",
	"dns-option",
	"dns-search",
	"domainname",
	"entrypoint",
	"env",
	"env-file",
	"expose",
	"gpus",
	"group-add",
	"health-cmd",
	"health-interval",
	"health-retries",
	"health-start-interval",
	"health-start-period",
	"health-timeout",
	"hostname",
	"init",
	"interactive",
	"ip",
	"ip6",
	"ipc",
	"isolation",
	"kernel-memory",
	"label",
	"label-file",
	"link",
	"link-local-ip",
	"log-driver",
	"log-opt",
	"mac-address",
	"memory",
	"memory-reservation",
	"memory-swap",
	"memory-swappiness",
	"mount",
	"name",
	"network",
	"network-alias",
	"no-healthcheck",
	"oom-kill-disable",
	"oom-score-adj",
	"pid",
	"pids-limit",
	"platform",
	"privileged",
	"publish",
	"publish-all",
	"pull",
	"quiet",
	"read-only",
	"restart",
	"rm",
	"runtime",
	"security-opt",
	"shm-size",
	"sig-proxy",
	"stop-signal",
	"stop-timeout",
	"storage-opt",
	"sysctl",
	"tmpfs",
	"tty",
	"ulimit",
	"use-api-socket",
	"user",
	"userns",
	"uts",
	"volume",
	"volume-driver",
	"volumes-from",
	"workdir",
};

/* Every one of them is taken, or refused by name. */
static void test_run_knows_dockers_options(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dockers); i++) {
		const struct opt *opt = opt_first(command_run.opts);

		while (opt && strcmp(opt->name, dockers[i]) != 0)
			opt = opt_next(opt);
		if (!opt)
			fail_msg("run does not know --%s", dockers[i]);
	}
}

static bool matches(const struct engine_container *c, const char *first, const char *second)
{
	auto_done(strv) texts = { 0 };
	auto_done(ps_filter) filter = { 0 };

	assert_int_equal(strv_add(&texts, first), 0);
	if (second)
		assert_int_equal(strv_add(&texts, second), 0);
	assert_int_equal(ps_filter_parse(&texts, &filter, NULL), 0);

	return ps_filter_matches(&filter, c);
}

static void test_filters(void **state)
{
	auto_done(engine_container) c = {
		.row = {
			.id = mem_strdup("abcdef"),
			.name = mem_strdup("web-1"),
			.image_id = mem_strdup("sha256:1234567"),
			.image_ref = mem_strdup("nginx"),
			.level = mem_strdup("vm"),
		},
		.state = { .status = ENGINE_EXITED, .exit_status = 3 },
	};

	(void)state;
	assert_int_equal(strv_add(&c.config.labels, "a=1"), 0);
	assert_int_equal(strv_add(&c.config.labels, "b="), 0);
	assert_true(matches(&c, "name=web", NULL));
	assert_false(matches(&c, "name=db", NULL));
	assert_true(matches(&c, "name=db", "name=web"));
	assert_true(matches(&c, "label=a", "label=b"));
	assert_false(matches(&c, "label=a", "label=c"));
	assert_false(matches(&c, "label=a=2", NULL));
	assert_true(matches(&c, "status=running", "status=exited"));
	assert_false(matches(&c, "status=running", "name=web"));
	assert_true(matches(&c, "exited=3", NULL));
	assert_false(matches(&c, "exited=0", NULL));
	assert_true(matches(&c, "ancestor=nginx:latest", NULL));
	assert_true(matches(&c, "ancestor=1234", NULL));
	assert_false(matches(&c, "ancestor=nginx:1", NULL));
	assert_true(matches(&c, "isolation=vm", "id=abc"));
	assert_false(matches(&c, "isolation=container", NULL));
}

static void test_filters_refused(void **state)
{
	static const char *const bad[] = { "name", "colour=red", "status=asleep", "exited=x", "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_done(strv) texts = { 0 };
		auto_done(ps_filter) filter = { 0 };

		assert_int_equal(strv_add(&texts, bad[i]), 0);
		if (ps_filter_parse(&texts, &filter, NULL) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_run_knows_dockers_options),
		cmocka_unit_test(test_filters),
		cmocka_unit_test(test_filters_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
