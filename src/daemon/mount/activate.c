/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activation. First it is decided how many of the mounts are done here; then the row is written,
 * with the id of the directory alone; then the mounts are done; then the row gets what there is.
 * A row without that is of a daemon that died meanwhile: whoever comes next undoes it.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "host/fs-mount.h"
#include "mounts-private.h"
#include "store/meta-snapshot.h"
#include "sys/file.h"
#include "sys/loop.h"

enum step { STEP_FORMAT, STEP_MKDIR, STEP__N };
enum { STEPS_MAX = 8 };

struct plan {
	enum step steps[STEPS_MAX];
	size_t n_steps;
	const char *type; /* without the prefixes of the steps */
	bool is_loop;
};

struct activation {
	struct mounts *m;
	const struct mounts_activation *a;
	struct dv_arena *arena;
	struct plan *plans;
	size_t n_ours; /* mounts that are done here */
	int64_t id;
	char dir[24]; /* its text */
	struct mounts_active *active;
	size_t n_active;
};

/* ---- What is to be done ---- */

static struct dv_err *plan_one(const struct snapshot_mount *m, struct plan *p)
{
	static const char *const prefixes[STEP__N] = { "format/", "mkdir/" };

	*p = (struct plan){ .type = m->type };
	for (;;) {
		size_t step = 0;

		while (step < STEP__N && !dv_starts_with(p->type, prefixes[step]))
			step++;
		if (step == STEP__N)
			break;
		if (p->n_steps == STEPS_MAX)
			return dv_err_new(DV_INVALID, "mount type \"%.100s\": too long", m->type);
		p->steps[p->n_steps++] = (enum step)step;
		p->type += strlen(prefixes[step]);
	}
	if (dv_starts_with(p->type, "mkfs/") || dv_streq(p->type, "erofs"))
		return dv_err_new(DV_UNIMPLEMENTED, "not supported yet: mount type %s", m->type);
	p->is_loop = dv_streq(p->type, "loop");
	return NULL;
}

static struct dv_err *plan_all(struct activation *x)
{
	const struct snapshot_mounts *mounts = x->a->mounts;
	bool is_needed = x->a->is_temporary;

	x->plans = dv_arena_new_n(x->arena, struct plan, mounts->n_items + 1);
	for (size_t i = 0; i < mounts->n_items; i++) {
		struct dv_err *e = plan_one(&mounts->items[i], &x->plans[i]);

		if (e)
			return e;
		if (x->plans[i].n_steps > 0) {
			is_needed = true;
			x->n_ours = i;
		}
		if (x->plans[i].is_loop || x->a->is_temporary) {
			is_needed = true;
			x->n_ours = i + 1;
		}
	}
	if (!is_needed || mounts->n_items == 0)
		return dv_err_new(DV_UNIMPLEMENTED,
				  "mount \"%s\": nothing to be done here: not implemented",
				  x->a->name);
	return NULL;
}

/* ---- Rows ---- */

static struct dv_err *store(struct activation *x, const struct mounts_state *state, bool is_new)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct meta_mount row = { .name = x->a->name,
				  .labels = x->a->labels,
				  .lease = x->a->lease };
	struct dv_err *e;

	mounts_pack(state, x->arena, &row.data, &row.n_data);
	e = meta_begin(x->m->d->meta, META_WRITE, &tx);
	if (!e)
		e = is_new ? meta_mount_create(tx, x->a->ns, &row)
			   : meta_mount_update(tx, x->a->ns, &row);
	return e ? e : meta_commit(dv_steal(&tx));
}

static struct dv_err *forget(struct mounts *m, const char *ns, const char *name)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct dv_err *e = meta_begin(m->d->meta, META_WRITE, &tx);

	if (!e)
		e = meta_mount_delete(tx, ns, name);
	return e ? e : meta_commit(dv_steal(&tx));
}

/* The row of this name that there may be: of an active mount, or of one that was never finished. */
static struct dv_err *look_before(struct activation *x)
{
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct mounts_state state;
	struct meta_mount row;
	struct dv_err *e;

