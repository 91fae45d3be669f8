/* SPDX-License-Identifier: Apache-2.0
 *
 * seccomp_profile.c - profiles in the JSON format of Docker and the OCI runtime specification
 *
 * Docker writes "syscalls": [{"names": [...], "action": ..., "args": [...], "includes": {"caps":
 * [...], "arches": [...], "minKernel": "4.8"}, "excludes": {...}}]; OCI has no includes.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/utsname.h>

#include "base/parse.h"
#include "linux/caps.h"
#include "runtime/seccomp.h"
#include "wire/json.h"

/* Rules after names have been multiplied out. */
#define RULES_MAX 65536
#define ERRNO_MAX 4095

static const struct {
	const char *name;
	uint32_t action;
	bool has_errno;
} ACTIONS[] = {
	{ "SCMP_ACT_ALLOW", SECCOMP_RET_ALLOW, false },
	{ "SCMP_ACT_ERRNO", SECCOMP_RET_ERRNO, true },
	{ "SCMP_ACT_KILL", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_THREAD", SECCOMP_RET_KILL_THREAD, false },
	{ "SCMP_ACT_KILL_PROCESS", SECCOMP_RET_KILL_PROCESS, false },
	{ "SCMP_ACT_TRAP", SECCOMP_RET_TRAP, false },
	{ "SCMP_ACT_TRACE", SECCOMP_RET_TRACE, true },
	{ "SCMP_ACT_LOG", SECCOMP_RET_LOG, false },
};

static const struct {
	const char *name;
	enum seccomp_compare op;
} OPERATORS[] = {
	{ "SCMP_CMP_NE", SECCOMP_CMP_NE },
	{ "SCMP_CMP_LT", SECCOMP_CMP_LT },
	{ "SCMP_CMP_LE", SECCOMP_CMP_LE },
	{ "SCMP_CMP_EQ", SECCOMP_CMP_EQ },
	{ "SCMP_CMP_GE", SECCOMP_CMP_GE },
	{ "SCMP_CMP_GT", SECCOMP_CMP_GT },
	{ "SCMP_CMP_MASKED_EQ", SECCOMP_CMP_MASKED_EQ },
};

/* The capabilities by which profiles open calls; names as the kernel's, by number. */
static const char *const CAPS[] = {
	"CAP_CHOWN",
	"CAP_DAC_OVERRIDE",
	"CAP_DAC_READ_SEARCH",
	"CAP_FOWNER",
	"CAP_FSETID",
	"CAP_KILL",
	"CAP_SETGID",
	"CAP_SETUID",
	"CAP_SETPCAP",
	"CAP_LINUX_IMMUTABLE",
	"CAP_NET_BIND_SERVICE",
	"CAP_NET_BROADCAST",
	"CAP_NET_ADMIN",
	"CAP_NET_RAW",
	"CAP_IPC_LOCK",
	"CAP_IPC_OWNER",
	"CAP_SYS_MODULE",
	"CAP_SYS_RAWIO",
	"CAP_SYS_CHROOT",
	"CAP_SYS_PTRACE",
	"CAP_SYS_PACCT",
	"CAP_SYS_ADMIN",
	"CAP_SYS_BOOT",
	"CAP_SYS_NICE",
	"CAP_SYS_RESOURCE",
	"CAP_SYS_TIME",
	"CAP_SYS_TTY_CONFIG",
	"CAP_MKNOD",
	"CAP_LEASE",
	"CAP_AUDIT_WRITE",
	"CAP_AUDIT_CONTROL",
	"CAP_SETFCAP",
	"CAP_MAC_OVERRIDE",
	"CAP_MAC_ADMIN",
	"CAP_SYSLOG",
	"CAP_WAKE_ALARM",
	"CAP_BLOCK_SUSPEND",
	"CAP_AUDIT_READ",
	"CAP_PERFMON",
	"CAP_BPF",
	"CAP_CHECKPOINT_RESTORE",
};

#if defined(__x86_64__)
static const char *const ARCH_NAMES[] = { "amd64", "x86_64", "SCMP_ARCH_X86_64" };
#elif defined(__aarch64__)
static const char *const ARCH_NAMES[] = { "arm64", "aarch64", "SCMP_ARCH_AARCH64" };
#endif

struct profile {
	struct seccomp_rule *rules;
	size_t len, room;
	uint64_t caps;
};

static int get_action(const json_t *object, const char *key, const char *errno_key,
		      uint32_t *ret_action, struct err *err)
{
	int64_t code = EPERM;
	const char *name = NULL;
	int r = json_get_text(object, key, &name, err);

	if (r == 0)
		r = json_get_i64(object, errno_key, 0, ERRNO_MAX, &code, err);
	if (r < 0)
		return r;
	for (size_t i = 0; name && i < ARRAY_SIZE(ACTIONS); i++) {
		if (strcmp(name, ACTIONS[i].name) != 0)
			continue;
		*ret_action = ACTIONS[i].action | (ACTIONS[i].has_errno ? (uint32_t)code : 0);
		return 0;
	}

	return err_set(err, EINVAL, "action '%s' is not supported", name ? name : "");
}

static int add_cond(struct seccomp_rule *rule, const json_t *arg, struct err *err)
{
	struct seccomp_cond *cond = &rule->conds[rule->conds_len];
	uint32_t index = 0;
	const char *op = NULL;
	uint64_t value_two = 0;
	int r;

	if (rule->conds_len == SECCOMP_MAX_CONDS)
		return err_set(err, E2BIG, "more than %d conditions", SECCOMP_MAX_CONDS);
	*cond = (struct seccomp_cond){ 0 };
	r = json_get_u32(arg, "index", &index, err);
	if (r == 0)
		r = json_get_u64(arg, "value", &cond->value, err);
	if (r == 0)
		r = json_get_u64(arg, "valueTwo", &value_two, err);
	if (r == 0)
		r = json_get_text(arg, "op", &op, err);
	if (r < 0)
		return r;
	if (index > 5)
		return err_set(err, EINVAL, "argument %u of a system call", index);
	cond->arg = index;
	for (size_t i = 0; op && i < ARRAY_SIZE(OPERATORS); i++) {
		if (strcmp(op, OPERATORS[i].name) != 0)
			continue;
		cond->op = OPERATORS[i].op;
		/* libseccomp's order: the mask first, then what is expected. */
		if (cond->op == SECCOMP_CMP_MASKED_EQ) {
			cond->mask = cond->value;
			cond->value = value_two;
		}
		rule->conds_len++;
		return 0;
	}

	return err_set(err, EINVAL, "operator '%s' is unknown", op ? op : "");
}

static bool has_cap(uint64_t caps, const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(CAPS); i++)
		if (strcmp(name, CAPS[i]) == 0)
			return caps & CAPS_BIT(i);

	return false;
}

