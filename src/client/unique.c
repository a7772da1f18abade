/* SPDX-License-Identifier: Apache-2.0 */
/* Random ids, and names for those who give none. See client/unique.h. */

#include "client/unique.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/random.h>

static const char *const adjectives[] = {
	"amber",   "brave",  "brisk",  "calm",	  "clear",  "clever", "cosy",	"crisp",
	"curious", "daring", "dapper", "deft",	  "eager",  "early",  "fair",	"fleet",
	"fond",	   "frosty", "gentle", "golden",  "grand",  "happy",  "hardy",	"honest",
	"humble",  "jolly",  "keen",   "kind",	  "lively", "lucky",  "merry",	"mellow",
	"mild",	   "nimble", "noble",  "patient", "plucky", "polite", "proud",	"quick",
	"quiet",   "ready",  "rosy",   "rustic",  "sharp",  "silent", "silver", "sincere",
	"sleek",   "smooth", "snowy",  "solid",	  "spry",   "steady", "sunny",	"swift",
	"tidy",	   "trusty", "vivid",  "warm",	  "wise",   "witty",  "young",	"zesty",
};

static const char *const nouns[] = {
	"alder",  "badger",  "beaver",	"birch",   "bison",   "cedar",	"comet",    "condor",
	"coral",  "cricket", "dolphin", "eagle",   "egret",   "elm",	"falcon",   "ferret",
	"finch",  "fox",     "gannet",	"gecko",   "glacier", "hare",	"hazel",    "heron",
	"ibis",	  "jackdaw", "juniper", "kestrel", "lark",    "linden", "lynx",	    "magpie",
	"maple",  "marten",  "meadow",	"mole",	   "moose",   "newt",	"oak",	    "orca",
	"osprey", "otter",   "owl",	"pebble",  "pine",    "plover", "puffin",   "quail",
	"raven",  "robin",   "rowan",	"salmon",  "sparrow", "spruce", "squirrel", "stork",
	"swan",	  "tern",    "thistle", "thrush",  "willow",  "wombat", "wren",	    "yak",
};

/* Without enough randomness there is nothing sensible to do, as with memory. */
static void fill(void *p, size_t n)
{
	ssize_t got = getrandom(p, n, 0);

	dv_assert(got == (ssize_t)n);
}

void client_unique_id(char buf[CLIENT_ID_SIZE])
{
	uint8_t bytes[(CLIENT_ID_SIZE - 1) / 2];

	fill(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(buf + 2 * i, 3, "%02x", bytes[i]);
}

void client_unique_name(char buf[CLIENT_NAME_SIZE])
{
	uint16_t numbers[2];

	fill(numbers, sizeof(numbers));
	snprintf(buf, CLIENT_NAME_SIZE, "%s_%s", adjectives[numbers[0] % DV_ARRAY_SIZE(adjectives)],
		 nouns[numbers[1] % DV_ARRAY_SIZE(nouns)]);
}
