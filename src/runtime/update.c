/* SPDX-License-Identifier: Apache-2.0 */
/* New limits for a live container. */

#include "host/resctrl.h"
#include "runtime/runtime.h"
#include "state-private.h"
#include "sys/file.h"

/* What can be refused is refused before anything is changed. */
static struct dv_err *open_resctrl(const struct rt_container *c, const char *l3_schema,
				   const char *mem_bw_schema, int *ret_root)
{
	DV_CLEANUP(sys_closep) int root = -1;
	struct dv_err *e;

	e = host_resctrl_open(c->state->procfd, &root);
	dv_err_free(e); /* without it, neither of the two is there */
	if (l3_schema && (root < 0 || !host_resctrl_has_cat(root)))
		return dv_err_new(DV_PRECONDITION, "Intel RDT/CAT: l3 cache schema is not enabled");
	if (mem_bw_schema && (root < 0 || !host_resctrl_has_mba(root)))
		return dv_err_new(DV_PRECONDITION,
				  "Intel RDT/MBA: memory bandwidth schema is not enabled");
	if (!c->state->resctrl.is_used)
		return dv_err_new(
			DV_PRECONDITION,
			"updating a non-existent Intel RDT configuration is not supported");
	*ret_root = dv_steal_fd(&root);
	return NULL;
}

struct dv_err *rt_update(const struct rt_context *ctx, const char *id,
			 const struct spec_resources *res, const char *l3_schema,
			 const char *mem_bw_schema)
{
	DV_CLEANUP(rt_container_freep) struct rt_container *c = NULL;
	DV_CLEANUP(sys_closep) int root = -1;
	struct spec_intel_rdt rdt = {
		.l3_cache_schema = l3_schema,
		.mem_bw_schema = mem_bw_schema,
	};
	struct dv_err *e;

	e = rt_load(ctx, id, &c);
	if (e)
		return e;
	if (c->status == RT_STOPPED || c->status == RT_CREATING)
		return dv_err_new(DV_PRECONDITION, "container not running");
	if (l3_schema || mem_bw_schema)
		e = open_resctrl(c, l3_schema, mem_bw_schema, &root);
	if (!e && c->cgroup)
		e = host_cgroup_set(c->cgroup, res, HOST_CGROUP_UPDATE);
	if (e || root < 0)
		return e;
	rdt.clos_id = c->state->clos_id;
	return host_resctrl_set(root, &rdt, id);
}