static bool is_this_arch(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(ARCH_NAMES); i++)
		if (strcmp(name, ARCH_NAMES[i]) == 0)
			return true;

	return false;
}

/* "4.8" against the running kernel's release. */
static bool kernel_is_at_least(const char *version)
{
	struct slice have, want = slice_of(version), part;
	struct utsname uts;

	if (uname(&uts) < 0)
		return false;
	have = slice_of(uts.release);
	for (int i = 0; i < 2; i++) {
		uint64_t numbers[2] = { 0, 0 };
		struct slice *sides[2] = { &have, &want };

		for (int side = 0; side < 2; side++) {
			size_t digits = 0;

			if (!slice_next(sides[side], '.', &part))
				continue;
			while (digits < part.len && part.at[digits] >= '0' &&
			       part.at[digits] <= '9')
				digits++;
			part.len = digits;
			(void)parse_slice_u64(part, 0, UINT32_MAX, &numbers[side]);
		}
		if (numbers[0] != numbers[1])
			return numbers[0] > numbers[1];
	}

	return true;
}

/* Does a condition of "includes" or "excludes" hold? @all: every entry must, else any. */
static int matches(const json_t *filter, uint64_t caps, bool all, bool *ret, struct err *err)
{
	auto_done(strv) cap_names = { 0 }, arches = { 0 };
	const char *min_kernel = NULL;
	size_t held = 0, arch = 0;
	int r = json_get_strv(filter, "caps", &cap_names, err);

	if (r == 0)
		r = json_get_strv(filter, "arches", &arches, err);
	if (r == 0)
		r = json_get_text(filter, "minKernel", &min_kernel, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cap_names.len; i++)
		held += has_cap(caps, cap_names.items[i]);
	for (size_t i = 0; i < arches.len; i++)
		arch += is_this_arch(arches.items[i]);
	if (all)
		*ret = held == cap_names.len && (arches.len == 0 || arch > 0) &&
		       (!min_kernel || kernel_is_at_least(min_kernel));
	else
		*ret = held > 0 || arch > 0 || (min_kernel && kernel_is_at_least(min_kernel));

	return 0;
}

