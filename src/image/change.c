/* SPDX-License-Identifier: Apache-2.0
 *
 * change.c - changes to an image's config, in the words of a Dockerfile
 */
#include "image/change.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "wire/json.h"

#define WORD_MAX_BYTES (64 * KIB)

static int bad(struct err *err, const char *why)
{
	return err_setk(err, ERR_USAGE, EINVAL, "%s", why);
}

static const char *skip_space(const char *at)
{
	while (isspace((unsigned char)*at))
		at++;

	return at;
}

/* The next word: quotes group, a backslash takes the next character as it is. 1, 0 at the end. */
static int next_word(const char **at, char **ret, struct err *err)
{
	auto_done(strbuf) word = STRBUF_INIT(WORD_MAX_BYTES);
	char quote = '\0';
	const char *c = skip_space(*at);

	if (!*c)
		return 0;
	for (; *c && (quote || !isspace((unsigned char)*c)); c++) {
		if (quote ? *c == quote : (*c == '"' || *c == '\'')) {
			quote = quote ? '\0' : *c;
			continue;
		}
		if (*c == '\\' && quote != '\'' && c[1])
			c++;
		strbuf_addc(&word, *c);
	}
	if (quote)
		return bad(err, "a quote is not closed");
	*at = c;
	*ret = strbuf_take(&word);

	return *ret ? 1 : err_set(err, ENOMEM, "out of memory");
}

/* ["a", "b"]: true, and the list is filled in. Anything else is not this form. */
static bool read_array(const char *text, struct strv *ret)
{
	auto_json *array = NULL;
	auto_done(strv) list = { 0 };

	if (*text != '[' || json_parse_array(text, strlen(text), "", &array, NULL) < 0)
		return false;
	for (size_t i = 0; i < json_array_size(array); i++) {
		const char *item = json_string_value(json_array_get(array, i));

		if (!item || strv_add(&list, item) < 0)
			return false;
	}
	strv_done(ret);
	*ret = list;
	list = (struct strv){ 0 };

	return true;
}

/* CMD and ENTRYPOINT: what is no array is for the shell. */
static int set_command(struct strv *to, const char *rest, struct err *err)
{
	if (read_array(rest, to))
		return 0;
	strv_done(to);
	if (strv_add(to, "/bin/sh") < 0 || strv_add(to, "-c") < 0 || strv_add(to, rest) < 0)
		return err_set(err, ENOMEM, "out of memory");

	return 0;
}

static int set_pair(struct strv *to, const char *pair, struct err *err)
{
	if (pair[0] == '=' || !strchr(pair, '='))
		return bad(err, "NAME=VALUE expected");

	return strv_env_set(to, pair) < 0 ? err_set(err, ENOMEM, "out of memory") : 0;
}

/* ENV and LABEL: "A=b C=d", or the old form "A value with spaces". */
static int set_pairs(struct strv *to, const char *rest, struct err *err)
{
	const char *at = rest;
	char *word;
	int r;

	for (bool first = true; (r = next_word(&at, &word, err)) > 0; first = false) {
		auto_free char *pair = word;
		const char *value = skip_space(at);

		if (first && !strchr(pair, '=') && *value) {
			auto_free char *whole = mem_printf("%s=%s", pair, value);

			return set_pair(to, whole, err);
		}
		r = set_pair(to, pair, err);
		if (r < 0)
			break;
	}

	return r;
}

static bool holds(const struct strv *v, const char *text)
{
	for (size_t i = 0; i < v->len; i++)
		if (strcmp(v->items[i], text) == 0)
			return true;

	return false;
}

static int add_once(struct strv *to, const char *text, struct err *err)
{
	if (!holds(to, text) && strv_add(to, text) < 0)
		return err_set(err, ENOMEM, "out of memory");

	return 0;
}

static int add_port(struct spec_image *image, const char *word, struct err *err)
{
	auto_free char *port = strchr(word, '/') ? mem_strdup(word) : mem_printf("%s/tcp", word);
	struct slice rest = slice_of(port), number;
	uint64_t value;

	(void)slice_next(&rest, '/', &number);
	if (parse_slice_u64(number, 1, UINT16_MAX, &value) < 0 ||
	    !(slice_eq(rest, "tcp") || slice_eq(rest, "udp") || slice_eq(rest, "sctp")))
		return bad(err, "PORT or PORT/PROTOCOL expected");

	return add_once(&image->exposed_ports, port, err);
}

static int add_volume(struct spec_image *image, const char *word, struct err *err)
{
	if (word[0] != '/')
		return bad(err, "a volume is an absolute path");

	return add_once(&image->volumes, word, err);
}

/* EXPOSE and VOLUME: an array or words. */
static int add_words(struct spec_image *image, const char *rest,
		     int (*add)(struct spec_image *image, const char *word, struct err *err),
		     struct err *err)
{
	auto_done(strv) words = { 0 };
	int r = 0;

	if (!read_array(rest, &words)) {
		const char *at = rest;
		char *word;

		while ((r = next_word(&at, &word, err)) > 0)
			if (strv_give(&words, word) < 0)
				return err_set(err, ENOMEM, "out of memory");
	}
	for (size_t i = 0; r == 0 && i < words.len; i++)
		r = add(image, words.items[i], err);

	return r;
}

static int set_text(char **to, const char *text)
{
	free(*to);
	*to = mem_strdup(text);

	return 0;
}

/* A relative one is below the one before, as in a Dockerfile. */
static int set_workdir(struct spec_image *image, const char *rest)
{
	const char *base = image->working_dir ? image->working_dir : "";
	char *path = rest[0] == '/' ? mem_strdup(rest) : mem_printf("%s/%s", base, rest);

	free(image->working_dir);
	image->working_dir = path;

	return 0;
}

static int apply(struct spec_image *image, struct slice key, const char *rest, struct err *err)
{
	auto_free char *name = mem_strndup(key.at, key.len);

	if (strcasecmp(name, "CMD") == 0)
		return set_command(&image->cmd, rest, err);
	if (strcasecmp(name, "ENTRYPOINT") == 0)
		return set_command(&image->entrypoint, rest, err);
	if (strcasecmp(name, "ENV") == 0)
		return set_pairs(&image->env, rest, err);
	if (strcasecmp(name, "LABEL") == 0)
		return set_pairs(&image->labels, rest, err);
	if (strcasecmp(name, "EXPOSE") == 0)
		return add_words(image, rest, add_port, err);
	if (strcasecmp(name, "VOLUME") == 0)
		return add_words(image, rest, add_volume, err);
	if (strcasecmp(name, "WORKDIR") == 0)
		return set_workdir(image, rest);
	if (strcasecmp(name, "USER") == 0)
		return set_text(&image->user, rest);
	if (strcasecmp(name, "STOPSIGNAL") == 0)
		return set_text(&image->stop_signal, rest);
	if (strcasecmp(name, "ONBUILD") == 0)
		return strv_add(&image->onbuild, rest);

	(void)bad(err, "unknown instruction");
	err_hint(err, "it knows CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, ONBUILD, STOPSIGNAL, USER, "
		      "VOLUME and WORKDIR");

	return -EINVAL;
}

int change_apply(struct spec_image *image, const char *text, struct err *err)
{
	const char *start = skip_space(text), *end = start;
	const char *rest;
	int r;

	while (*end && !isspace((unsigned char)*end))
		end++;
	rest = skip_space(end);
	if (!*rest)
		r = bad(err, "an instruction and its arguments expected");
	else
		r = apply(image, (struct slice){ start, (size_t)(end - start) }, rest, err);

	return r < 0 ? err_wrap(err, r, "--change '%.100s'", text) : 0;
}
