/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What all requests have in common: the servers of the repository that can do it are asked one
 * after the other, until one has given a good answer.
 */

#include "base/str.h"
#include "call.h"
#include "registry-private.h"

struct registry_request;

enum request_next {
	REQUEST_DONE,
	REQUEST_AGAIN, /* ask() once more, the same server */
	REQUEST_NEXT, /* with the error: another server, if there is one */
	REQUEST_FAILED, /* with the error: no other server will do better */
	REQUEST_LOCAL, /* with the error, which is of our own side */
};

struct request_kind {
	size_t size; /* of the whole, whose first member is a struct registry_request */
	unsigned capability; /* REGISTRY_CAN_* */
	const char *actions; /* of the token: "pull" */
	bool is_one_server; /* the first that can do it is the only one */
	/* Says what to ask for; @url has the server's part, and "/<path of the repository>". */
	void (*ask)(struct registry_request *r, struct call_opts *o, struct dv_strbuf *url);
	enum request_next (*answer)(struct registry_request *r, const struct call_reply *reply,
				    struct dv_err **ret_error);
	/* No answer came. True: ask() once more, the same server. May be NULL. */
	bool (*retry)(struct registry_request *r);
	/* Calls the user. The request is freed afterwards, by fini first (may be NULL). */
	void (*done)(struct registry_request *r, struct dv_err *take_error);
	void (*fini)(struct registry_request *r);
};

struct registry_request {
	struct registry_repo *repo;
	const struct request_kind *kind;
	struct registry_request *next, **prev;
	struct dv_arena arena;
	const char *what; /* "tag latest", for messages */
	size_t host; /* that is asked, by its index */
	struct call *call;
	struct http_task task;
	struct dv_err *error; /* the one that says most, so far */
	unsigned rank;
};

/* Zeroed, and in the repository's list. Fill in `what` and the rest, then start it. */
struct registry_request *request_new(struct registry_repo *repo, const struct request_kind *kind);
void request_start(struct registry_request *r);

const struct registry_host *request_host(const struct registry_request *r);
bool request_is_last_host(const struct registry_request *r);

/* The error of an answer whose status was not expected. */
enum request_next request_status(const struct call_reply *reply, struct dv_err **ret_error);

/* "Accept: ...", for manifests and indexes. */
extern const char *const request_accept[1];

/* DV_UNIMPLEMENTED: a media type of docker's schema 1. */
struct dv_err *request_check_media_type(const char *media_type) DV_CHECK;
