/* SPDX-License-Identifier: Apache-2.0
 *
 * test_options.c - which combinations of options are taken, and what they imply
 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "engine/options.h"
#include "monitor/client.h"
#include "spec/sandbox.h"

static const struct monitor_level container = {
	.name = "container",
	.userns = true,
	.host_net = true,
	.host_namespaces = true,
	.devices = true,
};

/* One that shares nothing with the host, whatever it is called. */
static const struct monitor_level sealed = {
	.name = "sealed",
	.host_net_why = "it has a network stack of its own",
};

static void test_userns(void **state)
{
	static const struct {
		const char *network, *pid, *userns;
		bool privileged;
		const char *expected;
	} cases[] = {
		{ NULL, NULL, NULL, false, "private" },
		{ NULL, NULL, NULL, true, "host" },
		{ "host", NULL, NULL, false, "host" },
		{ "host", NULL, "private", false, "private" },
		{ NULL, "host", NULL, false, "host" },
		{ NULL, "container:x", NULL, false, "host" },
		{ NULL, "private", NULL, false, "private" },
		{ NULL, NULL, "host", false, "host" },
		{ NULL, NULL, "auto", true, "private" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_done(engine_config) config = {
			.privileged = cases[i].privileged,
			.modes = {
				.network = mem_strdup(cases[i].network),
				.pid = mem_strdup(cases[i].pid),
				.userns = mem_strdup(cases[i].userns),
			},
		};

		assert_int_equal(options_modes(&config, &container, NULL), 0);
		assert_string_equal(config.modes.userns, cases[i].expected);
		assert_string_equal(config.modes.network,
				    cases[i].network ? cases[i].network : "none");
	}
}

static int modes(const struct monitor_level *level, const char *network, const char *ipc,
		 const char *device, struct err *err)
{
	auto_done(engine_config) config = {
		.modes = { .network = mem_strdup(network), .ipc = mem_strdup(ipc) },
	};

	if (device)
		assert_int_equal(strv_add(&config.devices, device), 0);

	return options_modes(&config, level, err);
}

static void test_levels_differ(void **state)
{
	struct err err = ERR_INIT;
	char text[sizeof(err.frames)];

	(void)state;
	assert_int_equal(modes(&container, "host", "host", "/dev/null", NULL), 0);
	assert_int_equal(modes(&sealed, NULL, NULL, NULL, NULL), 0);
	assert_int_equal(modes(&sealed, "host", NULL, NULL, &err), -ENOTSUP);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_non_null(
		strstr(err_text(&err, text, sizeof(text)), "it has a network stack of its own"));
	assert_int_equal(modes(&sealed, NULL, "host", NULL, &err), -ENOTSUP);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)), "--ipc"));
	assert_int_equal(modes(&sealed, NULL, NULL, "/dev/null", &err), -ENOTSUP);
	assert_non_null(strstr(err_text(&err, text, sizeof(text)), "--device"));
}

static void test_modes_refused(void **state)
{
	(void)state;
	assert_int_equal(modes(&container, "bridge", NULL, NULL, NULL), -ENOTSUP);
	assert_int_equal(modes(&container, NULL, "container:", NULL, NULL), -EINVAL);
	assert_int_equal(modes(&container, NULL, "other", NULL, NULL), -EINVAL);
}

static int security(const char *text, struct engine_config *config)
{
	auto_done(strv) texts = { 0 };

	assert_int_equal(strv_add(&texts, text), 0);

	return options_security(&texts, config, NULL);
}

static void test_security(void **state)
{
	auto_done(engine_config) config = { 0 };

	(void)state;
	assert_int_equal(security("no-new-privileges=false", &config), 0);
	assert_true(config.new_privileges);
	assert_int_equal(security("no-new-privileges", &config), 0);
	assert_false(config.new_privileges);
	assert_int_equal(security("seccomp=unconfined", &config), 0);
	assert_string_equal(config.seccomp, "unconfined");
	assert_int_equal(security("systempaths=unconfined", &config), 0);
	assert_true(config.unmasked);
	assert_int_equal(security("apparmor=unconfined", &config), 0);
	assert_int_equal(security("apparmor=mine", &config), -ENOTSUP);
	assert_int_equal(security("label=type:x", &config), -ENOTSUP);
	assert_int_equal(security("seccomp=/nonexistent", &config), -ENOENT);
	assert_int_equal(security("frobnicate", &config), -EINVAL);
}

static void test_limits(void **state)
{
	static char four_cpus[] = "0-2,5", no_cpus[] = "some";
	static const struct {
		struct engine_config config;
		int result;
		const char *level;
	} cases[] = {
		{ { .stop_timeout_s = -1 }, 0 },
		{ { .resources.memory_bytes = 96 * MIB, .resources.cpus_milli = 128000 }, 0, "vm" },
		{ { .resources.memory_bytes = 96 * MIB - 1 }, -EINVAL, "vm" },
		{ { .resources.cpus_milli = 128001 }, -EINVAL, "vm" },
		{ { .resources.cpus_milli = 128001 }, 0 },
		{ { .resources.memory_bytes = 6 * MIB }, 0 },
		{ { .resources.memory_bytes = 6 * MIB - 1 }, -EINVAL },
		{ { .resources.memory_bytes = 64 * MIB,
		    .resources.memory_swap_bytes = SPEC_UNLIMITED },
		  0 },
		{ { .resources.memory_bytes = 64 * MIB, .resources.memory_swap_bytes = 32 * MIB },
		  -EINVAL },
		{ { .resources.memory_swap_bytes = 64 * MIB }, -EINVAL },
		{ { .resources.cpu_shares = 1 }, -EINVAL },
		{ { .resources.cpuset_cpus = four_cpus }, 0 },
		{ { .resources.cpuset_cpus = no_cpus }, -EINVAL },
		{ { .resources.pids_limit = -1 }, 0 },
		{ { .resources.pids_limit = -2 }, -EINVAL },
		{ { .oom_score_adj = 1001 }, -EINVAL },
		{ { .resources.cpus_milli = -1 }, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *name = cases[i].level ? cases[i].level : "container";

		if (options_limits(&cases[i].config, monitor_level_find(name), NULL) !=
		    cases[i].result)
			fail_msg("case %zu", i);
	}
}

static void test_log(void **state)
{
	auto_done(engine_config) config = { 0 };
	auto_done(strv) texts = { 0 };

	(void)state;
	assert_int_equal(options_log(NULL, &config, NULL), 0);
	assert_int_equal(config.log_max_bytes, 10 * MIB);
	assert_int_equal(config.log_max_files, 3);
	assert_int_equal(strv_add(&texts, "max-size=1m"), 0);
	assert_int_equal(strv_add(&texts, "max-file=7"), 0);
	assert_int_equal(options_log(&texts, &config, NULL), 0);
	assert_int_equal(config.log_max_bytes, MIB);
	assert_int_equal(config.log_max_files, 7);
	assert_int_equal(strv_add(&texts, "max-file=0"), 0);
	assert_int_equal(options_log(&texts, &config, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_userns),	      cmocka_unit_test(test_levels_differ),
		cmocka_unit_test(test_modes_refused), cmocka_unit_test(test_security),
		cmocka_unit_test(test_limits),	      cmocka_unit_test(test_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
