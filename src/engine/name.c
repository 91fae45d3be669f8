/* SPDX-License-Identifier: Apache-2.0
 *
 * name.c - names of containers
 */
#include "engine/name.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/rand.h"

/* Moods of a ship's crew, and people whose work computing stands on. */
static const char *const adjectives[] = {
	"able",	    "amber",   "ample",	  "bold",   "brave",   "breezy",   "bright",  "brisk",
	"calm",	    "candid",  "casual",  "cheery", "civil",   "clever",   "cosmic",  "crisp",
	"curious",  "daring",  "deft",	  "dapper", "earnest", "fair",	   "festive", "fleet",
	"fond",	    "frank",   "gallant", "gentle", "glad",    "golden",   "grand",   "happy",
	"hardy",    "hearty",  "honest",  "humble", "jolly",   "keen",	   "kind",    "lively",
	"lucid",    "lucky",   "merry",	  "mighty", "mellow",  "modest",   "neat",    "nimble",
	"noble",    "patient", "plucky",  "polite", "proud",   "quick",	   "quiet",   "rapid",
	"ready",    "robust",  "serene",  "sharp",  "silver",  "sincere",  "smart",   "snug",
	"spirited", "spry",    "steady",  "sturdy", "sunny",   "swift",	   "tender",  "tidy",
	"tireless", "upbeat",  "valiant", "vivid",  "warm",    "watchful", "wise",    "witty",
};

static const char *const surnames[] = {
	"abbate",     "aiken",	   "allen",	 "atanasoff", "babbage",  "backus",   "baran",
	"bartik",     "berezin",   "boole",	 "borg",      "brooks",	  "bush",     "cerf",
	"church",     "clarke",	   "codd",	 "cook",      "conway",	  "cray",     "dahl",
	"dijkstra",   "eckert",	   "engelbart",	 "estrin",    "feinler",  "floyd",    "flowers",
	"forsythe",   "gosper",	   "gray",	 "hamilton",  "hamming",  "hoare",    "holberton",
	"hollerith",  "hopper",	   "huffman",	 "iverson",   "jacquard", "kahn",     "karp",
	"kay",	      "keller",	   "kilburn",	 "kildall",   "kleene",	  "knuth",    "lamarr",
	"lamport",    "licklider", "liskov",	 "lovelace",  "mauchly",  "mccarthy", "meltzer",
	"minsky",     "mills",	   "moore",	 "naur",      "neumann",  "newell",   "noether",
	"nygaard",    "papert",	   "perlis",	 "perlman",   "postel",	  "rabin",    "ritchie",
	"scott",      "shannon",   "simon",	 "snyder",    "spence",	  "stibitz",  "strachey",
	"sutherland", "tarjan",	   "teitelbaum", "thompson",  "torvalds", "turing",   "wegner",
	"wescoff",    "wilkes",	   "williams",	 "wirth",     "zuse",
};

char *name_random(unsigned attempt, char buf[NAME_RANDOM_BYTES])
{
	uint32_t dice[3];

	rand_bytes(dice, sizeof(dice));
	(void)snprintf(buf, NAME_RANDOM_BYTES, "%s_%s",
		       adjectives[dice[0] % (sizeof(adjectives) / sizeof(adjectives[0]))],
		       surnames[dice[1] % (sizeof(surnames) / sizeof(surnames[0]))]);
	if (attempt > 0) {
		size_t len = strlen(buf);

		(void)snprintf(buf + len, NAME_RANDOM_BYTES - len, "%u", dice[2] % (10 * attempt));
	}

	return buf;
}

int name_check(const char *name, struct err *err)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		if (!isascii(c) || (!isalnum(c) && (i == 0 || !strchr("_.-", c))))
			len = 0;
	}
	if (len >= 2 && len <= 128)
		return 0;
	err_setk(err, ERR_USAGE, EINVAL, "invalid container name '%s'", name);
	err_hint(err, "a letter or digit, then at least one of letters, digits, '_', '.' and '-': "
		      "[a-zA-Z0-9][a-zA-Z0-9_.-]+");

	return -EINVAL;
}
