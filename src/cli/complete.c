/* SPDX-License-Identifier: Apache-2.0 */
/* What a word may become. See complete.h. */

#include "complete.h"

#include <string.h>

#include "api/containerd/containers.pb-c.h"
#include "api/containerd/images.pb-c.h"
#include "api/containerd/namespaces.pb-c.h"
#include "cli/cli.h"
#include "client/record.h"
#include "client/services.h"

/* Nobody waits longer for a key. */
#define TIMEOUT_NS 2000000000ULL

struct completion {
	struct cli *cli;
	const char *typed;
	struct dv_strbuf *out;
};

static void offer(const struct completion *c, const char *word, const char *description)
{
	/* Blanks and control characters would need quoting in each shell; no name of ours has them. */
	for (const unsigned char *s = (const unsigned char *)word; *s; s++) {
		if (*s <= ' ' || *s == 0x7f)
			return;
	}
	if (dv_starts_with(word, c->typed))
		dv_strbuf_addf(c->out, "%s\t%s\n", word, description);
}

/* ---- What davitd knows ---- */

static struct client_request limited(const struct client_request *r)
{
	struct client_request copy = *r;

	copy.timeout_ns = TIMEOUT_NS;
	return copy;
}

static void offer_containers(const struct completion *c)
{
	Containerd__Services__Containers__V1__ListContainersRequest request =
		CONTAINERD__SERVICES__CONTAINERS__V1__LIST_CONTAINERS_REQUEST__INIT;
	const Containerd__Services__Containers__V1__ListContainersResponse *reply = NULL;
	struct client_request r = limited(CLIENT_CONTAINERS("List", &request));
	struct client *client = NULL;
	struct dv_err *e = cli_client(c->cli, &client);

	if (!e)
		e = client_call(client, &r, &c->cli->arena, &reply);
	for (size_t i = 0; !e && i < reply->n_containers; i++) {
		struct client_record record = { .container = reply->containers[i] };
		const char *name = client_record_label(&record, CLIENT_LABEL_NAME);

		offer(c, name && *name ? name : record.container->id, record.container->image);
	}
	dv_err_free(e);
}

static void offer_images(const struct completion *c)
{
	static const char prefix[] = "docker.io/library/";
	Containerd__Services__Images__V1__ListImagesRequest request =
		CONTAINERD__SERVICES__IMAGES__V1__LIST_IMAGES_REQUEST__INIT;
	const Containerd__Services__Images__V1__ListImagesResponse *reply = NULL;
	struct client_request r = limited(CLIENT_IMAGES("List", &request));
	struct client *client = NULL;
	struct dv_err *e = cli_client(c->cli, &client);

	if (!e)
		e = client_call(client, &r, &c->cli->arena, &reply);
	for (size_t i = 0; !e && i < reply->n_images; i++) {
		const char *name = reply->images[i]->name;

		if (dv_starts_with(name, prefix) && !dv_starts_with(c->typed, "docker.io/"))
			name += sizeof(prefix) - 1;
		offer(c, name, "");
	}
	dv_err_free(e);
}

static void offer_namespaces(const struct completion *c)
{
	Containerd__Services__Namespaces__V1__ListNamespacesRequest request =
		CONTAINERD__SERVICES__NAMESPACES__V1__LIST_NAMESPACES_REQUEST__INIT;
	const Containerd__Services__Namespaces__V1__ListNamespacesResponse *reply = NULL;
	struct client_request r = limited(CLIENT_NAMESPACES("List", &request));
	struct client *client = NULL;
	struct dv_err *e = cli_client(c->cli, &client);

	if (!e)
		e = client_call(client, &r, &c->cli->arena, &reply);
	for (size_t i = 0; !e && i < reply->n_namespaces; i++)
		offer(c, reply->namespaces[i]->name, "");
	dv_err_free(e);
}

static void offer_signals(const struct completion *c)
{
	static const char *const names[] = { "HUP",  "INT",  "QUIT", "KILL", "TERM",
					     "USR1", "USR2", "STOP", "CONT", "WINCH" };

	for (size_t i = 0; i < DV_ARRAY_SIZE(names); i++)
		offer(c, names[i], "");
}

/* @what: the name of an argument in a table, "IMAGE", "path", "CONTAINER|IMAGE". */
static enum cli_complete_kind offer_values(const struct completion *c, const char *what)
{
	if (strcasestr(what, "container"))
		offer_containers(c);
	if (strcasestr(what, "image"))
		offer_images(c);
	if (strcasestr(what, "namespace"))
		offer_namespaces(c);
	if (strcasestr(what, "signal"))
		offer_signals(c);
	if (strcasestr(what, "path") || strcasestr(what, "file"))
		return CLI_COMPLETE_FILES;
	return strcasestr(what, "dir") ? CLI_COMPLETE_DIRS : CLI_COMPLETE_WORDS;
}

/* ---- What the tables know ---- */

