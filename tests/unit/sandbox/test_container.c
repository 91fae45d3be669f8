/* SPDX-License-Identifier: Apache-2.0
 *
 * test_container.c - the container backend behind its table: numbers, descriptors, states
 *
 * What a workload sees is the contract suite's business and tests/unit/runtime's.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../runtime/box.h"
#include "base/fd.h"
#include "check.h"
#include "linux/mounts.h"
#include "sandbox/sandbox.h"

static const struct sandbox_ops *ops;

struct fixture {
	struct box box;
	struct sandbox *sb;
	int layer_fd, tty_fd;
};

static int setup(void **state)
{
	static struct fixture f;

	f = (struct fixture){ .tty_fd = -1 };
	box_init(&f.box);
	f.layer_fd = mount_clone(AT_FDCWD, box_path(&f.box, "root"), false, NULL);
	assert_true(f.layer_fd >= 0);
	ops = sandbox_find("container");
	assert_non_null(ops);
	*state = &f;

	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->sb) {
		/* Twice: it must be safe to repeat. */
		assert_int_equal(ops->destroy(f->sb, NULL), 0);
		assert_int_equal(ops->destroy(f->sb, NULL), 0);
		ops->put(f->sb);
	}
	ops->put(NULL);
	fd_close(f->tty_fd);
	fd_close(f->layer_fd);
	box_done(&f->box);

	return 0;
}

static int create(struct fixture *f, const char *script)
{
	struct strv *args = &f->box.spec.process.args;
	struct sandbox_setup setup = {
		.spec = &f->box.spec,
		.dir_fd = -1,
		.layer_fds = &f->layer_fd,
		.layers_len = 1,
		.rw_fd = f->box.rw_fd,
		.stdio_fds = { -1, -1, -1 },
		.cancel_fd = -1,
	};

	assert_int_equal(strv_add(args, "sh"), 0);
	assert_int_equal(strv_add(args, "-c"), 0);
	assert_int_equal(strv_add(args, script), 0);

	return ops->create(&setup, &f->sb, &f->tty_fd, &f->box.err);
}

/* Wait for a process and collect its status. */
static int finish(struct fixture *f, uint32_t proc)
{
	struct pollfd pfd = { .events = POLLIN };
	int status;

	assert_int_equal(ops->wait_fd(f->sb, proc, &pfd.fd, NULL), 0);
	assert_int_equal(poll(&pfd, 1, 20000), 1);
	assert_int_equal(ops->reap(f->sb, proc, &status, NULL), 0);

	return status;
}

static void life(void **state)
{
	struct fixture *f = *state;
	int status;

	assert_int_equal(ops->probe(NULL), 0);
	assert_int_equal(create(f, "sleep 60"), 0);
	assert_int_equal(ops->reap(f->sb, SANDBOX_INIT, &status, NULL), -EAGAIN);
	assert_int_equal(ops->start(f->sb, NULL), 0);
	assert_true(ops->start(f->sb, NULL) < 0);
	assert_true(ops->init_pid(f->sb) > 1);
	assert_int_equal(ops->death_fd(f->sb), -1);
	assert_string_equal(ops->describe(f->sb), "namespaces");
	assert_int_equal(ops->signal(f->sb, SANDBOX_INIT, SIGKILL, NULL), 0);
	status = finish(f, SANDBOX_INIT);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
	/* It is forgotten. */
	assert_int_equal(ops->signal(f->sb, SANDBOX_INIT, SIGKILL, NULL), -ESRCH);
	assert_int_equal(ops->reap(f->sb, SANDBOX_INIT, &status, NULL), -ESRCH);
}

static void processes(void **state)
{
	struct spec_process process = { .caps = 0 };
	struct fixture *f = *state;
	const int no_fds[3] = { -1, -1, -1 };
	uint32_t procs[5];
	int tty_fd;

	assert_int_equal(create(f, "sleep 60"), 0);
	assert_int_equal(ops->start(f->sb, NULL), 0);
	assert_int_equal(strv_add(&process.args, "/bin/sh"), 0);
	assert_int_equal(strv_add(&process.args, "-c"), 0);
	assert_int_equal(strv_add(&process.args, "exit $(cat /proc/self/stat | wc -l)"), 0);
	assert_int_equal(strv_add(&process.env, "PATH=/bin"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(procs); i++) {
		assert_int_equal(ops->spawn(f->sb, &process, no_fds, &procs[i], &tty_fd, NULL), 0);
		assert_int_equal(tty_fd, -1);
		assert_true(procs[i] != SANDBOX_INIT);
		for (size_t j = 0; j < i; j++)
			assert_true(procs[i] != procs[j]);
	}
	/* In any order. */
	for (size_t i = ARRAY_SIZE(procs); i-- > 0;)
		assert_int_equal(WEXITSTATUS(finish(f, procs[i])), 1);
	assert_int_equal(ops->resize(f->sb, SANDBOX_INIT, 1, 1, NULL), -ENOTTY);
	spec_process_done(&process);
	assert_int_equal(ops->kill_all(f->sb, NULL), 0);
	assert_int_equal(WTERMSIG(finish(f, SANDBOX_INIT)), SIGKILL);
}

static void resized_terminal(void **state)
{
	struct fixture *f = *state;
	char text[256];
	size_t len = 0;
	ssize_t n;

	f->box.spec.process.terminal = true;
	f->box.spec.process.rows = 10;
	f->box.spec.process.cols = 20;
	assert_int_equal(create(f, "probe tty"), 0);
	assert_true(f->tty_fd >= 0);
	assert_int_equal(ops->resize(f->sb, SANDBOX_INIT, 44, 132, NULL), 0);
	assert_int_equal(ops->start(f->sb, NULL), 0);
	while ((n = read(f->tty_fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	assert_string_equal(text, "44 x 132 ok\r\n");
	assert_int_equal(WEXITSTATUS(finish(f, SANDBOX_INIT)), 0);
}

/* A failed start leaves something that can be destroyed, a failed create nothing. */
static void failures(void **state)
{
	struct fixture *f = *state;

	f->box.spec.process.user = strdup("nobody");
	assert_true(create(f, "true") < 0);
	assert_null(f->sb);
	free(f->box.spec.process.user);
	f->box.spec.process.user = strdup("");
	strv_done(&f->box.spec.process.args);
	strv_done(&f->box.spec.process.env);
	assert_int_equal(strv_add(&f->box.spec.process.env, "PATH=/nowhere"), 0);
	assert_int_equal(create(f, "true"), 0);
	assert_true(ops->start(f->sb, &f->box.err) < 0);
	assert_int_equal(f->box.err.kind, ERR_NO_COMMAND);
}

static void levels(void **state)
{
	(void)state;
	assert_ptr_equal(sandbox_find("vm"), &sandbox_vm_ops);
	assert_null(sandbox_find("jail"));
	assert_null(sandbox_find(""));
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(life),	CASE(processes),	  CASE(resized_terminal),
		CASE(failures), cmocka_unit_test(levels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
