/* SPDX-License-Identifier: Apache-2.0
 *
 * ps.c - the processes of a workload, from its cgroup and /proc
 */
#include "runtime/ps.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "runtime/build.h"
#include "wire/json.h"

#define STAT_MAX_BYTES 4096
#define CMDLINE_MAX_BYTES (64 * KIB)
#define SEC_PER_DAY 86400

static const char *const TITLES[] = { "UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD" };
enum column {
	COL_UID,
	COL_PID,
	COL_PPID,
	COL_C,
	COL_STIME,
	COL_TTY,
	COL_TIME,
	COL_CMD,
	COLUMNS
};

/* Fields of /proc/PID/stat after the command's name, which may hold anything; see proc(5). */
enum stat_field {
	STAT_PPID = 1,
	STAT_TTY = 4,
	STAT_UTIME = 11,
	STAT_STIME = 12,
	STAT_START = 19
};
#define STAT_FIELDS 20

struct now {
	int64_t wall_sec, uptime_sec;
	long ticks;
};

static int parse_stat(const char *text, int64_t fields[STAT_FIELDS], struct slice *ret_name)
{
	const char *open = strchr(text, '('), *close = strrchr(text, ')');
	struct slice rest, word;
	size_t i;

	if (!open || !close || close < open || close[1] != ' ')
		return -EPROTO;
	*ret_name = (struct slice){ open + 1, (size_t)(close - open - 1) };
	rest = slice_of(close + 2);
	for (i = 0; i < STAT_FIELDS && slice_next(&rest, ' ', &word); i++) {
		char number[32];

		(void)snprintf(number, sizeof(number), "%.*s", (int)word.len, word.at);
		if (parse_i64(number, INT64_MIN + 1, INT64_MAX, &fields[i]) < 0)
			fields[i] = 0;
	}

	return i == STAT_FIELDS ? 0 : -EPROTO;
}

static void format_tty(int64_t device, char *buf, size_t buf_bytes)
{
	unsigned number = (unsigned)device;
	unsigned major = number >> 8 & 0xfff, minor = (number & 0xff) | (number >> 12 & 0xfff00);

	if (major >= 136 && major <= 143)
		(void)snprintf(buf, buf_bytes, "pts/%u", (major - 136) * 256 + minor);
	else
		(void)snprintf(buf, buf_bytes, number ? "tty" : "?");
}

/* Started today: the time, else the date; in UTC, as the rest of what we print. */
static void format_start(const struct now *now, int64_t start_ticks, char buf[8])
{
	int64_t start = now->wall_sec - now->uptime_sec + start_ticks / now->ticks;
	char text[CLOCK_RFC3339_BYTES];

	(void)clock_rfc3339(start * NS_PER_SEC, text);
	if (start / SEC_PER_DAY == now->wall_sec / SEC_PER_DAY)
		(void)snprintf(buf, 8, "%.5s", text + 11);
	else
		(void)snprintf(buf, 8, "%.5s", text + 5);
}

/* Arguments are separated by NULs; a kernel thread or zombie has none. */
static void format_command(int proc_fd, struct slice name, struct strbuf *cmd)
{
	auto_free char *text = NULL;
	size_t len = 0;

	if (fd_read_file(proc_fd, "cmdline", CMDLINE_MAX_BYTES, &text, &len, NULL) < 0 ||
	    len == 0) {
		(void)strbuf_addf(cmd, "[%.*s]", (int)name.len, name.at);
		return;
	}
	for (size_t i = 0; i + 1 < len; i++)
		(void)strbuf_addc(cmd, text[i] ? text[i] : ' ');
}

static uint32_t inner_uid(const struct runtime *rt, uid_t uid)
{
	return rt->uid_count && uid >= rt->uid_base && uid - rt->uid_base < rt->uid_count
		       ? uid - rt->uid_base
		       : uid;
}

