/* SPDX-License-Identifier: Apache-2.0
 *
 * compare.c - one image and command at every isolation level, measured side by side
 */
#include "engine/compare.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/exit.h"
#include "engine/compare_internal.h"

#define LINE_BYTES 1024
#define REST_NS NS_PER_SEC
#define REAP_LIMIT_NS (5 * NS_PER_SEC)
#define ASK_LIMIT_NS (300 * NS_PER_SEC) /* an emulated disk is slow */
#define YARDSTICK "process"

/* ---- small steps ---- */

/**
 * struct compare - a comparison while it lasts
 * @places:	of the rows; the first is the yardstick's
 * @holder_place: where the container runs that holds the yardstick's files
 * @holder:	that container, while the yardstick is measured
 * @own:	this host's words (compare_own_place())
 */
struct compare {
	const struct compare_request *request;
	struct compare_result *result;
	struct engine_image image;
	struct compare_place places[COMPARE_ROWS_MAX];
	struct compare_place holder_place;
	struct compare_job holder;
	bool holds;
	struct compare_stop stop;
	char own[512];
};

static int64_t children_cpu_ns(void)
{
	struct rusage use;

	if (getrusage(RUSAGE_CHILDREN, &use) < 0)
		return 0;

	return ((int64_t)use.ru_utime.tv_sec + use.ru_stime.tv_sec) * NS_PER_SEC +
	       ((int64_t)use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1000;
}

/* What has ended with a run goes into children_cpu_ns(). */
static void reap(const struct compare *compare)
{
	compare_reap_all(compare->holds ? compare->holder.pid : 0, clock_now_ns() + REAP_LIMIT_NS);
}

/* COMMAND, else the image's, under the program that holds it. */
static void command_argv(const struct compare *compare, struct strv *ret)
{
	auto_done(engine_config) config = { 0 };

	(void)strv_add_all(&config.cmd, compare->request->command);
	engine_merge_image(&config, NULL, &compare->image.config);
	(void)strv_add(ret, SPEC_INIT_PATH);
	(void)strv_add(ret, "--hold");
	(void)strv_add_all(ret, &config.entrypoint);
	(void)strv_add_all(ret, &config.cmd);
}

static void probe_argv(struct strv *ret)
{
	(void)strv_add(ret, SPEC_INIT_PATH);
	(void)strv_add(ret, "--probe");
}

/* Processes that are no part of what a workload needs: the client that is attached, the holder. */
static void list_skipped(const struct compare *compare, const struct compare_place *place,
			 const struct compare_job *job, pid_t skip[2], pid_t skip_trees[2])
{
	skip[0] = place->level ? job->pid : 0;
	skip[1] = 0;
	skip_trees[0] = compare->holds ? compare->holder.pid : 0;
	skip_trees[1] = 0;
}

/* What runs it, and what it has on disk. */
static void look_at_container(const struct compare_place *place, const struct compare_job *job,
			      struct compare_row *row)
{
	auto_done(engine_container) c = { 0 };
	struct engine *e = NULL;
	uint64_t bytes;

	if (engine_open(place->root, place->run_root, 0, &e, NULL) < 0)
		return;
	if (engine_find(e, job->name, &c, NULL) == 0 && c.level->machine)
		(void)snprintf(row->machine, sizeof(row->machine), "%s", c.state.machine);
	if (engine_rw_bytes(e, job->name, &bytes, NULL) == 0)
		compare_add(&row->figures[COMPARE_DISK_BYTES], (int64_t)bytes);
	engine_close(e);
}

/* ---- one row, once ---- */

/* From the call to its first output, and the whole run's processor time. */
static int measure_command(struct compare *compare, const struct compare_place *place,
			   struct compare_row *row, struct err *err)
{
	auto_done(strv) argv = { 0 };
	int64_t cpu_ns = children_cpu_ns(), start_ns, deadline_ns;
	struct compare_job job;
	char first[1];
	int r, ended, status;
	ssize_t n;

	if (row->silent)
		return 0;
	command_argv(compare, &argv);
	r = compare_job_start(place, &argv, false, &job, err);
	if (r < 0)
		return r;
	deadline_ns = job.began_ns + compare->request->limit_ns;
	n = compare_job_read_line(&job, &compare->stop, deadline_ns, first, sizeof(first), err);
	start_ns = clock_now_ns() - job.began_ns;
	ended = compare_job_finish(place, &job, &status, n < 0 ? NULL : err);
	row->silent = n == -ETIMEDOUT;
	if (n < 0)
		return row->silent ? 0 : (int)n;
	if (ended < 0)
		return ended;
	/* The holder's word (probe.h): how the command itself ends is not in its status. */
	if (status == EXIT_CANNOT_EXEC || status == EXIT_NO_COMMAND)
		return err_setk(err, status == EXIT_NO_COMMAND ? ERR_NO_COMMAND : ERR_CANNOT_EXEC,
				ENOENT, "'%s' cannot be run in the image",
				argv.len > 2 ? argv.items[2] : "");
	reap(compare);
	compare_add(&row->figures[COMPARE_START_NS], start_ns);
	compare_add(&row->figures[COMPARE_RUN_CPU_NS], children_cpu_ns() - cpu_ns);

	return 0;
}

/* 0, or -EINTR. */
static int measure_rest(struct compare *compare, const struct compare_place *place,
			const struct compare_job *job, const char *line, struct compare_row *row)
{
	int64_t own_kib = compare_number(line, "pss_kib"), began_ns;
	struct compare_use before, after;
	pid_t skip[2], skip_trees[2];

	list_skipped(compare, place, job, skip, skip_trees);
	/* Let the start come to its end first. */
	if (compare_wait(&compare->stop, -1, clock_now_ns() + REST_NS) < 0)
		return -EINTR;
	compare_tree_use(skip, skip_trees, &before);
	began_ns = clock_now_ns();
	if (compare_wait(&compare->stop, -1, began_ns + REST_NS) < 0)
		return -EINTR;
	compare_tree_use(skip, skip_trees, &after);
	compare_add(&row->figures[COMPARE_REST_CPU_PPM],
		    (after.cpu_ns - before.cpu_ns) * 1000000 / (clock_now_ns() - began_ns));
	compare_add(&row->figures[COMPARE_REST_BYTES], after.pss_bytes);
	if (own_kib >= 0)
		compare_add(&row->figures[COMPARE_BEYOND_BYTES],
			    MAX(after.pss_bytes - own_kib * 1024, (int64_t)0));

	return 0;
}

static void add_from(const char *line, const char *name, struct compare_series *series)
{
	int64_t value = compare_number(line, name);

	if (value >= 0)
		compare_add(series, value);
}

static int talk_to_probe(struct compare *compare, const struct compare_place *place,
			 const struct compare_job *job, struct compare_row *row, struct err *err)
{
	int64_t deadline_ns = job->began_ns + compare->request->limit_ns;
	char line[LINE_BYTES];
	ssize_t n =
		compare_job_read_line(job, &compare->stop, deadline_ns, line, sizeof(line), err);

	if (n <= 0 || n == sizeof(line))
		return n < 0 ? (int)n : err_set(err, EPROTO, "its first line is missing");
	compare_describe(line, compare->own, row);
	if (measure_rest(compare, place, job, line, row) < 0)
		return -EINTR;
	if (place->level)
		look_at_container(place, job, row);
	if (write(job->in_fd, "m", 1) != 1)
		return err_sys(err, "ask it to measure");
	n = compare_job_read_line(job, &compare->stop, clock_now_ns() + ASK_LIMIT_NS, line,
				  sizeof(line), err);
	if (n <= 0 || n == sizeof(line))
		return n < 0 ? (int)n : err_set(err, EPROTO, "its second line is missing");
	add_from(line, "call_ps", &row->figures[COMPARE_CALL_PS]);
	add_from(line, "write_bps", &row->figures[COMPARE_WRITE_BPS]);
	add_from(line, "read_bps", &row->figures[COMPARE_READ_BPS]);

	return 0;
}

static int measure_probe(struct compare *compare, const struct compare_place *place,
			 struct compare_row *row, struct err *err)
{
	auto_done(strv) argv = { 0 };
	struct compare_job job;
	struct err later = ERR_INIT;
	int r, ended, status;

	probe_argv(&argv);
	r = compare_job_start(place, &argv, true, &job, err);
	if (r < 0)
		return r;
	r = talk_to_probe(compare, place, &job, row, err);
	ended = compare_job_finish(place, &job, &status, &later);
	reap(compare);
	/* What could not be started says why, and then nothing. */
	if (ended < 0 && r != -EINTR) {
		if (err)
			*err = later;
		return ended;
	}

	return r;
}

/* A container with the image's files that stays: the plain processes' root. */
static int hold_files(struct compare *compare, struct err *err)
{
	const struct compare_place *place = &compare->holder_place;
	auto_done(strv) argv = { 0 };
	auto_done(engine_container) c = { 0 };
	char line[LINE_BYTES];
	struct engine *e = NULL;
	ssize_t n;
	int r;

	probe_argv(&argv);
	r = compare_job_start(place, &argv, true, &compare->holder, err);
	if (r < 0)
		return r;
	compare->holds = true;
	n = compare_job_read_line(&compare->holder, &compare->stop,
				  compare->holder.began_ns + compare->request->limit_ns, line,
				  sizeof(line), err);
	if (n <= 0)
		return n < 0 ? (int)n : err_set(err, EPROTO, "the image's files cannot be held");
	r = engine_open(place->root, place->run_root, 0, &e, err);
	if (r == 0)
		r = engine_find(e, compare->holder.name, &c, err);
	engine_close(e);
	if (r == 0)
		compare->places[0].holder_pid = c.state.pid;

	return r;
}

/* @r: how the yardstick's measurement went. Of a holder that did not start that is the reason. */
static int let_go(struct compare *compare, int r, struct err *err)
{
	struct err later = ERR_INIT;
	int status, ended;

	if (!compare->holds)
		return r;
	ended = compare_job_finish(&compare->holder_place, &compare->holder, &status, &later);
	compare->holds = false;
	reap(compare);
	if (ended == 0 || r == 0 || r == -EINTR)
		return r;
	if (err)
		*err = later;

	return ended;
}

/* Both runs of a row. */
static int measure_runs(struct compare *compare, size_t i, struct err *err)
{
	struct compare_row *row = &compare->result->rows[i];
	int r = measure_command(compare, &compare->places[i], row, err);

	if (r < 0)
		return err_wrap(err, r, "run the command (%s)", row->name);
	r = measure_probe(compare, &compare->places[i], row, err);

	return r < 0 ? err_wrap(err, r, "measure (%s)", row->name) : 0;
}

/* The holder lives no longer than the yardstick's row: other rows are measured alone. */
static int measure_row(struct compare *compare, size_t i, struct err *err)
{
	int r;

	if (compare->places[i].level)
		return measure_runs(compare, i, err);
	r = hold_files(compare, err);
	if (r == 0)
		r = measure_runs(compare, i, err);

	return let_go(compare, r, err);
}

/* ---- all of it ---- */

static void note_why(struct compare_row *row, const struct err *why)
{
	char text[sizeof(why->frames)];

	(void)snprintf(row->why, sizeof(row->why), "%s", err_text(why, text, sizeof(text)));
	(void)snprintf(row->hint, sizeof(row->hint), "%s", why->hint);
}

static void list_rows(struct compare *compare, const char *root, const char *run_root)
{
	struct compare_result *result = compare->result;
	const struct monitor_level *levels;
	struct compare_place place = { .root = root,
				       .run_root = run_root,
				       .image = &compare->image,
				       .image_name = compare->request->image };
	size_t len;

	levels = monitor_levels(&len);
	*result = (struct compare_result){ .len = 1 };
	(void)snprintf(result->rows[0].name, sizeof(result->rows[0].name), YARDSTICK);
	compare->places[0] = place;
	for (size_t i = 0; i < len && result->len < COMPARE_ROWS_MAX; i++) {
		struct compare_row *row = &result->rows[result->len];
		struct err why = ERR_INIT;

		(void)snprintf(row->name, sizeof(row->name), "%s", levels[i].name);
		place.level = levels[i].name;
		if (monitor_probe(levels[i].name, &why) < 0)
			note_why(row, &why);
		/* A level whose files are mounts of this host lends them to the yardstick. */
		if (levels[i].host_namespaces && !compare->holder_place.level) {
			compare->holder_place = place;
			compare->holder_place.plain = true;
			if (*row->why)
				note_why(&result->rows[0], &why);
		}
		compare->places[result->len++] = place;
	}
}

/* What the user has asked for in vain fails everywhere. */
static bool is_in_vain(const struct err *err)
{
	return err->kind == ERR_USAGE || err->kind == ERR_NO_COMMAND ||
	       err->kind == ERR_CANNOT_EXEC;
}

/* 0, the signal that came, or a negative errno. */
static int measure_all(struct compare *compare, struct err *err)
{
	struct compare_result *result = compare->result;

	for (unsigned round = 0; round < compare->request->repeat; round++)
		for (size_t i = 0; i < result->len; i++) {
			struct compare_row *row = &result->rows[i];
			struct err why = ERR_INIT;
			int r;

			if (*row->why)
				continue;
			if (compare->request->progress)
				compare->request->progress(row->name, round);
			r = measure_row(compare, i, &why);
			if (compare->stop.signo != 0)
				return compare->stop.signo;
			if (r < 0 && is_in_vain(&why)) {
				*err = why;
				return r;
			}
			if (r < 0)
				note_why(row, &why);
		}

	return 0;
}

static int find_image(struct compare *compare, const char *root, const char *run_root,
		      struct err *err)
{
	struct engine *e = NULL;
	int r = engine_open(root, run_root, ENGINE_REPAIR, &e, err);

	if (r == 0)
		r = engine_image_find(e, compare->request->image, &compare->image, err);
	engine_close(e);
	if (r == 0 && compare->request->command->len + compare->image.config.cmd.len +
				      compare->image.config.entrypoint.len ==
			      0)
		return err_setk(err, ERR_USAGE, EINVAL, "neither you nor the image name a command");

	return r;
}

/* The signals, and whatever a run leaves behind, come to this process. */
static int take_over(struct compare *compare, struct err *err)
{
	sigset_t ending;

	(void)sigemptyset(&ending);
	signals_add_ending(&ending);
	if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return err_sys(err, "take orphans over");

	return signals_take(&compare->stop.signals, &ending, err);
}

int engine_compare(const char *root, const char *run_root, const struct compare_request *request,
		   struct compare_result *ret, struct err *err)
{
	struct compare compare = { .request = request,
				   .result = ret,
				   .stop = { .signals = { .fd = -1 } } };
	int r = find_image(&compare, root, run_root, err);

	if (r == 0)
		r = take_over(&compare, err);
	if (r == 0) {
		compare_own_place(compare.own, sizeof(compare.own));
		list_rows(&compare, root, run_root);
		r = measure_all(&compare, err);
	}
	signals_done(&compare.stop.signals);
	engine_image_done(&compare.image);

	return r;
}
