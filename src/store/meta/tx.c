/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Transactions. SQLite writes its log without syncing it; whoever commits waits, after the lock is
 * free again, until a sync has covered its commit. One of those that wait does the sync, for all
 * whose commits are in the log by then: sixteen writers at a time cost about two syncs.
 *
 * The log is synced through a descriptor of our own. The database and the -shm file are never
 * opened by us: closing a descriptor of theirs would drop SQLite's POSIX locks.
 */

#include <errno.h>
#include <unistd.h>

#include "base/fault.h"
#include "meta-private.h"

struct timespec meta_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts;
}

static struct dv_err *reader_get(struct meta *m, struct meta_conn **ret)
{
	struct meta_conn *c = NULL;

	pthread_mutex_lock(&m->pool);
	if (m->n_idle)
		c = m->idle[--m->n_idle];
	pthread_mutex_unlock(&m->pool);
	if (!c)
		return meta_conn_open(m, false, ret);
	*ret = c;
	return NULL;
}

static void reader_put(struct meta *m, struct meta_conn *c)
{
	pthread_mutex_lock(&m->pool);
	if (m->n_idle < META_IDLE_READERS) {
		m->idle[m->n_idle++] = c;
		c = NULL;
	}
	pthread_mutex_unlock(&m->pool);
	meta_conn_close(c);
}

static struct dv_err *check_disk(struct meta *m)
{
	int err;

	pthread_mutex_lock(&m->sync);
	err = m->sync_errno;
	pthread_mutex_unlock(&m->sync);
	if (!err)
		return NULL;
	return dv_err_new(
		DV_INTERNAL,
		"metadata: the disk has failed to store a change (%s); nothing is written "
		"until davitd is restarted",
		dv_errno_text(err));
}

struct dv_err *meta_begin(struct meta *m, enum meta_mode mode, struct meta_tx **ret)
{
	struct meta_tx *tx;
	struct meta_conn *c;
	struct dv_err *e;

	if (mode == META_READ) {
		e = reader_get(m, &c);
		if (e)
			return e;
		e = meta_conn_run(c, "BEGIN");
		if (e) {
			meta_conn_close(c);
			return e;
		}
	} else {
		if (m->is_read_only)
			return dv_err_new(DV_PRECONDITION,
					  "the metadata database is open for reading");
		e = check_disk(m);
		if (e)
			return e;
		pthread_mutex_lock(&m->writer);
		c = m->writer_conn;
		e = meta_conn_run(c, "BEGIN IMMEDIATE");
		if (e) {
			pthread_mutex_unlock(&m->writer);
			return e;
		}
	}
	tx = dv_new(struct meta_tx);
	tx->m = m;
	tx->conn = c;
	tx->mode = mode;
	*ret = tx;
	return NULL;
}

struct meta_tx *meta_rollback(struct meta_tx *tx)
{
	struct meta *m;

	if (!tx)
		return NULL;
	m = tx->m;
	/* Errors of some kinds have rolled back by themselves. */
	if (!sqlite3_get_autocommit(tx->conn->db)) {
		struct dv_err *e = meta_conn_run(tx->conn, "ROLLBACK");

		dv_err_free(e);
	}
	if (tx->mode == META_READ)
		reader_put(m, tx->conn);
	else
		pthread_mutex_unlock(&m->writer);
	free(tx);
	return NULL;
}

/* Waits until commit number @seq is on disk; syncs, if nobody else does. */
static struct dv_err *wait_synced(struct meta *m, uint64_t seq)
{
	pthread_mutex_lock(&m->sync);
	while (m->n_synced < seq && !m->sync_errno) {
		uint64_t covered;
		int err;

		if (m->is_syncing) {
			pthread_cond_wait(&m->synced_cond, &m->sync);
			continue;
		}
		m->is_syncing = true;
		covered = m->n_committed;
		pthread_mutex_unlock(&m->sync);
		err = -DV_FAULT_ERRNO("meta.commit.sync");
		if (!err && fdatasync(m->wal_fd) < 0)
			err = errno;
		pthread_mutex_lock(&m->sync);
		m->is_syncing = false;
		/* After a failure nobody can tell which pages are on disk: no second try. */
		if (err)
			m->sync_errno = err;
		else
			m->n_synced = covered;
		pthread_cond_broadcast(&m->synced_cond);
	}
	pthread_mutex_unlock(&m->sync);
	return check_disk(m);
}

/*
 * The log is carried over beside readers and writers, by one of those that have just committed;
 * then, with the lock, what was written meanwhile. Without the second step a log that is written
 * all the time would never be done with, and it would grow, and slow down every look-up. Errors
 * wait: the next one tries again.
 */
static void checkpoint(struct meta *m)
{
	struct meta_conn *c;
	struct dv_err *e;

	if (pthread_mutex_trylock(&m->checkpoint) != 0)
		return;
	e = reader_get(m, &c);
	if (!e) {
		sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
		reader_put(m, c);
		pthread_mutex_lock(&m->writer);
		sqlite3_wal_checkpoint_v2(m->writer_conn->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
					  NULL);
		pthread_mutex_unlock(&m->writer);
	}
	dv_err_free(e);
	pthread_mutex_unlock(&m->checkpoint);
}

struct dv_err *meta_commit(struct meta_tx *take)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = take;
	struct meta *m = tx->m;
	uint64_t seq;
	bool is_full;
	struct dv_err *e;

	if (tx->mode == META_READ || !tx->is_changed)
		return NULL;
	e = meta_conn_run(tx->conn, "COMMIT");
	if (e)
		return dv_err_wrap(e, "commit");
	DV_FAULT("meta.commit.written");
	m->deletions += tx->n_deletions;
	m->mutations += !tx->is_collector;
	is_full = m->wal_frames >= META_LOG_FRAMES;
	pthread_mutex_lock(&m->sync);
	seq = ++m->n_committed;
	pthread_mutex_unlock(&m->sync);
	meta_rollback(dv_steal(&tx));

	e = wait_synced(m, seq);
	DV_FAULT("meta.commit.synced");
	if (e)
		return e;
	if (is_full)
		checkpoint(m);
	return NULL;
}
