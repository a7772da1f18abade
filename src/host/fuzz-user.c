/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the container's passwd and group file, and as the argument of --user. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "host/user.h"
#include "sys/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t uids[] = { 0, 1, 1000, UINT32_MAX };
	char buf[256], *text = dv_strndup((const char *)data, size);
	int fd = sys_memfd("fuzz", 0), r;
	struct host_user u;
	struct dv_err *e;
	uint32_t gids[4];
	size_t n = 4;

	e = host_user_parse(text, &u);
	dv_assert(e || u.uid != UINT32_MAX);
	dv_err_free(e);
	free(text);
	if (sys_write_all(fd, data, size) == 0) {
		for (size_t i = 0; i < DV_ARRAY_SIZE(uids); i++) {
			r = host_user_home(fd, uids[i], buf, sizeof(buf));
			dv_assert(r != 0 || strnlen(buf, sizeof(buf)) < sizeof(buf));
			r = host_user_name(fd, uids[i], buf, 8);
			dv_assert(r != 0 || strnlen(buf, 8) < 8);
		}
		r = host_user_groups(fd, "root", gids, &n);
		dv_assert(r < 0 || n <= 4);
	}
	sys_close(fd);
	return 0;
}
