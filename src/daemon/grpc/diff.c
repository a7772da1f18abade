/* SPDX-License-Identifier: Apache-2.0 */
/*
 * containerd.services.diff.v1 (Diff itself is in diff-make.c). Apply unpacks a layer on mounts that a snapshotter gave: nothing is
 * mounted for it, since the directory behind them is known.
 */

#include "api/containerd/diff.pb-c.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "convert.h"
#include "diff-private.h"
#include "image/layers.h"
#include "proxy.h"
#include "service.h"
#include "services.h"
#include "store/content.h"
#include "sys/disk.h"
#include "sys/file.h"

#define TYPE(name) Containerd__Services__Diff__V1__##name
#define LAYER_TYPE "application/vnd.oci.image.layer.v1.tar"

/* ---- Apply ----------------------------------------------------------------------------------------- */

/* Compression is found by the bytes; the type says that it is a layer at all. */
static struct dv_err *check_type(const char *type)
{
	static const char *const types[] = {
		LAYER_TYPE,
		LAYER_TYPE "+gzip",
		LAYER_TYPE "+zstd",
		"application/vnd.oci.image.layer.nondistributable.v1.tar",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
		"application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
		"application/vnd.docker.image.rootfs.diff.tar",
		"application/vnd.docker.image.rootfs.diff.tar.gzip",
		"application/vnd.docker.image.rootfs.diff.tar.zstd",
		"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
	};

	for (size_t i = 0; i < DV_ARRAY_SIZE(types); i++) {
		if (dv_streq(type, types[i]))
			return NULL;
	}
	return dv_err_new(DV_UNIMPLEMENTED, "unsupported diff media type: %s", type);
}

static bool is_cancelled(void *arg)
{
	return grpc_call_is_cancelled(arg);
}

static struct dv_err *unpack(struct daemon_call *c, const TYPE(ApplyRequest) * req,
			     struct image_unpacked *ret)
{
	struct snapshot_mounts mounts = convert_mounts_in(req->mounts, req->n_mounts, c->arena);
	struct image_unpack u = { .is_cancelled = is_cancelled, .arg = c->grpc };
	DV_CLEANUP(sys_closep) int blob = -1;
	struct dv_err *e;

	e = check_type(req->diff->media_type);
	if (!e)
		e = image_target(&mounts, c->arena, &u);
	if (!e)
		e = content_open_blob(c->d->content, c->ns, req->diff->digest, &blob, NULL);
	if (e)
		return e;
	u.program = c->d->unpacker;
	u.archive = blob;
	e = image_unpack(&u, ret);
	if (!e && req->sync_fs) {
		DV_CLEANUP(sys_closep)
		int dir = sys_openat(AT_FDCWD, u.target, O_RDONLY | O_DIRECTORY, 0);
		int r = dir < 0 ? dir : sys_syncfs(dir);

		if (r < 0)
			e = dv_err_sys(r, "sync %s", u.target);
	}
	return e;
}

static struct dv_err *apply(struct daemon_call *c, const ProtobufCMessage *msg,
			    const ProtobufCMessage **ret)
{
	const TYPE(ApplyRequest) *req = (const TYPE(ApplyRequest) *)msg;
	TYPE(ApplyResponse) *reply = dv_arena_new(c->arena, TYPE(ApplyResponse));
	struct meta_descriptor applied = { .media_type = LAYER_TYPE };
	struct image_unpacked unpacked;
	struct dv_err *e;

	if (!req->diff)
		return dv_err_new(DV_INVALID, "apply: no descriptor");
	e = differs_call(
		c,
		&(struct differs_request){
			"Apply", msg, &containerd__services__diff__v1__apply_response__descriptor },
		ret);
	if (e || *ret)
		return dv_err_wrap(e, "apply layer %s", req->diff->digest);
	e = unpack(c, req, &unpacked);
	if (e)
		return dv_err_wrap(e, "apply layer %s", req->diff->digest);
	applied.digest = dv_digest_str(&unpacked.diff_id, dv_arena_alloc(c->arena, DV_DIGEST_STR));
	applied.size = unpacked.size;
	containerd__services__diff__v1__apply_response__init(reply);
	reply->applied = convert_descriptor_out(&applied, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *diff(struct daemon_call *c, const ProtobufCMessage *msg,
			   const ProtobufCMessage **ret)
{
	struct dv_err *e;

	e = differs_call(
		c,
		&(struct differs_request){
			"Diff", msg, &containerd__services__diff__v1__diff_response__descriptor },
		ret);
	if (e || *ret)
		return dv_err_wrap(e, "make a layer");
	return diff_make(c, msg, ret);
}

static const struct grpc_method methods[] = {
	DAEMON_UNARY("Apply", containerd__services__diff__v1__apply_request, apply,
		     (.lane = DAEMON_SLOW)),
	DAEMON_UNARY("Diff", containerd__services__diff__v1__diff_request, diff,
		     (.lane = DAEMON_SLOW)),
};

const struct grpc_service daemon_diff_service = {
	.name = "containerd.services.diff.v1.Diff",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
