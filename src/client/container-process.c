/* SPDX-License-Identifier: Apache-2.0 */
/* What a container runs: the image's words and the caller's, put together as docker does it. */

#include <string.h>

#include "container-private.h"
#include "env.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* ---- arguments ---------------------------------------------------------------------- */

/* The caller's entrypoint takes the image's Cmd away, too: it was meant for the image's. */
static struct dv_err *put_args(struct making *m)
{
	static const struct spec_image none;
	const struct client_container_opts *o = m->opts;
	const struct spec_image *image = m->image.config ? m->image.config : &none;
	const char *const *entry =
		o->has_entrypoint ? o->entrypoint : (const char *const *)image->entrypoint;
	size_t n_entry = o->has_entrypoint ? o->n_entrypoint : image->n_entrypoint;
	bool is_image_cmd = o->n_args == 0 && !o->has_entrypoint;
	const char *const *cmd = is_image_cmd ? (const char *const *)image->cmd : o->args;
	size_t n_cmd = is_image_cmd ? image->n_cmd : o->n_args;
	const char **args = dv_arena_new_n(m->arena, const char *, n_entry + n_cmd + 1);

	if (n_entry + n_cmd == 0)
		return dv_err_new(DV_INVALID, "no command is given, and the image has none");
	for (size_t i = 0; i < n_entry; i++)
		args[i] = entry[i];
	for (size_t i = 0; i < n_cmd; i++)
		args[n_entry + i] = cmd[i];
	m->spec.args = args;
	m->spec.n_args = n_entry + n_cmd;
	return NULL;
}

/* ---- environment -------------------------------------------------------------------- */

static void put_env(struct making *m)
{
	const struct client_container_opts *o = m->opts;
	const struct spec_image *image = m->image.config;
	size_t n_image = image ? image->n_env : 0;
	struct env env;

	env_init(&env, m->arena, n_image + o->n_env + 3);
	env_set(&env, DEFAULT_PATH);
	if (m->hostname)
		env_set(&env, dv_arena_printf(m->arena, "HOSTNAME=%s", m->hostname));
	if (m->spec.has_terminal)
		env_set(&env, "TERM=xterm");
	for (size_t i = 0; i < n_image; i++) {
		/* What has no "=" sets nothing, as in docker. */
		if (strchr(image->env[i], '='))
			env_set(&env, image->env[i]);
	}
	for (size_t i = 0; i < o->n_env; i++)
		env_set(&env, o->env[i]);
	m->spec.env = env.items;
	m->spec.n_env = env.n;
}

struct dv_err *making_process(struct making *m)
{
	const struct spec_image *image = m->image.config;
	struct dv_err *e = put_args(m);

	if (e)
		return e;
	put_env(m);
	m->spec.cwd = m->opts->working_dir;
	if (!m->spec.cwd && image)
		m->spec.cwd = image->working_dir;
	if (m->spec.cwd && m->spec.cwd[0] != '/')
		return dv_err_new(DV_INVALID, "the working directory \"%.200s\" is not absolute",
				  m->spec.cwd);
	return NULL;
}
