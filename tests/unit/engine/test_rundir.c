/* SPDX-License-Identifier: Apache-2.0
 *
 * test_rundir.c - locks on run directories, and the sweep after crashes
 */
#include "check.h"
#include "engine/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/mem.h"

static bool exists(const struct fixture *f)
{
	auto_free char *path = rundir_path(f->e, f->id);

	return access(path, F_OK) == 0;
}

static void test_one_holder(void **state)
{
	struct fixture *f = *state;
	int first = rundir_lock(f->e, f->id, RUNDIR_WAIT, &f->err);

	assert_true(first >= 0);
	assert_int_equal(rundir_lock(f->e, f->id, RUNDIR_TRY, &f->err), -EAGAIN);
	fd_close(first);
	first = rundir_lock(f->e, f->id, RUNDIR_TRY, &f->err);
	assert_true(first >= 0);
	assert_int_equal(rundir_remove(f->e, f->id, first, &f->err), 0);
	fd_close(first);
	assert_false(exists(f));
}

/* Who waits while the holder removes the directory must get a new one, not the dead one. */
static void test_waiting_for_a_removal(void **state)
{
	struct fixture *f = *state;
	int held = rundir_lock(f->e, f->id, RUNDIR_WAIT, &f->err), status = 0;
	pid_t pid;

	assert_true(held >= 0);
	pid = fork();
	if (pid == 0) {
		int fd;

		fd_close(held);
		fd = rundir_lock(f->e, f->id, RUNDIR_WAIT, NULL);
		_exit(fd >= 0 && exists(f) ? 0 : 1);
	}
	assert_int_equal(rundir_remove(f->e, f->id, held, &f->err), 0);
	fd_close(held);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(exists(f));
}

static void test_clear(void **state)
{
	struct fixture *f = *state;
	int fd = rundir_lock(f->e, f->id, RUNDIR_WAIT, &f->err);

	assert_true(fd >= 0);
	assert_int_equal(mkdirat(fd, "dir", 0700), 0);
	assert_int_equal(fd_replace_file(fd, "exit", "{}", 2, 0600, &f->err), 0);
	assert_int_equal(rundir_clear(fd, &f->err), 0);
	assert_int_equal(faccessat(fd, "exit", F_OK, 0), -1);
	assert_int_equal(faccessat(fd, "dir", F_OK, 0), -1);
	assert_true(exists(f));
	fd_close(fd);
}

static void test_sweep(void **state)
{
	struct fixture *f = *state;
	int fd = rundir_lock(f->e, f->id, RUNDIR_WAIT, &f->err);

	/* Somebody is making a container: the row is not there yet. */
	assert_int_equal(rundir_sweep(f->e, &f->err), 0);
	assert_true(exists(f));
	fd_close(fd);
	/* And now that somebody is gone. */
	assert_int_equal(rundir_sweep(f->e, &f->err), 0);
	assert_false(exists(f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_holder, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_waiting_for_a_removal, fixture_set_up,
						fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_clear, fixture_set_up, fixture_tear_down),
		cmocka_unit_test_setup_teardown(test_sweep, fixture_set_up, fixture_tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
