/* SPDX-License-Identifier: Apache-2.0
 *
 * test_sandbox.c - specifications survive the wire, and malformed ones do not get through
 */
#include "spec/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "check.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- random documents ---- */

/* Any bytes but NUL: often not UTF-8. */
static char *random_text(const char *prefix, size_t max)
{
	size_t start = strlen(prefix), len = start + (size_t)rand() % (max + 1);
	char *text = mem_calloc(len + 1, 1);

	memcpy(text, prefix, start);
	for (size_t i = start; i < len; i++)
		text[i] = (char)(rand() % 4 ? 'a' + rand() % 26 : 1 + rand() % 255);

	return text;
}

static char *maybe_text(const char *prefix, size_t max)
{
	return rand() % 2 ? random_text(prefix, max) : NULL;
}

static void random_strv(struct strv *v, const char *prefix, size_t min)
{
	size_t count = min + (size_t)rand() % 6;

	for (size_t i = 0; i < count; i++)
		assert_int_equal(strv_give(v, random_text(prefix, 40)), 0);
}

static uint64_t random_u64(void)
{
	uint64_t value = 0;

	for (int i = 0; i < 5; i++)
		value = value << 15 ^ (uint64_t)rand();

	return rand() % 8 ? value : rand() % 2 ? UINT64_MAX : 0;
}

static void random_process(struct spec_process *p)
{
	random_strv(&p->args, "", 1);
	random_strv(&p->env, "N=", 0);
	p->cwd = maybe_text("/", 60);
	p->user = maybe_text("", 20);
	random_strv(&p->group_add, "", 0);
	p->caps = random_u64();
	p->ambient = p->caps & random_u64();
	p->rlimits_len = (size_t)rand() % RLIM_NLIMITS;
	if (p->rlimits_len > 0)
		p->rlimits = mem_calloc(p->rlimits_len, sizeof(*p->rlimits));
	for (size_t i = 0; i < p->rlimits_len; i++) {
		uint64_t a = random_u64(), b = random_u64();

		p->rlimits[i] = (struct spec_rlimit){ rand() % RLIM_NLIMITS, MIN(a, b), MAX(a, b) };
	}
	p->terminal = rand() % 2;
	p->rows = (uint32_t)rand() % 65536;
	p->cols = (uint32_t)rand() % 65536;
	p->no_new_privs = rand() % 2;
	p->oom_score_adj = rand() % 2001 - 1000;
	p->init = rand() % 2;
	p->privileged = rand() % 2;
}

static void random_resources(struct spec_resources *r)
{
	r->memory_bytes = rand();
	r->memory_swap_bytes = rand() % 2 ? SPEC_UNLIMITED : r->memory_bytes + rand();
	r->cpus_milli = rand() % 64000;
	r->cpu_shares = rand() % 2 ? 0 : 2 + rand() % 262143;
	r->cpuset_cpus = rand() % 2 ? mem_strdup("0-1,3") : NULL;
	r->pids_limit = rand() % 2 ? SPEC_UNLIMITED : rand() % 4194305;
}

static void random_mount(struct spec_mount *m)
{
	m->type = rand() % 2 ? SPEC_MOUNT_BIND : SPEC_MOUNT_TMPFS;
	m->flags = (uint32_t)rand() % 64;
	m->source = m->type == SPEC_MOUNT_BIND ? random_text("/", 60) : NULL;
	m->target = random_text("/t", 60);
	m->size_bytes = random_u64();
	m->mode = (uint32_t)rand() % 010000;
	m->propagation = rand() % 2 ? mem_strdup("rslave") : NULL;
}

