/* SPDX-License-Identifier: Apache-2.0 */
/* Who may send what on which stream. */

#include "base/test.h"
#include "ttrpc-private.h"

struct step {
	uint32_t stream;
	uint8_t type;
	enum ttrpc_event_kind want; /* MORE: the frame is ignored */
	const char *text; /* of a refusal */
};

#define ODD  "StreamID must be odd for client initiated streams"
#define USED "StreamID cannot be re-used and must increment"

static const struct step server_steps[] = {
	{ 1, TTRPC_REQUEST, TTRPC_EVENT_REQUEST, NULL },
	{ 1, TTRPC_REQUEST, TTRPC_EVENT_REFUSE, USED },
	{ 2, TTRPC_REQUEST, TTRPC_EVENT_REFUSE, ODD },
	{ 0, TTRPC_REQUEST, TTRPC_EVENT_REFUSE, ODD },
	{ 7, TTRPC_REQUEST, TTRPC_EVENT_REQUEST, NULL },
	{ 5, TTRPC_REQUEST, TTRPC_EVENT_REFUSE, USED },
	{ 5, TTRPC_DATA, TTRPC_EVENT_DATA, NULL },
	{ 4, TTRPC_DATA, TTRPC_EVENT_REFUSE, ODD },
	{ 9, TTRPC_RESPONSE, TTRPC_EVENT_MORE, NULL },
	{ 9, 0, TTRPC_EVENT_MORE, NULL },
	{ 9, 4, TTRPC_EVENT_MORE, NULL },
	{ 9, 255, TTRPC_EVENT_MORE, NULL },
	{ 9, TTRPC_REQUEST, TTRPC_EVENT_REQUEST, NULL },
	{ UINT32_MAX, TTRPC_REQUEST, TTRPC_EVENT_REQUEST, NULL },
	{ UINT32_MAX, TTRPC_REQUEST, TTRPC_EVENT_REFUSE, USED },
};

static const struct step client_steps[] = {
	{ 1, TTRPC_RESPONSE, TTRPC_EVENT_RESPONSE, NULL },
	{ 1, TTRPC_DATA, TTRPC_EVENT_DATA, NULL },
	{ 2, TTRPC_RESPONSE, TTRPC_EVENT_RESPONSE, NULL },
	{ 1, TTRPC_REQUEST, TTRPC_EVENT_MORE, NULL },
	{ 1, 77, TTRPC_EVENT_MORE, NULL },
};

static void walk(const struct step *steps, size_t n_steps, bool is_client)
{
	struct ttrpc_budget budget = { .max = 1 << 20 };
	struct ttrpc_session s = { .reader.budget = &budget, .is_client = is_client };

	for (size_t i = 0; i < n_steps; i++) {
		struct ttrpc_chunk *c =
			ttrpc_chunk_new(steps[i].stream, (enum ttrpc_type)steps[i].type, 0, 2);
		const uint8_t *p = c->data;
		size_t n = c->n;
		struct ttrpc_event ev;

		memcpy(c->data + TTRPC_HEADER, "hi", 2);
		ttrpc_session_next(&s, &p, &n, &ev);
		cr_expect(ev.kind == steps[i].want, "step %zu: got %d", i, ev.kind);
		T_INT(n, ==, 0);
		if (ev.kind != TTRPC_EVENT_MORE)
			T_INT(ev.frame.stream, ==, steps[i].stream);
		if (steps[i].text) {
			T_STR(ev.text, steps[i].text);
			T_INT(ev.code, ==, DV_INVALID);
		}
		free(c);
	}
	ttrpc_session_fini(&s);
	T_INT(budget.used, ==, 0);
}

Test(ttrpc_session, server)
{
	walk(server_steps, DV_ARRAY_SIZE(server_steps), false);
}

Test(ttrpc_session, client)
{
	walk(client_steps, DV_ARRAY_SIZE(client_steps), true);
}

Test(ttrpc_session, too_long)
{
	struct ttrpc_budget budget = { .max = 1 << 20 };
	struct ttrpc_session s = { .reader.budget = &budget };
	static const uint8_t head[] = { 0, 0x40, 0, 1, 0, 0, 0, 1, 1, 0 };
	const uint8_t *p = head;
	size_t n = sizeof(head);
	struct ttrpc_event ev;

	ttrpc_session_next(&s, &p, &n, &ev);
	T_INT(ev.kind, ==, TTRPC_EVENT_REFUSE);
	T_INT(ev.code, ==, DV_EXHAUSTED);
	T_STR(ev.text, "message length 4194305 exceed maximum message size of 4194304");
	T_INT(ev.frame.stream, ==, 1);
	ttrpc_session_fini(&s);
}