static void offer_options(const struct completion *c, const struct dv_opt *opts)
{
	for (const struct dv_opt *o = opts; o->name; o++) {
		DV_CLEANUP(dv_freep) char *word = dv_printf("--%s", o->name);

		if (!o->is_hidden)
			offer(c, word, o->help);
	}
	offer(c, "--help", "show help");
}

/* The option that @word is, if its value is the next word. */
static const struct dv_opt *waits_for_value(const struct dv_opt *opts, const char *word)
{
	size_t len = strlen(word);

	for (const struct dv_opt *o = opts; o->name; o++) {
		bool is_long = dv_starts_with(word, "--") && dv_streq(word + 2, o->name);
		/* "-itp": the last letter decides. */
		bool is_letter = word[0] == '-' && word[1] != '-' && o->letter &&
				 word[len - 1] == o->letter && !strchr(word, '=');

		if ((is_long || is_letter) && dv_opt_takes_value(o))
			return o;
	}
	return NULL;
}

/* Verbs and groups, or the verbs of @group. */
static void offer_verbs(const struct completion *c, const struct dv_opt_group *group)
{
	for (const struct dv_opt_verb *const *v = davit_program.verbs; *v; v++) {
		struct dv_opt_name name;

		for (size_t i = 0; !(*v)->is_hidden && dv_opt_verb_name(*v, i, &name); i++) {
			const char *text = name.text;
			size_t len = name.len;
			DV_CLEANUP(dv_freep) char *word = NULL;

			if (group)
				text = dv_opt_group_word(group, &name, &len);
			if (!text || (!group && memchr(text, ' ', len)))
				continue;
			word = dv_strndup(text, len);
			offer(c, word, (*v)->summary);
		}
	}
	for (const struct dv_opt_group *g = davit_program.groups; !group && g->name; g++)
		offer(c, g->name, g->summary);
}

/* The @i-th name in "CONTAINER [COMMAND] [ARG...]", without its signs; the last one may repeat. */
static char *positional(const char *args, int i)
{
	const char *word = args, *last = "";
	size_t len = 0;

	for (; *word; i--) {
		word += strspn(word, " []");
		if (!*word)
			break;
		last = word;
		len = strcspn(word, " []");
		if (i == 0)
			return dv_strndup(last, len);
		word += len;
	}
	return dv_strndup(last, strstr(last, "...") ? len : 0);
}

/* @words: behind the verb. */
static enum cli_complete_kind complete_verb(const struct completion *c,
					    const struct dv_opt_verb *verb, char *const *words,
					    int n_words)
{
	const struct dv_opt *waiting = NULL;
	DV_CLEANUP(dv_freep) char *what = NULL;
	int n_args = 0;

	for (int i = 0; i < n_words - 1; i++) {
		if (waiting)
			waiting = NULL;
		else if (words[i][0] == '-' && words[i][1] && n_args != verb->stop_after)
			waiting = waits_for_value(verb->opts, words[i]);
		else
			n_args++;
	}
	if (waiting)
		return offer_values(c, waiting->arg);
	if (c->typed[0] == '-' && (verb->stop_after < 0 || n_args < verb->stop_after)) {
		offer_options(c, verb->opts);
		return CLI_COMPLETE_WORDS;
	}
	if (verb->max_args >= 0 && n_args >= verb->max_args)
		return CLI_COMPLETE_WORDS;
	what = positional(verb->args, n_args);
	if (verb->stop_after > 0 && n_args >= verb->stop_after)
		return CLI_COMPLETE_FILES; /* the command of a container */
	return offer_values(c, what);
}

enum cli_complete_kind cli_complete(struct cli *cli, char *const *words, int n_words,
				    struct dv_strbuf *out)
{
	const struct completion c = { cli, n_words > 0 ? words[n_words - 1] : "", out };
	const struct dv_opt *waiting = NULL;
	const struct dv_opt_group *group;
	const struct dv_opt_verb *verb;
	int first = 0, n;

	/* Options in front of the verb; those that say where davitd is are meant for us, too. */
	for (; first < n_words - 1 && (waiting || words[first][0] == '-'); first++)
		waiting = waiting ? NULL : waits_for_value(davit_program.opts, words[first]);
	if (first > 0) {
		DV_CLEANUP(dv_freep) char **copy = dv_new_n(char *, (size_t)first + 1);

		memcpy(copy, words, (size_t)first * sizeof(*copy));
		copy[first] = NULL;
		dv_err_free(
			dv_opt_parse_docker(davit_program.opts, &cli->opts, -1, first, copy, &n));
	}
	if (waiting)
		return offer_values(&c, waiting->arg);
	words += first;
	n_words -= first;
	verb = dv_opt_verb_match(&davit_program, n_words - 1, words, &n);
	if (verb)
		return complete_verb(&c, verb, words + n, n_words - n);
	group = n_words == 2 ? dv_opt_group_find(&davit_program, words[0]) : NULL;
	if (n_words <= 1 && c.typed[0] == '-')
		offer_options(&c, davit_program.opts);
	else if (n_words <= 1 || group)
		offer_verbs(&c, group);
	return CLI_COMPLETE_WORDS;
}
