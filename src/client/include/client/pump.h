/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Bytes in and out of descriptors that are not ours to change: terminals, pipes and files of whoever
 * called us are shared with others, so they stay blocking, and only what poll(2) says to be ready is
 * read or written. Everything happens on a loop, in its thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/macros.h"

/* ---- where bytes go ----------------------------------------------------------------- */

struct client_sink;

/* @fd is borrowed and stays open. */
struct client_sink *client_sink_new(uv_loop_t *loop, int fd);
/* What is still held is lost. Accepts NULL; always returns NULL. */
struct client_sink *client_sink_free(struct client_sink *s);
DV_DEFINE_CLEANUP(struct client_sink *, client_sink_free);

/* Takes all of it; holds what cannot be written now. After a failed write everything is dropped. */
void client_sink_write(struct client_sink *s, const void *p, size_t n);
/* Nobody should write more until it has become empty. */
bool client_sink_is_full(const struct client_sink *s);
bool client_sink_is_empty(const struct client_sink *s);
/* -errno of the write that failed; 0: none did. */
int client_sink_error(const struct client_sink *s);
/* Called from the loop when it has become empty, or has failed. */
void client_sink_on_empty(struct client_sink *s, void (*fn)(void *arg), void *arg);

/* ---- where bytes come from ---------------------------------------------------------- */

struct client_source;

/* @n 0: the end, or an error of reading; it is the last call. @fd is borrowed and stays open. */
typedef void (*client_source_fn)(void *arg, const void *p, size_t n);
struct client_source *client_source_new(uv_loop_t *loop, int fd, client_source_fn fn, void *arg);
/* Accepts NULL; always returns NULL. Not from within its callback. */
struct client_source *client_source_free(struct client_source *s);
DV_DEFINE_CLEANUP(struct client_source *, client_source_free);

bool client_source_is_ended(const struct client_source *s);
void client_source_pause(struct client_source *s);
void client_source_resume(struct client_source *s);