static void random_sandbox(struct spec_sandbox *s)
{
	s->id = mem_strdup(ID);
	s->hostname = maybe_text("", 60);
	random_process(&s->process);
	s->service = rand() % 2;
	s->uid_base = (uint32_t)rand();
	s->uid_count = (uint32_t)rand();
	s->mounts_len = (size_t)rand() % 5;
	s->mounts = s->mounts_len ? mem_calloc(s->mounts_len, sizeof(*s->mounts)) : NULL;
	for (size_t i = 0; i < s->mounts_len; i++)
		random_mount(&s->mounts[i]);
	s->devices_len = (size_t)rand() % 3;
	s->devices = s->devices_len ? mem_calloc(s->devices_len, sizeof(*s->devices)) : NULL;
	for (size_t i = 0; i < s->devices_len; i++)
		s->devices[i] = (struct spec_device){ random_text("/dev/", 9), random_text("/t", 9),
						      mem_strdup("rw") };
	s->files_len = (size_t)rand() % 3;
	s->files = s->files_len ? mem_calloc(s->files_len, sizeof(*s->files)) : NULL;
	for (size_t i = 0; i < s->files_len; i++)
		s->files[i] = (struct spec_file){ random_text("/etc/", 9), maybe_text("", 5000),
						  (uint32_t)rand() % 010000 };
	random_resources(&s->resources);
	s->ns.pid = rand() % 2 ? mem_strdup("host") : NULL;
	s->ns.ipc = maybe_text("/proc/", 9);
	s->ns.net = rand() % 2 ? mem_strdup("") : NULL;
	s->ns.uts = rand() % 2 ? mem_strdup("host") : NULL;
	s->ns.cgroup = rand() % 2 ? mem_strdup("host") : NULL;
	s->readonly_root = rand() % 2;
	s->ephemeral = rand() % 2;
	s->privileged = rand() % 2;
	s->shm_bytes = random_u64();
	random_strv(&s->masked_paths, "/", 0);
	random_strv(&s->readonly_paths, "/", 0);
	random_strv(&s->sysctls, "net.x=", 0);
	s->seccomp = (enum spec_seccomp)(rand() % 3);
	s->seccomp_profile = s->seccomp == SPEC_SECCOMP_PROFILE ? random_text("{", 3000) : NULL;
	s->disk_bytes = random_u64();
	s->kernel = maybe_text("/", 20);
}

/* ---- equality, member by member, so that a slip in the tables shows ---- */

static void same_text(const char *a, const char *b)
{
	assert_int_equal(!a, !b);
	if (a)
		assert_string_equal(a, b);
}

static void same_strv(const struct strv *a, const struct strv *b)
{
	assert_int_equal(a->len, b->len);
	for (size_t i = 0; i < a->len; i++)
		assert_string_equal(a->items[i], b->items[i]);
}

static void same_process(const struct spec_process *a, const struct spec_process *b)
{
	same_strv(&a->args, &b->args);
	same_strv(&a->env, &b->env);
	same_text(a->cwd, b->cwd);
	same_text(a->user, b->user);
	same_strv(&a->group_add, &b->group_add);
	assert_true(a->caps == b->caps && a->ambient == b->ambient);
	assert_int_equal(a->rlimits_len, b->rlimits_len);
	for (size_t i = 0; i < a->rlimits_len; i++) {
		assert_int_equal(a->rlimits[i].resource, b->rlimits[i].resource);
		assert_true(a->rlimits[i].soft == b->rlimits[i].soft);
		assert_true(a->rlimits[i].hard == b->rlimits[i].hard);
	}
	assert_int_equal(a->terminal, b->terminal);
	assert_int_equal(a->rows, b->rows);
	assert_int_equal(a->cols, b->cols);
	assert_int_equal(a->no_new_privs, b->no_new_privs);
	assert_int_equal(a->oom_score_adj, b->oom_score_adj);
	assert_int_equal(a->init, b->init);
	assert_int_equal(a->privileged, b->privileged);
}

static void same_resources(const struct spec_resources *a, const struct spec_resources *b)
{
	assert_true(a->memory_bytes == b->memory_bytes);
	assert_true(a->memory_swap_bytes == b->memory_swap_bytes);
	assert_true(a->cpus_milli == b->cpus_milli && a->cpu_shares == b->cpu_shares);
	same_text(a->cpuset_cpus, b->cpuset_cpus);
	assert_true(a->pids_limit == b->pids_limit);
}