	e = meta_begin(x->m->d->meta, META_READ, &tx);
	if (!e)
		e = meta_mount_get(tx, x->a->ns, x->a->name, x->arena, &row);
	if (e)
		return dv_err_code(e) == DV_NOT_FOUND ? dv_err_free(e) : e;
	tx = meta_rollback(tx);
	e = mounts_unpack(row.data, row.n_data, x->arena, &state);
	if (!e && state.is_complete)
		return dv_err_new(DV_EXISTS, "mount \"%s\": already exists", x->a->name);
	if (!e)
		mounts_undo(x->m, state.id);
	dv_err_free(e);
	return forget(x->m, x->a->ns, x->a->name);
}

/* ---- Doing it ---- */

static struct dv_err *transform(struct activation *x, size_t i, struct snapshot_mount *io)
{
	const char *const roots[] = { x->m->path, x->m->d->config->root };
	const struct plan *p = &x->plans[i];
	struct dv_err *e = NULL;

	io->type = p->type;
	for (size_t k = 0; k < p->n_steps && !e; k++)
		e = p->steps[k] == STEP_FORMAT
			    ? mounts_format(io, x->active, x->n_active, x->arena)
			    : mounts_mkdir(io, roots, DV_ARRAY_SIZE(roots), x->arena);
	return e ? dv_err_wrap(e, "mount %zu", i) : NULL;
}

/* The device stays as long as the link does: see undo_loop() in mounts.c. */
static struct dv_err *attach_loop(const struct snapshot_mount *m, int dir, const char *name)
{
	DV_CLEANUP(sys_closep) int file = -1;
	DV_CLEANUP(sys_closep) int loop = -1;
	bool is_read_only = false;
	char device[32];
	int number, r;

	for (size_t i = 0; i < m->n_options; i++)
		is_read_only = is_read_only || dv_streq(m->options[i], "ro");
	file = sys_openat(AT_FDCWD, m->source, (is_read_only ? O_RDONLY : O_RDWR) | O_NONBLOCK, 0);
	if (file < 0)
		return dv_err_sys(file, "open %s for a loop device", m->source);
	loop = sys_loop_attach(file, is_read_only, &number);
	if (loop < 0)
		return dv_err_sys(loop, "attach %s to a loop device", m->source);
	snprintf(device, sizeof(device), "/dev/loop%d", number);
	r = sys_symlinkat(device, dir, name);
	if (r == 0)
		r = sys_loop_set_autoclear(loop, false);
	return r < 0 ? dv_err_sys(r, "keep %s", device) : NULL;
}

static struct dv_err *do_mount(const struct snapshot_mount *m, int dir, const char *name,
			       const char *point)
{
	struct host_fs_mount one = { m->type, m->source, m->target, m->options, m->n_options };
	int r = sys_mkdirat(dir, name, 0700);

	return r < 0 ? dv_err_sys(r, "make %s", point) : host_fs_mount(point, &one, 1);
}

/* Names count down, so that a scan by name undoes the last one first. */
static struct dv_err *mount_one(struct activation *x, size_t i, int dir)
{
	struct mounts_active *a = &x->active[x->n_active];
	char name[16];
	struct dv_err *e;

	a->mount = x->a->mounts->items[i];
	e = transform(x, i, &a->mount);
	if (e)
		return e;
	snprintf(name, sizeof(name), "%05zu", x->n_ours - i);
	a->mount_point = dv_arena_printf(x->arena, "%s/%s/%s", x->m->path, x->dir, name);
	e = x->plans[i].is_loop ? attach_loop(&a->mount, dir, name)
				: do_mount(&a->mount, dir, name, a->mount_point);
	if (e)
		return e;
	a->mounted_at = meta_now();
	x->n_active++;
	return NULL;
}

static struct dv_err *mount_all(struct activation *x)
{
	DV_CLEANUP(sys_closep) int dir = -1;
	struct dv_err *e = NULL;
	int r;

