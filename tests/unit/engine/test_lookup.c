/* SPDX-License-Identifier: Apache-2.0
 *
 * test_lookup.c - names of signals, capabilities, limits and devices
 */
#include "check.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/macro.h"
#include "engine/lookup.h"

#define CAP(name) (UINT64_C(1) << (name))

static void test_signals(void **state)
{
	(void)state;
	assert_int_equal(lookup_signal("SIGTERM", NULL), SIGTERM);
	assert_int_equal(lookup_signal("term", NULL), SIGTERM);
	assert_int_equal(lookup_signal("9", NULL), SIGKILL);
	assert_int_equal(lookup_signal("SIGWINCH", NULL), SIGWINCH);
	assert_int_equal(lookup_signal("RTMIN+3", NULL), 37);
	assert_int_equal(lookup_signal("SIGRTMAX-1", NULL), 63);
	assert_int_equal(lookup_signal("0", NULL), -EINVAL);
	assert_int_equal(lookup_signal("65", NULL), -EINVAL);
	assert_int_equal(lookup_signal("SIG", NULL), -EINVAL);
	assert_int_equal(lookup_signal("RTMIN+31", NULL), -EINVAL);
	assert_int_equal(lookup_signal("", NULL), -EINVAL);
}

static uint64_t caps(const char *add, const char *drop)
{
	auto_done(strv) adds = { 0 }, drops = { 0 };
	uint64_t bits = 0;

	if (add)
		assert_int_equal(strv_add(&adds, add), 0);
	if (drop)
		assert_int_equal(strv_add(&drops, drop), 0);
	assert_int_equal(lookup_caps(&adds, &drops, &bits, NULL), 0);

	return bits;
}

static void test_caps(void **state)
{
	auto_done(strv) wrong = { 0 }, none = { 0 };
	uint64_t standard = caps(NULL, NULL), untouched = 7;

	(void)state;
	assert_int_equal(__builtin_popcountll(standard), 11);
	assert_int_equal(standard & (CAP(CAP_NET_RAW) | CAP(CAP_MKNOD) | CAP(CAP_SYS_ADMIN)), 0);
	assert_int_equal(caps("NET_RAW", NULL), standard | CAP(CAP_NET_RAW));
	assert_int_equal(caps("cap_net_raw", "chown"),
			 (standard | CAP(CAP_NET_RAW)) & ~CAP(CAP_CHOWN));
	assert_int_equal(caps(NULL, "ALL"), 0);
	assert_int_equal(caps("KILL", "all"), CAP(CAP_KILL));
	assert_int_equal(caps("ALL", NULL), LOOKUP_CAPS_ALL);
	assert_int_equal(caps("ALL", "SYS_ADMIN"), LOOKUP_CAPS_ALL & ~CAP(CAP_SYS_ADMIN));
	assert_int_equal(strv_add(&wrong, "NET_RAWER"), 0);
	assert_int_equal(lookup_caps(&wrong, &none, &untouched, NULL), -EINVAL);
	assert_int_equal(untouched, 7);
}

static void test_ulimits(void **state)
{
	struct spec_rlimit limit = { 0 };

	(void)state;
	assert_int_equal(lookup_ulimit("nofile=10:20", &limit, NULL), 0);
	assert_int_equal(limit.resource, RLIMIT_NOFILE);
	assert_int_equal(limit.soft, 10);
	assert_int_equal(limit.hard, 20);
	assert_int_equal(lookup_ulimit("core=-1", &limit, NULL), 0);
	assert_true(limit.soft == UINT64_MAX && limit.hard == UINT64_MAX);
	assert_int_equal(lookup_ulimit("nofile=20:10", &limit, NULL), -EINVAL);
	assert_int_equal(lookup_ulimit("nofile", &limit, NULL), -EINVAL);
	assert_int_equal(lookup_ulimit("nofile=", &limit, NULL), -EINVAL);
	assert_int_equal(lookup_ulimit("files=1", &limit, NULL), -EINVAL);
	assert_int_equal(lookup_ulimit("nofile=1:2:3", &limit, NULL), -EINVAL);
}

static void assert_device(const char *text, const char *source, const char *target,
			  const char *perms)
{
	struct spec_device device = { 0 };

	assert_int_equal(lookup_device(text, &device, NULL), 0);
	assert_string_equal(device.source, source);
	assert_string_equal(device.target, target);
	assert_string_equal(device.perms, perms);
	free(device.source);
	free(device.target);
	free(device.perms);
}

static void test_devices(void **state)
{
	static const char *const bad[] = {
		"", "dev/a", "/dev/a:/dev/b:x", "/dev/a:/b:r:w", "/dev/a:", "/dev/a:/dev/b:"
	};

	(void)state;
	assert_device("/dev/a", "/dev/a", "/dev/a", "rwm");
	assert_device("/dev/a:/dev/b", "/dev/a", "/dev/b", "rwm");
	assert_device("/dev/a:r", "/dev/a", "/dev/a", "r");
	assert_device("/dev/a:/dev/b:rw", "/dev/a", "/dev/b", "rw");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct spec_device device = { 0 };

		if (lookup_device(bad[i], &device, NULL) != -EINVAL)
			fail_msg("'%s' was accepted", bad[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_ulimits),
		cmocka_unit_test(test_devices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
