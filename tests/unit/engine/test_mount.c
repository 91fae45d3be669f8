/* SPDX-License-Identifier: Apache-2.0
 *
 * test_mount.c - what users write after -v, --mount and --tmpfs
 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "engine/mount.h"
#include "spec/sandbox.h"

static void test_volume(void **state)
{
	auto_done(engine_mount) m = { 0 };

	(void)state;
	assert_int_equal(engine_mount_parse_volume("/a:/b:ro,rslave", &m, NULL), 0);
	assert_int_equal(m.type, ENGINE_MOUNT_BIND);
	assert_string_equal(m.source, "/a");
	assert_string_equal(m.target, "/b");
	assert_string_equal(m.propagation, "rslave");
	assert_int_equal(m.flags, SPEC_MOUNT_READONLY | SPEC_MOUNT_RECURSIVE);
	assert_true(m.make_source);
	assert_false(m.anonymous);
	engine_mount_done(&m);

	assert_int_equal(engine_mount_parse_volume("data:/b:nocopy", &m, NULL), 0);
	assert_int_equal(m.type, ENGINE_MOUNT_VOLUME);
	assert_string_equal(m.source, "data");
	assert_true(m.no_copy);
	assert_false(m.anonymous);
	engine_mount_done(&m);

	assert_int_equal(engine_mount_parse_volume("/b", &m, NULL), 0);
	assert_int_equal(m.type, ENGINE_MOUNT_VOLUME);
	assert_null(m.source);
	assert_string_equal(m.target, "/b");
	assert_true(m.anonymous);
}

static void test_volume_refused(void **state)
{
	static const char *const bad[] = {
		"",	    "b",	   "./a:/b", "a b:/c", "/a:b", "/a:/",		 "/a://",
		"/a:/b:xx", "/a:/b:ro:rw", ":/b",    "-a:/b",  "x:/b", "data:/b:rslave", "../x:/b",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct engine_mount m = { 0 };
		struct err err = ERR_INIT;

		if (engine_mount_parse_volume(bad[i], &m, &err) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
		assert_int_equal(err.kind, ERR_USAGE);
		assert_null(m.target);
	}
}

static void test_mount(void **state)
{
	auto_done(engine_mount) m = { 0 };

	(void)state;
	assert_int_equal(engine_mount_parse_mount("type=bind,src=/a,dst=/b,readonly", &m, NULL), 0);
	assert_int_equal(m.type, ENGINE_MOUNT_BIND);
	assert_int_equal(m.flags, SPEC_MOUNT_READONLY | SPEC_MOUNT_RECURSIVE);
	assert_false(m.make_source);
	engine_mount_done(&m);

	assert_int_equal(
		engine_mount_parse_mount("source=vv,target=/b,ro=false,volume-nocopy", &m, NULL),
		0);
	assert_int_equal(m.type, ENGINE_MOUNT_VOLUME);
	assert_int_equal(m.flags, 0);
	assert_true(m.no_copy);
	engine_mount_done(&m);

	assert_int_equal(engine_mount_parse_mount(
				 "type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700", &m, NULL),
			 0);
	assert_int_equal(m.type, ENGINE_MOUNT_TMPFS);
	assert_int_equal(m.size_bytes, 1048576);
	assert_int_equal(m.mode, 0700);
	engine_mount_done(&m);

	assert_int_equal(engine_mount_parse_mount(
				 "type=bind,source=/a,target=/b,bind-nonrecursive=true", &m, NULL),
			 0);
	assert_int_equal(m.flags, 0);
}

static void test_mount_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"target=b",
		"type=bind,target=/b",
		"type=bind,source=a,target=/b",
		"type=nfs,target=/b",
		"type=tmpfs,source=/a,target=/b",
		"type=tmpfs,target=/b,tmpfs-mode=9",
		"source=vv,target=/b,tmpfs-size=1m",
		"source=vv,target=/b,volume-driver=x",
		"source=vv,target=/b,readonly=maybe",
		"type=bind,source=/a,target=/b,bind-propagation=up",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct engine_mount m = { 0 };

		if (engine_mount_parse_mount(bad[i], &m, NULL) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
	}
}

static void test_tmpfs(void **state)
{
	const uint32_t safe = SPEC_MOUNT_NOEXEC | SPEC_MOUNT_NOSUID | SPEC_MOUNT_NODEV;
	auto_done(engine_mount) m = { 0 };

	(void)state;
	assert_int_equal(engine_mount_parse_tmpfs("/t", &m, NULL), 0);
	assert_int_equal(m.flags, safe);
	engine_mount_done(&m);
	assert_int_equal(engine_mount_parse_tmpfs("/t:exec,size=64k,mode=1770,ro", &m, NULL), 0);
	assert_int_equal(m.flags, (safe & ~SPEC_MOUNT_NOEXEC) | SPEC_MOUNT_READONLY);
	assert_int_equal(m.size_bytes, 65536);
	assert_int_equal(m.mode, 01770);
	engine_mount_done(&m);
	assert_int_equal(engine_mount_parse_tmpfs("/t:huge", &m, NULL), -EINVAL);
	assert_int_equal(engine_mount_parse_tmpfs("t", &m, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_volume), cmocka_unit_test(test_volume_refused),
		cmocka_unit_test(test_mount),  cmocka_unit_test(test_mount_refused),
		cmocka_unit_test(test_tmpfs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