static int applies(const json_t *entry, uint64_t caps, bool *ret, struct err *err)
{
	const json_t *includes = NULL, *excludes = NULL;
	bool included = true, excluded = false;
	int r = json_get_object(entry, "includes", &includes, err);

	if (r == 0)
		r = json_get_object(entry, "excludes", &excludes, err);
	if (r == 0 && includes)
		r = matches(includes, caps, true, &included, err);
	if (r == 0 && excludes)
		r = matches(excludes, caps, false, &excluded, err);
	*ret = included && !excluded;

	return r;
}

static int add_rule(struct profile *p, const struct seccomp_rule *rule, struct err *err)
{
	if (p->len == p->room) {
		size_t room = p->room ? p->room * 2 : 512;
		struct seccomp_rule *bigger;

		if (room > RULES_MAX)
			return err_set(err, E2BIG, "more than %d rules", RULES_MAX);
		bigger = realloc(p->rules, room * sizeof(*bigger));
		if (!bigger)
			return err_set(err, ENOMEM, "out of memory");
		p->rules = bigger;
		p->room = room;
	}
	p->rules[p->len++] = *rule;

	return 0;
}

static int add_entry(struct profile *p, const json_t *entry, struct err *err)
{
	auto_done(strv) names = { 0 };
	struct seccomp_rule rule = { 0 };
	const json_t *args = NULL, *arg;
	const char *name = NULL;
	bool wanted;
	size_t i;
	int r = applies(entry, p->caps, &wanted, err);

	if (r < 0 || !wanted)
		return r;
	r = json_get_strv(entry, "names", &names, err);
	if (r == 0)
		r = json_get_text(entry, "name", &name, err);
	if (r == 0 && name && strv_add(&names, name) < 0)
		r = err_set(err, ENOMEM, "out of memory");
	if (r == 0)
		r = get_action(entry, "action", "errnoRet", &rule.action, err);
	if (r == 0)
		r = json_get_array(entry, "args", &args, err);
	if (r == 0 && args)
		json_array_foreach ((json_t *)(uintptr_t)args, i, arg) {
			r = add_cond(&rule, arg, err);
			if (r < 0)
				break;
		}
	for (i = 0; r == 0 && i < names.len; i++) {
		rule.nr = seccomp_call_number(names.items[i]);
		if (rule.nr >= 0)
			r = add_rule(p, &rule, err);
	}

	return r;
}

static int compile(struct profile *p, const json_t *doc, struct seccomp_filter *ret,
		   struct err *err)
{
	struct seccomp_policy policy = { .known_max = seccomp_call_max() };
	const json_t *entries = NULL, *entry;
	size_t i;
	int r = get_action(doc, "defaultAction", "defaultErrnoRet", &policy.otherwise, err);

	if (r == 0)
		r = json_get_array(doc, "syscalls", &entries, err);
	if (r == 0 && entries)
		json_array_foreach ((json_t *)(uintptr_t)entries, i, entry) {
			r = add_entry(p, entry, err);
			if (r < 0)
				return err_wrap(err, r, "entry %zu of \"syscalls\"", i);
		}
	if (r < 0)
		return r;
	policy.rules = p->rules;
	policy.rules_len = p->len;

	return seccomp_compile(&policy, ret, err);
}

int runtime_seccomp_profile(const char *text, uint64_t caps, struct seccomp_filter *ret,
			    struct err *err)
{
	struct profile profile = { .caps = caps };
	auto_json *doc = NULL;
	int r = json_parse(text, strlen(text), "seccomp profile", &doc, err);

	if (r == 0)
		r = compile(&profile, doc, ret, err);
	free(profile.rules);
	if (r < 0) {
		err_kind(err, ERR_USAGE);
		return err_wrap(err, r, "seccomp profile");
	}

	return 0;
}
