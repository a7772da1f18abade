/* SPDX-License-Identifier: Apache-2.0 */
/* Lines: type, source, destination, then options. Whatever comes out must hold together. */

#include <stdint.h>
#include <stdlib.h>

#include "base/str.h"
#include "host/mount-plan.h"
#include "sys/mountfd.h"

enum { OPTIONS_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct host_mount *m)
{
	uint64_t set, clr;
	char why[128];

	dv_assert(m->destination[0] == '/');
	dv_assert(!dv_path_has_dotdot(m->destination));
	dv_assert(m->fstype && m->data);
	/* What mount_setattr() answers with EINVAL. */
	dv_assert(!(m->rec_attr_set & m->rec_attr_clr & ~(uint64_t)MOUNT_ATTR__ATIME));
	dv_assert(!(m->rec_attr_set & MOUNT_ATTR__ATIME) ||
		  (m->rec_attr_clr & MOUNT_ATTR__ATIME) == MOUNT_ATTR__ATIME);
	if (m->kind == HOST_MOUNT_BIND) {
		dv_assert(!(m->attr_set & m->attr_clr & ~(uint64_t)MOUNT_ATTR__ATIME));
		dv_assert(m->changes_attrs || (!m->attr_set && !m->attr_clr));
		dv_assert(m->n_params == 0 && !*m->data);
	}
	for (size_t i = 0; i < m->n_params; i++)
		dv_assert(m->params[i].key && m->params[i].key[0]);
	for (size_t i = 0; i < m->n_propagation; i++)
		dv_assert(m->propagation[i] != 0);
	for (unsigned st = 0; st < 0x4000; st += 0x401)
		(void)!host_mount_relock(m, st, &set, &clr, why, sizeof(why));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct host_mount_env env = { .has_userns = size & 1 };
	const char *lines[OPTIONS_MAX + 3] = { "", "", "" };
	char *text = dv_strndup((const char *)data, size), *save = NULL;
	struct host_mount *m;
	struct dv_arena arena;
	struct spec_mount spec;
	struct dv_err *e;
	size_t n = 0;

	for (char *s = strtok_r(text, "\n", &save); s && n < OPTIONS_MAX + 3;
	     s = strtok_r(NULL, "\n", &save))
		lines[n++] = s;
	spec = (struct spec_mount){
		.type = lines[0],
		.source = lines[1],
		.destination = lines[2],
		.options = lines + 3,
		.n_options = n > 3 ? n - 3 : 0,
	};
	env.mount_label = size & 2 ? "a:b:c:s0:c1,c2" : NULL;
	dv_arena_init(&arena);
	e = host_mount_plan(&spec, 1, &env, &arena, &m);
	if (!e)
		check(m);
	dv_err_free(e);
	dv_arena_fini(&arena);
	free(text);
	return 0;
}