static void same_mounts(const struct spec_sandbox *a, const struct spec_sandbox *b)
{
	assert_int_equal(a->mounts_len, b->mounts_len);
	for (size_t i = 0; i < a->mounts_len; i++) {
		const struct spec_mount *x = &a->mounts[i], *y = &b->mounts[i];

		assert_int_equal(x->type, y->type);
		assert_int_equal(x->flags, y->flags);
		same_text(x->source, y->source);
		same_text(x->target, y->target);
		assert_true(x->size_bytes == y->size_bytes);
		assert_int_equal(x->mode, y->mode);
		same_text(x->propagation, y->propagation);
	}
}

static void same_sandbox(const struct spec_sandbox *a, const struct spec_sandbox *b)
{
	same_text(a->id, b->id);
	same_text(a->hostname, b->hostname);
	same_process(&a->process, &b->process);
	assert_int_equal(a->service, b->service);
	assert_int_equal(a->uid_base, b->uid_base);
	assert_int_equal(a->uid_count, b->uid_count);
	same_mounts(a, b);
	assert_int_equal(a->devices_len, b->devices_len);
	for (size_t i = 0; i < a->devices_len; i++) {
		same_text(a->devices[i].source, b->devices[i].source);
		same_text(a->devices[i].target, b->devices[i].target);
		same_text(a->devices[i].perms, b->devices[i].perms);
	}
	assert_int_equal(a->files_len, b->files_len);
	for (size_t i = 0; i < a->files_len; i++) {
		same_text(a->files[i].target, b->files[i].target);
		same_text(a->files[i].data, b->files[i].data);
		assert_int_equal(a->files[i].mode, b->files[i].mode);
	}
	same_resources(&a->resources, &b->resources);
	same_text(a->ns.pid, b->ns.pid);
	same_text(a->ns.ipc, b->ns.ipc);
	same_text(a->ns.net, b->ns.net);
	same_text(a->ns.uts, b->ns.uts);
	same_text(a->ns.cgroup, b->ns.cgroup);
	assert_int_equal(a->readonly_root, b->readonly_root);
	assert_int_equal(a->ephemeral, b->ephemeral);
	assert_int_equal(a->privileged, b->privileged);
	assert_true(a->shm_bytes == b->shm_bytes && a->disk_bytes == b->disk_bytes);
	same_strv(&a->masked_paths, &b->masked_paths);
	same_strv(&a->readonly_paths, &b->readonly_paths);
	same_strv(&a->sysctls, &b->sysctls);
	assert_int_equal(a->seccomp, b->seccomp);
	same_text(a->seccomp_profile, b->seccomp_profile);
	same_text(a->kernel, b->kernel);
}

static void test_model(void **state)
{
	(void)state;
	srand(2);
	for (int i = 0; i < 1000; i++) {
		auto_done(spec_sandbox) in = { 0 };
		auto_done(spec_sandbox) out = { 0 };
		auto_free char *text = NULL, *again = NULL;
		struct err err = ERR_INIT;

		random_sandbox(&in);
		assert_int_equal(spec_sandbox_encode(&in, &text, &err), 0);
		assert_null(strchr(text, '\n'));
		assert_int_equal(spec_sandbox_decode(text, strlen(text), &out, &err), 0);
		same_sandbox(&in, &out);
		assert_int_equal(spec_sandbox_encode(&out, &again, &err), 0);
		assert_string_equal(text, again);
	}
}

/* Every document cut short is refused, and leaves the caller's struct alone. */
static void test_truncated(void **state)
{
	auto_done(spec_sandbox) in = { 0 };
	auto_free char *text = NULL;
	struct spec_sandbox out = { .uid_base = 42 };

	(void)state;
	srand(3);
	random_sandbox(&in);
	assert_int_equal(spec_sandbox_encode(&in, &text, NULL), 0);
	for (size_t len = 0; len < strlen(text); len++) {
		assert_int_equal(spec_sandbox_decode(text, len, &out, NULL), -EINVAL);
		assert_int_equal(out.uid_base, 42);
		assert_null(out.id);
	}
}

/* ---- what must be refused ---- */

