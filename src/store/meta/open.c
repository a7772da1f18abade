/* SPDX-License-Identifier: Apache-2.0 */

/* Opening and closing the database: directory, lock, version, the log's descriptor. */

#include <errno.h>
#include <fcntl.h>

#include "meta-private.h"

#include "sys/disk.h"
#include "sys/file.h"

static struct dv_err *take_lock(struct meta *m, const char *dir)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s/lock", dir);
	int r;

	r = sys_mkdirat(AT_FDCWD, dir, 0700);
	if (r < 0 && r != -EEXIST)
		return dv_err_sys(r, "make %s", dir);
	m->lock_fd = sys_openat(AT_FDCWD, path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (m->lock_fd < 0)
		return dv_err_sys(m->lock_fd, "open %s", path);
	r = sys_try_lock(m->lock_fd);
	if (r == -EAGAIN)
		return dv_err_new(DV_UNAVAILABLE, "%s is in use by another process", dir);
	return r < 0 ? dv_err_sys(r, "lock %s", path) : NULL;
}

/* The file of the log is there once the database was read; so is its name on disk after this. */
static struct dv_err *open_log(struct meta *m, const char *dir)
{
	DV_CLEANUP(dv_freep) char *path = dv_printf("%s-wal", m->path);
	DV_CLEANUP(sys_closep) int fd = -1;
	int r;

	m->wal_fd = sys_openat(AT_FDCWD, path, O_RDWR | O_NOFOLLOW, 0);
	if (m->wal_fd < 0)
		return dv_err_sys(m->wal_fd, "open %s", path);
	fd = sys_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return dv_err_sys(fd, "open %s", dir);
	r = sys_fsync(fd);
	if (r < 0)
		return dv_err_sys(r, "sync %s", dir);
	meta_reserve_log(m->wal_fd);
	return NULL;
}

/* Ids of snapshots go on behind the highest that ever was. */
static struct dv_err *read_sequence(struct meta *m)
{
	sqlite3_stmt *st;
	int rc;

	rc = sqlite3_prepare_v2(
		m->writer_conn->db,
		"SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name='snapshot'", -1, &st,
		NULL);
	if (rc == SQLITE_OK) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			m->next_snapshot = sqlite3_column_int64(st, 0) + 1;
		sqlite3_finalize(st);
	}
	return rc == SQLITE_ROW ? NULL : meta_sqlite_err(m->writer_conn->db, rc);
}

static int on_wal(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct meta *m = arg;

	(void)db;
	(void)name;
	m->wal_frames = (unsigned)frames;
	return SQLITE_OK;
}

static struct dv_err *open_database(struct meta *m, const char *dir)
{
	struct dv_err *e;

	e = meta_conn_open(m, true, &m->writer_conn);
	if (e)
		return e;
	if (m->is_read_only)
		return NULL;
	e = meta_conn_script(m->writer_conn, "PRAGMA journal_mode=WAL");
	if (!e)
		e = meta_schema_migrate(m->writer_conn);
	if (!e)
		e = read_sequence(m);
	if (!e)
		e = open_log(m, dir);
	if (e)
		return e;
	sqlite3_wal_hook(m->writer_conn->db, on_wal, m);
	return NULL;
}

struct dv_err *meta_open(const struct meta_opts *opts, struct meta **ret)
{
	DV_CLEANUP(meta_closep) struct meta *m = dv_new(struct meta);
	struct dv_err *e;

	pthread_mutex_init(&m->writer, NULL);
	pthread_mutex_init(&m->pool, NULL);
	pthread_mutex_init(&m->sync, NULL);
	pthread_cond_init(&m->synced_cond, NULL);
	pthread_mutex_init(&m->checkpoint, NULL);
	pthread_mutex_init(&m->gc, NULL);
	m->lock_fd = m->wal_fd = -1;
	m->is_read_only = opts->is_read_only;
	m->dir = dv_strdup(opts->dir);
	m->path = dv_printf("%s/meta.db", opts->dir);
	if (!m->is_read_only) {
		e = take_lock(m, opts->dir);
		if (e)
			return e;
		meta_reserve_take(opts->dir);
	}
	e = open_database(m, opts->dir);
	if (e)
		return dv_err_wrap(e, "open %s", m->path);
	*ret = dv_steal(&m);
	return NULL;
}

struct meta *meta_close(struct meta *m)
{
	if (!m)
		return NULL;
	for (size_t i = 0; i < m->n_idle; i++)
		meta_conn_close(m->idle[i]);
	/* The last one to close checkpoints, and removes the log. */
	meta_conn_close(m->writer_conn);
	sys_closep(&m->wal_fd);
	if (m->lock_fd >= 0)
		meta_reserve_give(m->dir);
	sys_closep(&m->lock_fd);
	pthread_mutex_destroy(&m->writer);
	pthread_mutex_destroy(&m->pool);
	pthread_mutex_destroy(&m->sync);
	pthread_cond_destroy(&m->synced_cond);
	pthread_mutex_destroy(&m->checkpoint);
	pthread_mutex_destroy(&m->gc);
	free(m->dir);
	free(m->path);
	free(m);
	return NULL;
}
