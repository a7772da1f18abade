/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Names of images, "host[:port]/path[:tag][@digest]", by the grammar of distribution's reference
 * package, which docker, containerd and podman share. Pure; hostile text is expected.
 */

#include <stdbool.h>

#include "base/err.h"
#include "base/mem.h"
#include "codec/digest.h"

enum {
	SPEC_REF_MAX_PATH = 255,
	SPEC_REF_MAX_HOST = 261, /* a DNS name of 255 and ":65535" */
	SPEC_REF_MAX_TAG = 128,
};

struct spec_ref {
	const char *host; /* "docker.io", "localhost:5000", "[::1]:5000" */
	const char *path; /* "library/busybox" */
	const char *tag; /* NULL: none */
	bool has_digest;
	struct dv_digest digest;
};

enum spec_ref_form {
	/* With a host, as containerd stores names. */
	SPEC_REF_FULL,
	/*
	 * As people type them to docker: "busybox" is docker.io/library/busybox. A tag is added
	 * neither here nor there: see spec_ref_default_tag().
	 */
	SPEC_REF_FAMILIAR,
};

/* Strings are @arena's. DV_INVALID: the message quotes @text and says what is wrong. */
struct dv_err *spec_ref_parse(struct dv_arena *arena, const char *text, enum spec_ref_form form,
			      struct spec_ref *ret) DV_CHECK;

/* ":latest", where there is neither tag nor digest. */
void spec_ref_default_tag(struct spec_ref *ref);

/* The full form; heap, the caller's. */
char *spec_ref_format(const struct spec_ref *ref);
/*
 * The shortest that means the same when it is parsed as familiar; heap, the caller's. There is none
 * for a full name such as docker.io/busybox, without library/, which people cannot type.
 */
char *spec_ref_familiar(const struct spec_ref *ref);

/* For what comes alone: an option, a member of a document. */
bool spec_ref_is_host(const char *text);
bool spec_ref_is_path(const char *text);
bool spec_ref_is_tag(const char *text);

/* "localhost", 127.0.0.0/8 or ::1, with any port or none. */
bool spec_host_is_local(const char *host);
