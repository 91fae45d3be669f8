/* SPDX-License-Identifier: Apache-2.0
 *
 * exec.c - another process in a running container
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "engine/internal.h"

static void replace(char **member, const char *text)
{
	free(*member);
	*member = mem_strdup(text);
}

/* As the first process, but for what the user says. */
static int build_exec(const struct engine_container *c, const struct engine_exec *exec,
		      struct spec_sandbox *spec, struct err *err)
{
	struct spec_process *process = &spec->process;
	int r = engine_build(c, spec, err);

	if (r < 0)
		return r;
	strv_done(&process->args);
	(void)strv_add_all(&process->args, exec->args);
	for (size_t i = 0; i < exec->env->len; i++)
		(void)strv_env_set(&process->env, exec->env->items[i]);
	if (exec->tty && !strv_env_find(&process->env, "TERM"))
		(void)strv_add(&process->env, "TERM=xterm");
	if (exec->user)
		replace(&process->user, exec->user);
	if (exec->working_dir)
		replace(&process->cwd, exec->working_dir);
	if (process->cwd[0] != '/')
		return err_setk(err, ERR_USAGE, EINVAL,
				"the working directory '%s' is not an absolute path", process->cwd);
	process->terminal = exec->tty;
	process->init = false;
	process->privileged = exec->privileged;
	if (exec->privileged)
		process->no_new_privs = false;

	return 0;
}

static int check_state(const struct engine_container *c, struct err *err)
{
	if (c->state.status != ENGINE_PAUSED)
		return 0;
	err_setk(err, ERR_CONFLICT, EBUSY, "container %s is paused", c->row.name);
	err_hint(err, "hull unpause %s", c->row.name);

	return -EBUSY;
}

int engine_exec(struct engine *e, const char *ref, const struct engine_exec *exec,
		const struct engine_streams *streams, struct engine_end *ret_end, struct err *err)
{
	auto_done(engine_container) c = { 0 };
	auto_done(spec_sandbox) spec = { 0 };
	auto_ptr(monitor_client) *client = NULL;
	struct monitor_end end = { 0 };
	struct relay relay = { .terminal = exec->tty };
	int r = engine_find(e, ref, &c, err);

	if (r == 0)
		r = check_state(&c, err);
	if (r == 0)
		r = engine_connect(e, &c, &client, err);
	if (r == 0)
		r = build_exec(&c, exec, &spec, err);
	if (r == 0)
		engine_terminal_size(&spec.process, streams);
	if (r == 0)
		r = monitor_exec(client, &spec.process, exec->open_stdin, !streams, &relay.proc,
				 err);
	if (r == 0 && streams)
		r = engine_relay(client, &relay, streams, &end, err);
	if (r < 0)
		return err_wrap(err, r, "cannot exec in container '%s'", ref);
	if (streams)
		*ret_end = (struct engine_end){ end.detached, end.exit_status, end.oom, "" };

	return 0;
}
