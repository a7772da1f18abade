/* SPDX-License-Identifier: Apache-2.0 */
/* containerd.services.images.v1 */

#include "api/containerd/images.pb-c.h"
#include "convert.h"
#include "services.h"
#include "store-tx.h"
#include "store/meta-image.h"

#define TYPE(name) Containerd__Services__Images__V1__##name

typedef TYPE(Image) Image;

static Image *image_out(const struct meta_image *from, struct dv_arena *arena)
{
	Image *to = dv_arena_new(arena, Image);

	containerd__services__images__v1__image__init(to);
	to->name = (char *)from->name;
	CONVERT_LABELS_OUT(to, labels, &from->labels, arena);
	to->target = convert_descriptor_out(&from->target, arena);
	to->created_at = convert_time_out(&from->created_at, arena);
	to->updated_at = convert_time_out(&from->updated_at, arena);
	return to;
}

static struct dv_err *image_in(const Image *from, struct dv_arena *arena, struct meta_image *ret)
{
	*ret = (struct meta_image){};
	if (!from)
		return dv_err_new(DV_INVALID, "no image given");
	ret->name = from->name;
	ret->labels = convert_labels_in(from->labels, from->n_labels, arena);
	ret->target = convert_descriptor_in(from->target, arena);
	return NULL;
}

