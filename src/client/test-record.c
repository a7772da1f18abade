/* SPDX-License-Identifier: Apache-2.0 */
/* What davitd writes down of an end. Finding and listing is tested with davitd, in tests/e2e. */

#include "client/record.h"

#include "base/test.h"

Test(record, exit)
{
	struct client_exit x = { 0 };

	T_TRUE(client_exit_parse("{\"status\":137,\"started\":\"2026-01-02T03:04:05.5Z\","
				 "\"finished\":\"2026-01-02T03:04:06Z\",\"oom\":true}",
				 &x));
	T_INT(x.status, ==, 137);
	T_TRUE(x.is_oom);
	T_INT(x.finished.tv_sec - x.started.tv_sec, ==, 1);
	T_INT(x.started.tv_nsec, ==, 500000000);
}

Test(record, exit_without_times)
{
	struct client_exit x = { .started = { .tv_sec = 5 } };

	T_TRUE(client_exit_parse("{\"status\":0,\"finished\":\"yesterday\"}", &x));
	T_INT(x.started.tv_sec, ==, 0);
	T_INT(x.finished.tv_sec, ==, 0);
	T_FALSE(x.is_oom);
}

Test(record, no_exit)
{
	static const char *const texts[] = { "",
					     "{",
					     "{}",
					     "[]",
					     "{\"status\":-1}",
					     "{\"status\":\"0\"}",
					     "{\"status\":4294967296}" };
	struct client_exit x;

	for (size_t i = 0; i < DV_ARRAY_SIZE(texts); i++)
		cr_expect(!client_exit_parse(texts[i], &x), "%s", texts[i]);
}

Test(record, states)
{
	T_STR(client_state_name(CLIENT_CREATED), "created");
	T_STR(client_state_name(CLIENT_EXITED), "exited");
}
