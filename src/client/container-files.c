/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The data directory of a container, and the files in it that it sees as its own in /etc: they are
 * bound over the image's, so that they can say what only this machine knows.
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "container-private.h"
#include "sys/file.h"

enum { HOST_FILE_MAX = 1024 * 1024, HOSTNAME_SIZE = 65 };

#define DATA_PARENT "io.davit.containers"

static const char *const bind_options[] = { "rbind", "rprivate" };

const char *client_data_dir(struct client *c, const char *root, const char *id,
			    struct dv_arena *arena)
{
	return dv_arena_printf(arena, "%s/" DATA_PARENT "/%s/%s", root, client_namespace(c), id);
}

const char *client_bundle(struct client *c, const char *state, const char *id,
			  struct dv_arena *arena)
{
	return dv_arena_printf(arena, "%s/io.containerd.runtime.v2.task/%s/%s", state,
			       client_namespace(c), id);
}

/* ---- the directory ------------------------------------------------------------------ */

/* @fd becomes the directory @name in it, made if need be. */
static int step_into(int *fd, const char *name, bool is_new)
{
	int r = sys_mkdirat(*fd, name, 0700), next;

	if (r < 0 && (r != -EEXIST || is_new))
		return r;
	next = sys_openat(*fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	if (next < 0)
		return next;
	sys_close(*fd);
	*fd = next;
	return 0;
}

static struct dv_err *make_directory(struct making *m)
{
	const char *root = m->info->root;
	DV_CLEANUP(sys_closep) int fd = sys_openat(AT_FDCWD, root, O_PATH | O_DIRECTORY, 0);
	int r = fd < 0 ? fd : 0;

	if (r == 0)
		r = step_into(&fd, DATA_PARENT, false);
	if (r == 0)
		r = step_into(&fd, client_namespace(m->c), false);
	if (r == 0)
		r = step_into(&fd, m->out->id, true);
	if (r < 0)
		return dv_err_sys(r, "make the container's directory %s", m->out->start.data_dir);
	m->dir = dv_steal_fd(&fd);
	return NULL;
}

static struct dv_err *write_file(struct making *m, const char *name, const char *text, size_t n)
{
	DV_CLEANUP(sys_closep)
	int fd = sys_openat(m->dir, name, O_WRONLY | O_CREAT | O_EXCL, 0644);
	int r = fd < 0 ? fd : sys_write_all(fd, text, n);

	if (r >= 0)
		r = sys_fchmod(fd, 0644); /* whatever the umask is */
	return r < 0 ? dv_err_sys(r, "write %s/%s", m->out->start.data_dir, name) : NULL;
}

/* ---- /etc --------------------------------------------------------------------------- */

/* A file of the host's that is not there, or too large, is empty. */
static void add_host_file(const char *path, struct dv_strbuf *out)
{
	DV_CLEANUP(dv_freep) char *buf = dv_alloc(HOST_FILE_MAX);
	ssize_t n = sys_read_file_at(AT_FDCWD, path, buf, HOST_FILE_MAX);

	if (n > 0)
		dv_strbuf_add_n(out, buf, (size_t)n);
}

static struct dv_err *add_hosts(struct making *m, struct dv_strbuf *out)
{
	const struct client_container_opts *o = m->opts;

	if (o->network == CLIENT_NET_HOST)
		add_host_file("/etc/hosts", out);
	else
		dv_strbuf_add(out, "127.0.0.1\tlocalhost\n"
				   "::1\tlocalhost ip6-localhost ip6-loopback\n"
				   "fe00::\tip6-localnet\nff00::\tip6-mcastprefix\n"
				   "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n");
	for (size_t i = 0; i < o->n_hosts; i++) {
		const char *colon = strchr(o->hosts[i], ':');

		if (!colon || colon == o->hosts[i] || !colon[1])
			return dv_err_new(DV_INVALID, "host \"%.100s\" is not name:address",
					  o->hosts[i]);
		dv_strbuf_addf(out, "%s\t%.*s\n", colon + 1, (int)(colon - o->hosts[i]),
			       o->hosts[i]);
	}
	return NULL;
}

static struct dv_err *write_hosts(struct making *m)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;
	struct dv_err *e = add_hosts(m, &text);

	return e ? e : write_file(m, "hosts", text.data, text.len);
}

static struct dv_err *write_resolv_conf(struct making *m)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

	add_host_file("/etc/resolv.conf", &text);
	return write_file(m, "resolv.conf", text.data, text.len);
}

static struct dv_err *write_hostname(struct making *m)
{
	DV_CLEANUP(dv_strbuf_fini) struct dv_strbuf text = DV_STRBUF_INIT;

	dv_strbuf_addf(&text, "%s\n", m->hostname);
	return write_file(m, "hostname", text.data, text.len);
}

static bool is_mounted(const struct making *m, const char *destination)
{
	for (size_t i = 0; i < m->opts->spec.n_mounts; i++) {
		if (dv_streq(m->opts->spec.mounts[i].destination, destination))
			return true;
	}
	return false;
}

static void add_mount(struct making *m, const char *name)
{
	const char *destination = dv_arena_printf(m->arena, "/etc/%s", name);

	if (is_mounted(m, destination))
		return;
	m->mounts[m->spec.n_mounts++] = (struct spec_mount){
		.destination = destination,
		.type = "bind",
		.source = dv_arena_printf(m->arena, "%s/%s", m->out->start.data_dir, name),
		.options = (const char **)bind_options,
		.n_options = DV_ARRAY_SIZE(bind_options),
	};
}

/* The caller's mounts come last: one on /etc as a whole hides these, as in docker. */
static void add_mounts(struct making *m)
{
	static const char *const names[] = { "resolv.conf", "hostname", "hosts" };
	const struct spec_container *given = &m->opts->spec;

	m->mounts =
		dv_arena_new_n(m->arena, struct spec_mount, given->n_mounts + DV_ARRAY_SIZE(names));
	m->spec.n_mounts = 0;
	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++)
		add_mount(m, names[i]);
	for (size_t i = 0; i < given->n_mounts; i++)
		m->mounts[m->spec.n_mounts++] = given->mounts[i];
	m->spec.mounts = m->mounts;
}

static struct dv_err *choose_hostname(struct making *m)
{
	bool is_host =
		m->opts->network == CLIENT_NET_HOST || m->spec.ns[SPEC_NS_UTS].mode == SPEC_NS_HOST;
	char name[HOSTNAME_SIZE] = "";

	m->hostname = m->opts->hostname;
	if (!m->hostname && is_host) {
		if (gethostname(name, sizeof(name) - 1) < 0)
			return dv_err_sys(-errno, "ask for the host's name");
		m->hostname = dv_arena_strdup(m->arena, name);
	}
	if (!m->hostname)
		m->hostname = dv_arena_printf(m->arena, "%.12s", m->out->id);
	/* Where the name is the host's, nobody may set it. */
	if (m->spec.ns[SPEC_NS_UTS].mode == SPEC_NS_PRIVATE)
		m->spec.hostname = m->hostname;
	return NULL;
}

struct dv_err *making_files(struct making *m)
{
	struct dv_err *e = make_directory(m);

	if (!e)
		e = choose_hostname(m);
	if (!e)
		e = write_hostname(m);
	if (!e)
		e = write_hosts(m);
	if (!e)
		e = write_resolv_conf(m);
	if (!e)
		add_mounts(m);
	return e;
}

void making_remove_files(struct making *m)
{
	if (m->dir < 0)
		return;
	m->dir = sys_close(m->dir);
	(void)sys_remove_tree(AT_FDCWD, m->out->start.data_dir);
}