static struct dv_err *get(struct daemon_call *c, const ProtobufCMessage *msg,
			  const ProtobufCMessage **ret)
{
	const TYPE(GetImageRequest) *req = (const TYPE(GetImageRequest) *)msg;
	TYPE(GetImageResponse) *reply = dv_arena_new(c->arena, TYPE(GetImageResponse));
	struct meta_image image;
	struct meta_tx *tx;
	struct dv_err *e;

	e = store_begin(c, META_READ, &tx);
	if (!e)
		e = store_end(tx, meta_image_get(tx, c->ns, req->name, c->arena, &image));
	if (e)
		return e;
	containerd__services__images__v1__get_image_response__init(reply);
	reply->image = image_out(&image, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *list(struct daemon_call *c, const ProtobufCMessage *msg,
			   const ProtobufCMessage **ret)
{
	const TYPE(ListImagesRequest) *req = (const TYPE(ListImagesRequest) *)msg;
	TYPE(ListImagesResponse) *reply = dv_arena_new(c->arena, TYPE(ListImagesResponse));
	DV_CLEANUP(dv_filter_freep) struct dv_filter *filter = NULL;
	struct meta_list how = {};
	struct meta_image *items;
	struct meta_tx *tx;
	struct dv_err *e;
	size_t n;

	e = dv_filter_parse((const char *const *)req->filters, req->n_filters, &filter);
	if (!e)
		e = store_begin(c, META_READ, &tx);
	how.filter = filter;
	if (!e)
		e = store_end(tx, meta_image_list(tx, c->ns, &how, c->arena, &items, &n));
	if (e)
		return e;
	containerd__services__images__v1__list_images_response__init(reply);
	reply->images = dv_arena_new_n(c->arena, Image *, n);
	for (size_t i = 0; i < n; i++)
		reply->images[i] = image_out(&items[i], c->arena);
	reply->n_images = n;
	*ret = &reply->base;
	return NULL;
}

/* source_date_epoch: NULL is now. */
static struct dv_err *get_when(const Google__Protobuf__Timestamp *from, struct timespec *buf,
			       const struct timespec **ret)
{
	*ret = from ? buf : NULL;
	return from ? convert_time_in(from, buf) : NULL;
}

static struct dv_err *create(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(CreateImageRequest) *req = (const TYPE(CreateImageRequest) *)msg;
	TYPE(CreateImageResponse) *reply = dv_arena_new(c->arena, TYPE(CreateImageResponse));
	TYPE(ImageCreate) event = CONTAINERD__SERVICES__IMAGES__V1__IMAGE_CREATE__INIT;
	struct meta_image image, created;
	const struct timespec *when;
	struct timespec buf;
	struct meta_tx *tx;
	struct dv_err *e;

	e = image_in(req->image, c->arena, &image);
	if (!e)
		e = get_when(req->source_date_epoch, &buf, &when);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_image_create(tx, c->ns, c->lease, &image, when, c->arena,
						    &created));
	if (e)
		return e;
	event.name = (char *)created.name;
	CONVERT_LABELS_OUT(&event, labels, &created.labels, c->arena);
	daemon_publish(c->d, c->ns, "/images/create", &event.base);
	containerd__services__images__v1__create_image_response__init(reply);
	reply->image = image_out(&created, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *update(struct daemon_call *c, const ProtobufCMessage *msg,
			     const ProtobufCMessage **ret)
{
	const TYPE(UpdateImageRequest) *req = (const TYPE(UpdateImageRequest) *)msg;
	TYPE(UpdateImageResponse) *reply = dv_arena_new(c->arena, TYPE(UpdateImageResponse));
	TYPE(ImageUpdate) event = CONTAINERD__SERVICES__IMAGES__V1__IMAGE_UPDATE__INIT;
	struct dv_mask mask = convert_mask_in(req->update_mask);
	struct meta_image image, updated;
	const struct timespec *when;
	struct timespec buf;
	struct meta_tx *tx;
	struct dv_err *e;

	e = image_in(req->image, c->arena, &image);
	if (!e)
		e = get_when(req->source_date_epoch, &buf, &when);
	if (!e)
		e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_image_update(tx, c->ns, c->lease, &image, &mask, when,
						    c->arena, &updated));
	if (e)
		return e;
	event.name = (char *)updated.name;
	CONVERT_LABELS_OUT(&event, labels, &updated.labels, c->arena);
	daemon_publish(c->d, c->ns, "/images/update", &event.base);
	daemon_gc_kick(c->d); /* the target before may be nobody's now */
	containerd__services__images__v1__update_image_response__init(reply);
	reply->image = image_out(&updated, c->arena);
	*ret = &reply->base;
	return NULL;
}

static struct dv_err *remove_image(struct daemon_call *c, const ProtobufCMessage *msg,
				   const ProtobufCMessage **ret)
{
	const TYPE(DeleteImageRequest) *req = (const TYPE(DeleteImageRequest) *)msg;
	TYPE(ImageDelete) event = CONTAINERD__SERVICES__IMAGES__V1__IMAGE_DELETE__INIT;
	const char *digest = req->target && *req->target->digest ? req->target->digest : NULL;
	struct meta_tx *tx;
	struct dv_err *e;

	(void)ret;
	e = store_begin(c, META_WRITE, &tx);
	if (!e)
		e = store_end(tx, meta_image_delete(tx, c->ns, c->lease, req->name, digest));
	if (e)
		return e;
	event.name = req->name;
	daemon_publish(c->d, c->ns, "/images/delete", &event.base);
	if (req->sync)
		return daemon_gc_sync(c->d);
	daemon_gc_kick(c->d);
	return NULL;
}

static const struct grpc_method methods[] = {
	DAEMON_UNARY("Get", containerd__services__images__v1__get_image_request, get,
		     (.lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_UNARY("List", containerd__services__images__v1__list_images_request, list,
		     (.lane = DAEMON_FAST), .is_read_only = true),
	DAEMON_UNARY("Create", containerd__services__images__v1__create_image_request, create,
		     (.lane = DAEMON_FAST)),
	DAEMON_UNARY("Update", containerd__services__images__v1__update_image_request, update,
		     (.lane = DAEMON_FAST)),
	/* A synchronous one waits for the collector. */
	DAEMON_UNARY("Delete", containerd__services__images__v1__delete_image_request, remove_image,
		     (.lane = DAEMON_SLOW)),
};

const struct grpc_service daemon_images_service = {
	.name = "containerd.services.images.v1.Images",
	.methods = methods,
	.n_methods = DV_ARRAY_SIZE(methods),
};
