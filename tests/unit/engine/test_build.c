/* SPDX-License-Identifier: Apache-2.0
 *
 * test_build.c - the document of a container, kept and turned into a sandbox
 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "base/mem.h"
#include "engine/internal.h"
#include "engine/name.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static const struct monitor_level level = {
	.name = "container",
	.userns = true,
	.default_memory_bytes = 0,
};

static void add_mount(struct engine_config *config, enum engine_mount_type type, const char *source,
		      const char *target)
{
	struct engine_mount mount = {
		.type = type,
		.source = mem_strdup(source),
		.target = mem_strdup(target),
	};

	engine_config_give_mount(config, &mount);
}

static void make(struct engine_container *c)
{
	*c = (struct engine_container){
		.row = { .id = mem_strdup(ID), .uid_base = 1000000, .uid_count = 65536 },
		.config = {
			.working_dir = mem_strdup("/"),
			.modes = { .network = mem_strdup("none"), .userns = mem_strdup("private") },
			.stop_timeout_s = -1,
		},
		.level = &level,
	};
	assert_int_equal(strv_add(&c->config.cmd, "sh"), 0);
	assert_int_equal(strv_add(&c->config.env, "PATH=/bin"), 0);
}

static const char *file_data(const struct spec_sandbox *spec, const char *target)
{
	for (size_t i = 0; i < spec->files_len; i++)
		if (strcmp(spec->files[i].target, target) == 0)
			return spec->files[i].data;

	return NULL;
}

static void test_defaults(void **state)
{
	auto_done(engine_container) c = { 0 };
	auto_done(spec_sandbox) spec = { 0 };

	(void)state;
	make(&c);
	assert_int_equal(engine_build(&c, &spec, NULL), 0);
	assert_string_equal(spec.hostname, "0123456789ab");
	assert_string_equal(strv_env_find(&spec.process.env, "HOSTNAME"), "0123456789ab");
	assert_null(strv_env_find(&spec.process.env, "TERM"));
	assert_true(spec.process.no_new_privs);
	assert_int_equal(__builtin_popcountll(spec.process.caps), 11);
	assert_int_equal(spec.seccomp, SPEC_SECCOMP_DEFAULT);
	assert_int_equal(spec.shm_bytes, 64 * MIB);
	assert_int_equal(spec.uid_base, 1000000);
	assert_string_equal(spec.ns.net, "");
	assert_true(spec.masked_paths.len > 0 && spec.readonly_paths.len > 0);
	assert_non_null(strstr(file_data(&spec, "/etc/hosts"), "127.0.1.1\t0123456789ab\n"));
	assert_string_equal(file_data(&spec, "/etc/hostname"), "0123456789ab\n");
	assert_string_equal(strv_env_find(&spec.sysctls, "net.ipv4.ping_group_range"), "0 65535");
}

static void test_privileged(void **state)
{
	auto_done(engine_container) c = { 0 };
	auto_done(spec_sandbox) spec = { 0 };

	(void)state;
	make(&c);
	c.config.privileged = true;
	c.config.tty = true;
	assert_int_equal(engine_build(&c, &spec, NULL), 0);
	assert_int_equal(__builtin_popcountll(spec.process.caps), 41);
	assert_int_equal(spec.seccomp, SPEC_SECCOMP_UNCONFINED);
	assert_int_equal(spec.masked_paths.len + spec.readonly_paths.len, 0);
	assert_false(spec.process.no_new_privs);
	assert_string_equal(strv_env_find(&spec.process.env, "TERM"), "xterm");
}

static void test_mounts_are_ordered(void **state)
{
	auto_done(engine_container) c = { 0 };
	auto_done(spec_sandbox) spec = { 0 };

	(void)state;
	make(&c);
	add_mount(&c.config, ENGINE_MOUNT_BIND, "/x", "/a/b/c");
	add_mount(&c.config, ENGINE_MOUNT_VOLUME, "data", "/a");
	add_mount(&c.config, ENGINE_MOUNT_TMPFS, NULL, "/a/b/");
	add_mount(&c.config, ENGINE_MOUNT_BIND, "/h", "/etc/hosts");
	assert_int_equal(engine_build(&c, &spec, NULL), 0);
	assert_int_equal(spec.mounts_len, 4);
	assert_string_equal(spec.mounts[0].target, "/a");
	assert_int_equal(spec.mounts[0].flags,
			 SPEC_MOUNT_NODEV | SPEC_MOUNT_NOSUID | SPEC_MOUNT_COPY_UP);
	assert_string_equal(spec.mounts[1].target, "/a/b/");
	assert_string_equal(spec.mounts[2].target, "/etc/hosts");
	assert_string_equal(spec.mounts[3].target, "/a/b/c");
	/* What the user mounts there is not hidden by the engine's own. */
	assert_null(file_data(&spec, "/etc/hosts"));
	assert_non_null(file_data(&spec, "/etc/hostname"));
}