static int add_row(const struct runtime *rt, pid_t pid, const struct now *now, json_t *rows)
{
	auto_done(strbuf) cmd = STRBUF_INIT(CMDLINE_MAX_BYTES);
	auto_done(strv) row = { 0 };
	auto_free char *text = NULL;
	auto_close int proc_fd = -1;
	int64_t f[STAT_FIELDS], used_sec, age_sec;
	char path[32], cell[COLUMNS][40];
	struct slice name;
	struct stat st;
	auto_json *wrap = json_object();

	(void)snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	proc_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	/* One that has ended meanwhile is left out. */
	if (proc_fd < 0 || fstat(proc_fd, &st) < 0 ||
	    fd_read_file(proc_fd, "stat", STAT_MAX_BYTES, &text, NULL, NULL) < 0 ||
	    parse_stat(text, f, &name) < 0)
		return 0;
	format_command(proc_fd, name, &cmd);
	used_sec = (f[STAT_UTIME] + f[STAT_STIME]) / now->ticks;
	age_sec = MAX(now->uptime_sec - f[STAT_START] / now->ticks, (int64_t)1);
	(void)snprintf(cell[COL_UID], sizeof(cell[0]), "%u", inner_uid(rt, st.st_uid));
	(void)snprintf(cell[COL_PID], sizeof(cell[0]), "%d", (int)pid);
	(void)snprintf(cell[COL_PPID], sizeof(cell[0]), "%" PRId64, f[STAT_PPID]);
	(void)snprintf(cell[COL_C], sizeof(cell[0]), "%" PRId64, used_sec * 100 / age_sec);
	format_start(now, f[STAT_START], cell[COL_STIME]);
	format_tty(f[STAT_TTY], cell[COL_TTY], sizeof(cell[0]));
	(void)snprintf(cell[COL_TIME], sizeof(cell[0]), "%02" PRId64 ":%02d:%02d", used_sec / 3600,
		       (int)(used_sec / 60 % 60), (int)(used_sec % 60));
	for (int i = 0; i < COL_CMD; i++)
		if (strv_add(&row, cell[i]) < 0)
			return -ENOMEM;
	if (strv_add(&row, strbuf_get(&cmd)) < 0 || !wrap || json_set_strv(wrap, "row", &row) < 0)
		return -ENOMEM;

	return json_array_append(rows, json_object_get(wrap, "row")) < 0 ? -ENOMEM : 0;
}

static int fill(const struct runtime *rt, json_t *rows, struct err *err)
{
	struct now now = { .wall_sec = clock_wall_ns() / NS_PER_SEC,
			   .ticks = sysconf(_SC_CLK_TCK) };
	auto_free pid_t *pids = NULL;
	struct timespec boot;
	size_t len = 0;
	int r = cgroup_pids(&rt->cgroup, &pids, &len, err);

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	now.uptime_sec = boot.tv_sec;
	for (size_t i = 0; r == 0 && i < len; i++) {
		r = add_row(rt, pids[i], &now, rows);
		if (r < 0)
			err_set(err, -r, "out of memory");
	}

	return r;
}

int runtime_ps(const struct runtime *rt, int out_fd, struct err *err)
{
	auto_json *doc = json_object();
	json_t *rows = json_array();
	auto_done(strv) titles = { 0 };
	auto_free char *text = NULL;
	int r;

	if (json_object_set_new(doc, "rows", rows) < 0)
		return err_set(err, ENOMEM, "out of memory");
	for (size_t i = 0; i < ARRAY_SIZE(TITLES); i++)
		if (strv_add(&titles, TITLES[i]) < 0)
			return err_set(err, ENOMEM, "out of memory");
	if (json_set_strv(doc, "titles", &titles) < 0)
		return err_set(err, ENOMEM, "out of memory");
	r = fill(rt, rows, err);
	if (r < 0)
		return r;
	text = json_text(doc);
	if (!text)
		return err_set(err, ENOMEM, "out of memory");
	r = fd_write_all(out_fd, text, strlen(text));

	return r < 0 ? err_wrap(err, r, "write the list of processes") : 0;
}