static void check_sandbox(const char *members, int want)
{
	auto_done(spec_sandbox) out = { 0 };
	auto_free char *text = mem_printf("{\"id\":\"" ID "\",\"service\":true%s}", members);
	struct err err = ERR_INIT;
	int r = spec_sandbox_decode(text, strlen(text), &out, &err);

	if (r != want)
		fail_msg("%s: %d instead of %d", text, r, want);
	assert_int_equal(err.code, -want);
	if (want < 0)
		assert_int_equal(err.kind, ERR_USAGE);
}

static void test_sandbox_refused(void **state)
{
	static const char *const bad[] = {
		",\"id\":\"" ID "\"", /* twice */
		",\"unknown\":1",
		",\"service\":false",
		",\"hostname\":7",
		",\"hostname\":null",
		",\"hostname\":\"a\\u0000b\"",
		",\"hostname\":{\"b64\":\"AAAA\"}", /* NUL bytes */
		",\"hostname\":{\"b64\":\"YQ\"}",
		",\"hostname\":{\"b64\":\"YR==\"}",
		",\"hostname\":{\"b64\":\"YWE=\",\"x\":1}",
		",\"uidBase\":-1",
		",\"uidBase\":4294967296",
		",\"uidBase\":4294967295,\"uidCount\":2",
		",\"uidBase\":1.5",
		",\"readonlyRoot\":1",
		",\"mounts\":{}",
		",\"mounts\":[1]",
		",\"mounts\":[{\"type\":\"bind\",\"target\":\"/a\"}]",
		",\"mounts\":[{\"type\":\"bind\",\"source\":\"a\",\"target\":\"/a\"}]",
		",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"a\"}]",
		",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"//\"}]",
		",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/./..\"}]",
		",\"files\":[{\"target\":\"/\"}]",
		",\"mounts\":[{\"type\":\"nfs\",\"target\":\"/a\"}]",
		",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/a\",\"flags\":64}]",
		",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/a\",\"mode\":4096}]",
		",\"mounts\":[{\"type\":\"tmpfs\",\"target\":\"/a\",\"propagation\":\"odd\"}]",
		",\"devices\":[{\"source\":\"/dev/a\",\"target\":\"/dev/a\",\"perms\":\"rx\"}]",
		",\"devices\":[{\"source\":\"/dev/a\",\"target\":\"/dev/a\"}]",
		",\"files\":[{\"target\":\"etc/hosts\",\"data\":\"x\"}]",
		",\"namespaces\":{\"net\":\"other\"}",
		",\"maskedPaths\":[\"proc\"]",
		",\"sysctls\":[\"kernel\"]",
		",\"sysctls\":[\"=1\"]",
		",\"seccomp\":\"none\"",
		",\"seccomp\":\"profile\"",
		",\"seccompProfile\":\"{}\"",
		",\"kernel\":\"vmlinux\"",
		",\"resources\":{\"memoryBytes\":-1}",
		",\"resources\":{\"memoryBytes\":100,\"memorySwapBytes\":99}",
		",\"resources\":{\"cpuShares\":1}",
		",\"resources\":{\"cpusetCpus\":\"all\"}",
		",\"resources\":{\"pidsLimit\":-2}",
		",\"process\":{\"cwd\":\"tmp\"}",
		",\"process\":{\"env\":[\"A\"]}",
		",\"process\":{\"env\":[\"=a\"]}",
		",\"process\":{\"capabilities\":1,\"ambient\":2}",
		",\"process\":{\"oomScoreAdj\":1001}",
		",\"process\":{\"rows\":65536}",
		",\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_ODD\"}]}",
		",\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":2,\"hard\":1}]}",
		",\"process\":{\"rlimits\":[{\"type\":\"RLIMIT_CORE\",\"soft\":-1,\"hard\":1}]}",
	};

	(void)state;
	check_sandbox("", 0);
	check_sandbox(",\"hostname\":{\"b64\":\"YQ==\"}", 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		check_sandbox(bad[i], -EINVAL);
}

static void test_limits(void **state)
{
	auto_free char *name = mem_calloc(101, 1);
	auto_free char *text = NULL;

	(void)state;
	memset(name, 'x', 65);
	text = mem_printf(",\"hostname\":\"%s\"", name);
	check_sandbox(text, -EFBIG);
	name[64] = '\0';
	free(text);
	text = mem_printf(",\"hostname\":\"%s\"", name);
	check_sandbox(text, 0);
	free(text);
	text = mem_calloc(257 * 2 + 20, 1);
	(void)snprintf(text, 20, ",\"files\":[0");
	for (size_t i = 1; i < 257; i++)
		memcpy(text + strlen(text), ",0", 3);
	memcpy(text + strlen(text), "]", 2);
	check_sandbox(text, -EFBIG);
}

static void test_id(void **state)
{
	static const char *const ids[] = {
		"",
		"0123",
		"../../../../x",
		"0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
		"g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
	};
	auto_done(spec_sandbox) out = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		auto_free char *text = mem_printf("{\"service\":true,\"id\":\"%s\"}", ids[i]);

		assert_int_equal(spec_sandbox_decode(text, strlen(text), &out, NULL), -EINVAL);
	}
	assert_int_equal(spec_sandbox_decode("{\"service\":true}", 16, &out, NULL), -EINVAL);
}

