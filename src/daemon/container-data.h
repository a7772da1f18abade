/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Directories of containers: <root>/io.davit.containers/<ns>/<id>, 0700. The client that makes a
 * container makes it and keeps there what belongs to the container: logs, /etc/hosts. Who deletes
 * the record, however, is us, and so the directory goes by us. For workers.
 */

#include "daemon-private.h"

#define CONTAINER_DATA_DIR "io.davit.containers"

/* Heap. Names are checked by the caller. */
char *container_data_path(const struct daemon *d, const char *ns, const char *id);

/* With those above it, if they are not there. */
struct dv_err *container_data_make(const struct daemon *d, const char *ns, const char *id) DV_CHECK;

/*
 * Out of the way when this returns, and removed by a slow worker later, or at the next start. Of one
 * that is not there: nothing. A failure is logged.
 */
void container_data_remove(struct daemon *d, const char *ns, const char *id);