	x->active = dv_arena_new_n(x->arena, struct mounts_active, x->n_ours + 1);
	r = sys_mkdirat(x->m->dir, x->dir, 0700);
	if (r == 0)
		dir = r = sys_openat(x->m->dir, x->dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r < 0)
		return dv_err_sys(r, "make %s/%s", x->m->path, x->dir);
	for (size_t i = 0; i < x->n_ours && !e; i++)
		e = mount_one(x, i, dir);
	return e;
}

/* What is left: the first of these may have placeholders; a temporary one gets a bind mount. */
static struct dv_err *rest(struct activation *x, struct snapshot_mounts *ret)
{
	const struct snapshot_mounts *mounts = x->a->mounts;
	size_t n = mounts->n_items - x->n_ours;
	struct snapshot_mount *items = dv_arena_new_n(x->arena, struct snapshot_mount, n + 1);
	const char **options;

	for (size_t i = 0; i < n; i++)
		items[i] = mounts->items[x->n_ours + i];
	if (n > 0) {
		struct dv_err *e = transform(x, x->n_ours, &items[0]);

		if (e)
			return e;
	}
	if (x->a->is_temporary && x->n_active > 0) {
		options = dv_arena_new_n(x->arena, const char *, 1);
		options[0] = "rbind";
		items[n++] = (struct snapshot_mount){
			.type = "bind",
			.source = x->active[x->n_active - 1].mount_point,
			.target = "",
			.options = options,
			.n_options = 1,
		};
	}
	*ret = (struct snapshot_mounts){ .items = items, .n_items = n };
	return NULL;
}

struct dv_err *mounts_activate(struct mounts *m, const struct mounts_activation *a,
			       struct dv_arena *arena, struct mounts_info *ret)
{
	DV_CLEANUP(mounts_releasep) struct mounts_claim claim = { 0 };
	struct activation x = { .m = m, .a = a, .arena = arena };
	struct mounts_state state = { 0 };
	struct dv_err *e;

	if (!a->name || !*a->name)
		return dv_err_new(DV_INVALID, "mount name must not be empty: invalid argument");
	e = plan_all(&x);
	if (e)
		return e;
	mounts_claim(&claim, m, a->ns, a->name);
	e = look_before(&x);
	if (e)
		return e;
	state.id = x.id = meta_snapshot_next_id(m->d->meta);
	snprintf(x.dir, sizeof(x.dir), "%lld", (long long)x.id);
	e = store(&x, &state, true);
	if (e)
		return e;
	state.info.name = a->name;
	state.info.labels = a->labels;
	e = mount_all(&x);
	if (!e)
		e = rest(&x, &state.info.system);
	state.info.active = x.active;
	state.info.n_active = x.n_active;
	state.is_complete = true;
	if (!e)
		e = store(&x, &state, false);
	if (e) {
		mounts_undo(m, x.id);
		dv_err_free(forget(m, a->ns, a->name));
		return dv_err_wrap(e, "activate \"%s\"", a->name);
	}
	*ret = state.info;
	return NULL;
}

struct dv_err *mounts_deactivate(struct mounts *m, const char *ns, const char *name)
{
	DV_CLEANUP(mounts_releasep) struct mounts_claim claim = { 0 };
	DV_CLEANUP(meta_rollbackp) struct meta_tx *tx = NULL;
	struct mounts_state state = { 0 };
	struct meta_mount row;
	struct dv_arena arena;
	struct dv_err *e;

	mounts_claim(&claim, m, ns, name);
	dv_arena_init(&arena);
	e = meta_begin(m->d->meta, META_WRITE, &tx);
	if (!e)
		e = meta_mount_get(tx, ns, name, &arena, &row);
	if (!e)
		e = mounts_unpack(row.data, row.n_data, &arena, &state);
	if (!e)
		e = meta_mount_delete(tx, ns, name);
	if (!e)
		e = meta_commit(dv_steal(&tx));
	dv_arena_fini(&arena);
	if (!e)
		mounts_undo(m, state.id);
	return e;
}