/* ---- the smaller documents ---- */

static void test_process(void **state)
{
	auto_done(spec_process) in = { 0 };
	auto_done(spec_process) out = { 0 };
	auto_free char *text = NULL;

	(void)state;
	srand(4);
	random_process(&in);
	assert_int_equal(spec_process_encode(&in, &text, NULL), 0);
	assert_int_equal(spec_process_decode(text, strlen(text), &out, NULL), 0);
	same_process(&in, &out);
	assert_int_equal(spec_process_decode("{}", 2, &out, NULL), -EINVAL);
	same_process(&in, &out);
}

static void test_resources_and_stats(void **state)
{
	auto_done(spec_resources) in = { 0 };
	auto_done(spec_resources) out = { 0 };
	struct spec_stats stats = { 1, 2, 3, 4, 5, -1, 7, 8, 9, 10, 11, 12 }, back = { 0 };
	auto_free char *text = NULL;

	(void)state;
	random_resources(&in);
	assert_int_equal(spec_resources_encode(&in, &text, NULL), 0);
	assert_int_equal(spec_resources_decode(text, strlen(text), &out, NULL), 0);
	same_resources(&in, &out);

	free(text);
	assert_int_equal(spec_stats_encode(&stats, &text, NULL), 0);
	assert_int_equal(spec_stats_decode(text, strlen(text), &back, NULL), 0);
	assert_memory_equal(&stats, &back, sizeof(stats));
	assert_int_equal(spec_stats_decode("{\"pids\":-2}", 11, &back, NULL), -EINVAL);
}

static void test_tool(void **state)
{
	struct spec_tool in = { SPEC_TOOL_STAT, SPEC_TOOL_FOLLOW, (char[]){ "/caf\xe9" } };
	auto_done(spec_tool) out = { 0 };
	auto_free char *text = NULL;
	static const char *const bad[] = {
		"{\"kind\":\"stat\"}",
		"{\"kind\":\"stat\",\"path\":\"a\"}",
		"{\"kind\":\"tarOut\",\"path\":\"/a\",\"name\":\"..\"}",
		"{\"kind\":\"tarOut\",\"path\":\"/a\",\"name\":\"a/b\"}",
		"{\"kind\":\"run\",\"path\":\"/a\"}",
		"{\"kind\":\"stat\",\"path\":\"/a\",\"flags\":32}",
	};

	(void)state;
	assert_int_equal(spec_tool_encode(&in, &text, NULL), 0);
	assert_int_equal(spec_tool_decode(text, strlen(text), &out, NULL), 0);
	assert_int_equal(out.kind, in.kind);
	assert_int_equal(out.flags, in.flags);
	assert_string_equal(out.path, in.path);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(spec_tool_decode(bad[i], strlen(bad[i]), &out, NULL), -EINVAL);
	spec_tool_done(&out);
	assert_int_equal(spec_tool_decode("{\"kind\":\"diff\"}", 15, &out, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_sandbox_refused),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_process),
		cmocka_unit_test(test_resources_and_stats),
		cmocka_unit_test(test_tool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
