/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Sandboxes that run, seen through the shims that own them (the records of sandboxes are the
 * store's). The loop's, as tasks are; a shim that does not answer holds up its own sandbox alone.
 */

#include <stddef.h>

#include "daemon-private.h"

struct sandboxes;

/* Below the state directory; containerd's name. */
#define SANDBOXES_DIR "io.containerd.sandbox.controller.v1.shim"

/* Those that an earlier daemon left are found by this; their shims answer later. */
struct dv_err *sandboxes_new(struct daemon *d, struct sandboxes **ret) DV_CHECK;

/* @fn is called, later, when none is being made or removed. Once, and for one caller. */
void sandboxes_when_settled(struct sandboxes *ss, void (*fn)(void *arg), void *arg);

/* Lets go of the shims, which go on. Accepts NULL; always returns NULL. */
struct sandboxes *sandboxes_free(struct sandboxes *ss);

void sandboxes_dump(struct sandboxes *ss);

struct sandbox_endpoint {
	const char *address; /* of the task API: a path */
	unsigned version;
	const char *binary; /* of the shim */
};

/*
 * Where the tasks of a sandbox's containers belong. Borrowed, until the next return to the loop.
 * DV_NOT_FOUND; DV_PRECONDITION: it does not run (any more).
 */
struct dv_err *sandboxes_endpoint(struct sandboxes *ss, const char *ns, const char *id,
				  struct sandbox_endpoint *ret) DV_CHECK;
