/* SPDX-License-Identifier: Apache-2.0 */
/* `root`, `mounts` and id mappings: their tables. */

#include "spec/runtime.h"

#include "table-private.h"

#define T struct spec_root
static const struct decode_field root_fields[] = {
	{ STRING("path", path), REQUIRED },
	{ BOOL("readonly", is_readonly) },
};
const struct decode_object spec_root_object = { DECODE_OBJECT_OF(root_fields) };
#undef T

/* user_namespaces(7): an extent is not empty and does not pass the last id. */
static struct dv_err *finish_id_mapping(struct decoder *d, void *out)
{
	const struct spec_id_mapping *m = out;

	if (m->size == 0)
		return spec_decode_error(d, "size must not be 0");
	if (m->container_id > UINT32_MAX - m->size || m->host_id > UINT32_MAX - m->size)
		return spec_decode_error(d, "the range passes the last id, %u", UINT32_MAX);
	return NULL;
}

#define T struct spec_id_mapping
static const struct decode_field id_mapping_fields[] = {
	{ UINT("containerID", container_id, UINT32_MAX), REQUIRED },
	{ UINT("hostID", host_id, UINT32_MAX), REQUIRED },
	{ UINT("size", size, UINT32_MAX), REQUIRED },
};
const struct decode_object spec_id_mapping_object = {
	DECODE_OBJECT_OF(id_mapping_fields),
	.finish = finish_id_mapping,
};
#undef T

#define T struct spec_mount
static const struct decode_field mount_fields[] = {
	{ STRING("destination", destination), REQUIRED },
	{ STRING("type", type) },
	{ STRING("source", source) },
	{ STRINGS("options", options, n_options) },
	{ LIST("uidMappings", uid_mappings, n_uid_mappings, spec_id_mapping_object) },
	{ LIST("gidMappings", gid_mappings, n_gid_mappings, spec_id_mapping_object) },
};
const struct decode_object spec_mount_object = { DECODE_OBJECT_OF(mount_fields) };
#undef T
