/* SPDX-License-Identifier: Apache-2.0
 *
 * lookup.c - from the words users write to what the kernel calls it
 */
#include "engine/lookup.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>

#include "base/mem.h"
#include "base/parse.h"

#define CAP(name) (UINT64_C(1) << (name))

/* Docker's set without AUDIT_WRITE, MKNOD and NET_RAW. */
static const uint64_t caps_default =
	CAP(CAP_CHOWN) | CAP(CAP_DAC_OVERRIDE) | CAP(CAP_FOWNER) | CAP(CAP_FSETID) | CAP(CAP_KILL) |
	CAP(CAP_SETGID) | CAP(CAP_SETUID) | CAP(CAP_SETPCAP) | CAP(CAP_NET_BIND_SERVICE) |
	CAP(CAP_SYS_CHROOT) | CAP(CAP_SETFCAP);

/* Indexed by number: capabilities(7). */
static const char *const cap_names[] = {
	"CHOWN",
	"DAC_OVERRIDE",
	"DAC_READ_SEARCH",
	"FOWNER",
	"FSETID",
	"KILL",
	"SETGID",
	"SETUID",
	"SETPCAP",
	"LINUX_IMMUTABLE",
	"NET_BIND_SERVICE",
	"NET_BROADCAST",
	"NET_ADMIN",
	"NET_RAW",
	"IPC_LOCK",
	"IPC_OWNER",
	"SYS_MODULE",
	"SYS_RAWIO",
	"SYS_CHROOT",
	"SYS_PTRACE",
	"SYS_PACCT",
	"SYS_ADMIN",
	"SYS_BOOT",
	"SYS_NICE",
	"SYS_RESOURCE",
	"SYS_TIME",
	"SYS_TTY_CONFIG",
	"MKNOD",
	"LEASE",
	"AUDIT_WRITE",
	"AUDIT_CONTROL",
	"SETFCAP",
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

_Static_assert(ARRAY_SIZE(cap_names) == CAP_CHECKPOINT_RESTORE + 1, "one name for each");

static int cap_bits(const char *word, uint64_t *ret, struct err *err)
{
	const char *name = strncasecmp(word, "CAP_", 4) == 0 ? word + 4 : word;

	if (strcasecmp(name, "ALL") == 0) {
		*ret = LOOKUP_CAPS_ALL;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(cap_names); i++) {
		if (strcasecmp(name, cap_names[i]) == 0) {
			*ret = CAP(i);
			return 0;
		}
	}
	err_setk(err, ERR_USAGE, EINVAL, "unknown capability '%s'", word);
	err_hint(err, "capabilities(7) lists them, such as NET_RAW or SYS_PTRACE");

	return -EINVAL;
}

static int cap_union(const struct strv *words, uint64_t *ret, bool *ret_all, struct err *err)
{
	for (size_t i = 0; i < words->len; i++) {
		uint64_t bits = 0;
		int r = cap_bits(words->items[i], &bits, err);

		if (r < 0)
			return r;
		if (bits == LOOKUP_CAPS_ALL)
			*ret_all = true;
		else
			*ret |= bits;
	}

	return 0;
}

int lookup_caps(const struct strv *add, const struct strv *drop, uint64_t *ret, struct err *err)
{
	uint64_t added = 0, dropped = 0;
	bool add_all = false, drop_all = false;
	int r = cap_union(add, &added, &add_all, err);

	if (r == 0)
		r = cap_union(drop, &dropped, &drop_all, err);
	if (r < 0)
		return r;
	if (drop_all)
		*ret = add_all ? LOOKUP_CAPS_ALL : added;
	else
		*ret = ((add_all ? LOOKUP_CAPS_ALL : caps_default) | added) & ~dropped;

	return 0;
}

static int find_signal(const char *name)
{
	for (int signo = 1; signo < 32; signo++) {
		const char *known = sigabbrev_np(signo);

		if (known && strcasecmp(name, known) == 0)
			return signo;
	}

	return -EINVAL;
}

int lookup_signal(const char *text, struct err *err)
{
	const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
	uint64_t number, offset = 0;
	int signo;

	if (parse_u64(text, 1, 64, &number) == 0)
		return (int)number;
	signo = find_signal(name);
	if (signo > 0)
		return signo;
	if (strncasecmp(name, "RTMIN", 5) == 0 &&
	    (name[5] == '\0' || (name[5] == '+' && parse_u64(name + 6, 0, 30, &offset) == 0)))
		return 34 + (int)offset;
	if (strncasecmp(name, "RTMAX", 5) == 0 &&
	    (name[5] == '\0' || (name[5] == '-' && parse_u64(name + 6, 0, 30, &offset) == 0)))
		return 64 - (int)offset;

	return err_setk(err, ERR_USAGE, EINVAL, "invalid signal '%s'", text);
}

static int limit_value(struct slice text, uint64_t *ret)
{
	if (slice_eq(text, "-1") || slice_eq(text, "unlimited")) {
		*ret = UINT64_MAX;
		return 0;
	}

	return parse_slice_u64(text, 0, UINT64_MAX - 1, ret);
}

int lookup_ulimit(const char *text, struct spec_rlimit *ret, struct err *err)
{
	static const struct {
		const char *name;
		int resource;
	} known[] = {
		{ "as", RLIMIT_AS },
		{ "core", RLIMIT_CORE },
		{ "cpu", RLIMIT_CPU },
		{ "data", RLIMIT_DATA },
		{ "fsize", RLIMIT_FSIZE },
		{ "locks", RLIMIT_LOCKS },
		{ "memlock", RLIMIT_MEMLOCK },
		{ "msgqueue", RLIMIT_MSGQUEUE },
		{ "nice", RLIMIT_NICE },
		{ "nofile", RLIMIT_NOFILE },
		{ "nproc", RLIMIT_NPROC },
		{ "rss", RLIMIT_RSS },
		{ "rtprio", RLIMIT_RTPRIO },
		{ "rttime", RLIMIT_RTTIME },
		{ "sigpending", RLIMIT_SIGPENDING },
		{ "stack", RLIMIT_STACK },
	};
	struct slice value = slice_of(text), name, soft;
	struct spec_rlimit limit = { .resource = -1 };
	int r;

	(void)slice_next(&value, '=', &name);
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (slice_eq(name, known[i].name))
			limit.resource = known[i].resource;
	if (limit.resource < 0)
		return err_setk(err, ERR_USAGE, EINVAL, "invalid ulimit '%s': unknown type", text);
	r = slice_next(&value, ':', &soft) ? limit_value(soft, &limit.soft) : -EINVAL;
	limit.hard = limit.soft;
	if (r == 0 && value.at)
		r = limit_value(value, &limit.hard);
	if (r < 0)
		return err_setk(err, ERR_USAGE, EINVAL,
				"invalid ulimit '%s': expected NAME=SOFT[:HARD]", text);
	if (limit.soft > limit.hard)
		return err_setk(err, ERR_USAGE, EINVAL,
				"invalid ulimit '%s': the soft limit exceeds the hard limit", text);
	*ret = limit;

	return 0;
}

int lookup_device(const char *text, struct spec_device *ret, struct err *err)
{
	struct slice rest = slice_of(text), parts[3] = { 0 };
	struct slice perms = slice_of("rwm"), target;
	size_t len = 0;

	while (len < ARRAY_SIZE(parts) && slice_next(&rest, ':', &parts[len]))
		len++;
	target = parts[0];
	if (len == 2 && parts[1].len > 0 && parts[1].at[0] != '/')
		perms = parts[1];
	else if (len >= 2)
		target = parts[1];
	if (len == 3)
		perms = parts[2];
	if (rest.at || parts[0].len == 0 || parts[0].at[0] != '/' || target.len == 0 ||
	    target.at[0] != '/' || perms.len == 0)
		return err_setk(err, ERR_USAGE, EINVAL,
				"invalid device '%s': expected /dev/HOST[:/dev/INSIDE[:rwm]]",
				text);
	for (size_t i = 0; i < perms.len; i++)
		if (!strchr("rwm", perms.at[i]))
			return err_setk(err, ERR_USAGE, EINVAL,
					"invalid device '%s': permissions are r, w and m", text);
	*ret = (struct spec_device){
		.source = mem_strndup(parts[0].at, parts[0].len),
		.target = mem_strndup(target.at, target.len),
		.perms = mem_strndup(perms.at, perms.len),
	};

	return 0;
}
