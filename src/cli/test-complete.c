/* SPDX-License-Identifier: Apache-2.0 */
/* Completion by the tables alone: nobody answers. tests/e2e has names of images and containers. */

#include "base/test.h"
#include "complete.h"

static struct dv_strbuf out = DV_STRBUF_INIT;

/* What the last word of @line may become, without descriptions. */
static const char *complete(const char *line, enum cli_complete_kind kind)
{
	static struct dv_strbuf words = DV_STRBUF_INIT;
	struct cli cli = { .name = "davit", .opts = { .address = "/nonexistent/socket" } };
	char copy[256], *rest = copy, *argv[16];
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (char *w; (w = strsep(&rest, " "));)
		argv[argc++] = w;
	dv_strbuf_clear(&out);
	dv_strbuf_clear(&words);
	dv_arena_init(&cli.arena);
	T_INT(cli_complete(&cli, argv, argc, &out), ==, kind);
	dv_arena_fini(&cli.arena);
	client_free(cli.client);
	for (const char *s = out.data; *s; s += strcspn(s, "\n") + 1)
		dv_strbuf_addf(&words, "%s%.*s", words.len ? " " : "", (int)strcspn(s, "\t"), s);
	return words.data;
}

Test(complete, verbs)
{
	T_STR(complete("vers", CLI_COMPLETE_WORDS), "version");
	T_STR(complete("namespace l", CLI_COMPLETE_WORDS), "label ls list");
	T_STR(complete("-n x system d", CLI_COMPLETE_WORDS), "df");
	T_STR(complete("nam", CLI_COMPLETE_WORDS), "namespace");
	T_STR(complete("nope x", CLI_COMPLETE_WORDS), "");
	T_NOT_NULL(strstr(complete("", CLI_COMPLETE_WORDS), "events"));
	T_NULL(strstr(complete("", CLI_COMPLETE_WORDS), "__complete"));
}

Test(complete, options)
{
	T_STR(complete("--add", CLI_COMPLETE_WORDS), "--address");
	T_STR(complete("events --f", CLI_COMPLETE_WORDS), "--filter --format");
	T_STR(complete("namespace ls --", CLI_COMPLETE_WORDS), "--format --quiet --help");
	T_STR(complete("events --format --f", CLI_COMPLETE_WORDS), "");
	T_STR(complete("--address x", CLI_COMPLETE_FILES), "");
	T_STR(complete("-a x", CLI_COMPLETE_FILES), "");
}