static void test_limits(void **state)
{
	auto_done(engine_container) c = { 0 };
	auto_done(spec_sandbox) spec = { 0 };

	(void)state;
	make(&c);
	c.config.resources.memory_bytes = 64 * MIB;
	assert_int_equal(strv_add(&c.config.ulimits, "nofile=7"), 0);
	assert_int_equal(engine_build(&c, &spec, NULL), 0);
	assert_int_equal(spec.resources.memory_swap_bytes, 128 * MIB);
	assert_int_equal(spec.process.rlimits_len, 1);
	assert_int_equal(spec.process.rlimits[0].soft, 7);
}

static void test_refused(void **state)
{
	auto_done(spec_sandbox) spec = { 0 };
	auto_done(engine_container) relative = { 0 }, wrong = { 0 };

	(void)state;
	make(&relative);
	free(relative.config.working_dir);
	relative.config.working_dir = mem_strdup("var");
	assert_int_equal(engine_build(&relative, &spec, NULL), -EINVAL);
	make(&wrong);
	assert_int_equal(strv_add(&wrong.config.add_hosts, "nowhere"), 0);
	assert_int_equal(engine_build(&wrong, &spec, NULL), -EINVAL);
	assert_null(spec.id);
}

/* What a row keeps is what comes back, bytes that are not UTF-8 too. */
static void test_document(void **state)
{
	auto_done(engine_container) c = { 0 };
	auto_done(engine_config) back = { 0 };
	auto_free char *text = NULL, *again = NULL;

	(void)state;
	make(&c);
	c.config.new_privileges = true;
	c.config.resources.pids_limit = -1;
	c.config.disk_bytes = 1ULL << 40;
	assert_int_equal(strv_add(&c.config.cmd, "\xff\xfe"), 0);
	add_mount(&c.config, ENGINE_MOUNT_VOLUME, "data", "/a");
	c.config.mounts[0].anonymous = true;
	assert_int_equal(engine_config_encode(&c.config, &text, NULL), 0);
	assert_int_equal(engine_config_decode(text, &back, NULL), 0);
	assert_string_equal(back.cmd.items[1], "\xff\xfe");
	assert_int_equal(back.stop_timeout_s, -1);
	assert_int_equal(back.resources.pids_limit, -1);
	assert_true(back.new_privileges && back.mounts[0].anonymous);
	assert_int_equal(back.mounts[0].type, ENGINE_MOUNT_VOLUME);
	assert_int_equal(engine_config_encode(&back, &again, NULL), 0);
	assert_string_equal(text, again);
	assert_int_equal(engine_config_decode("{\"surprise\":1}", &back, NULL), -EINVAL);
}

static void test_names(void **state)
{
	char name[NAME_RANDOM_BYTES];

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(name_check(name_random(i % 8, name), NULL), 0);
	assert_int_equal(name_check("a", NULL), -EINVAL);
	assert_int_equal(name_check("-ab", NULL), -EINVAL);
	assert_int_equal(name_check("a/b", NULL), -EINVAL);
	assert_int_equal(name_check("a b", NULL), -EINVAL);
	assert_int_equal(name_check("", NULL), -EINVAL);
	assert_int_equal(name_check("A_b.c-1", NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_privileged),
		cmocka_unit_test(test_mounts_are_ordered),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
