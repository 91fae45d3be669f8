/* SPDX-License-Identifier: Apache-2.0
 *
 * template_func.c - functions that templates call, and how values print
 */
#include "cli/template_func.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/mem.h"
#include "base/parse.h"
#include "cli/template.h"
#include "wire/json.h"

#define PRINT_MAX_BYTES (1024 * 1024)

bool template_true(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_NULL:
	case JSON_FALSE:
		return false;
	case JSON_TRUE:
		return true;
	case JSON_INTEGER:
		return json_integer_value(value) != 0;
	case JSON_REAL:
		return json_real_value(value) < 0 || json_real_value(value) > 0;
	case JSON_STRING:
		return json_string_length(value) > 0;
	case JSON_ARRAY:
		return json_array_size(value) > 0;
	case JSON_OBJECT:
		return json_object_size(value) > 0;
	}

	return false;
}

static void print_array(const json_t *array, struct strbuf *out)
{
	const json_t *item;
	size_t i;

	strbuf_addc(out, '[');
	json_array_foreach (array, i, item) {
		if (i > 0)
			strbuf_addc(out, ' ');
		template_print(item, out);
	}
	strbuf_addc(out, ']');
}

static void print_object(const json_t *object, struct strbuf *out)
{
	json_t *mutable = (json_t *)(uintptr_t)object;
	const char *key;
	json_t *value;
	bool first = true;

	strbuf_adds(out, "map[");
	json_object_foreach (mutable, key, value) {
		strbuf_addf(out, "%s%s:", first ? "" : " ", key);
		template_print(value, out);
		first = false;
	}
	strbuf_addc(out, ']');
}

void template_print(const json_t *value, struct strbuf *out)
{
	switch (json_typeof(value)) {
	case JSON_NULL:
		strbuf_adds(out, "<no value>");
		break;
	case JSON_FALSE:
		strbuf_adds(out, "false");
		break;
	case JSON_TRUE:
		strbuf_adds(out, "true");
		break;
	case JSON_INTEGER:
		strbuf_addf(out, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		break;
	case JSON_REAL:
		strbuf_addf(out, "%g", json_real_value(value));
		break;
	case JSON_STRING:
		strbuf_add(out, json_string_value(value), json_string_length(value));
		break;
	case JSON_ARRAY:
		print_array(value, out);
		break;
	case JSON_OBJECT:
		print_object(value, out);
		break;
	}
}

static json_t *text_of(const struct strbuf *sb)
{
	return sb->failed ? NULL : json_stringn_nocheck(strbuf_get(sb), sb->len);
}

static json_t *fn_json(json_t *const *args, size_t len)
{
	auto_free char *text = json_text(args[0]);

	(void)len;

	return text ? json_string(text) : NULL;
}

static json_t *fn_len(json_t *const *args, size_t len)
{
	(void)len;
	if (json_is_string(args[0]))
		return json_integer((json_int_t)json_string_length(args[0]));
	if (json_is_array(args[0]))
		return json_integer((json_int_t)json_array_size(args[0]));
	if (json_is_object(args[0]))
		return json_integer((json_int_t)json_object_size(args[0]));

	return json_is_null(args[0]) ? json_integer(0) : NULL;
}

static json_t *fn_join(json_t *const *args, size_t len)
{
	auto_done(strbuf) sb = STRBUF_INIT(PRINT_MAX_BYTES);
	const json_t *item;
	size_t i;

	(void)len;
	if (json_is_null(args[0]))
		return json_string("");
	if (!json_is_array(args[0]) || !json_is_string(args[1]))
		return NULL;
	json_array_foreach (args[0], i, item) {
		if (i > 0)
			strbuf_adds(&sb, json_string_value(args[1]));
		template_print(item, &sb);
	}

	return text_of(&sb);
}

static json_t *fn_split(json_t *const *args, size_t len)
{
	const char *at = json_string_value(args[0]), *sep = json_string_value(args[1]), *end;
	json_t *parts;

	(void)len;
	if (!at || !sep || !*sep)
		return NULL;
	parts = json_array();
	while ((end = strstr(at, sep))) {
		json_array_append_new(parts, json_stringn(at, (size_t)(end - at)));
		at = end + strlen(sep);
	}
	json_array_append_new(parts, json_string(at));

	return parts;
}

static json_t *map_case(const json_t *value, int (*convert)(int), bool words)
{
	auto_free char *text = mem_strdup(json_string_value(value));
	bool start = true;

	if (!text)
		return NULL;
	for (char *at = text; *at; at++) {
		if (!words || start)
			*at = (char)convert((unsigned char)*at);
		start = *at == ' ';
	}

	return json_string(text);
}

static json_t *fn_upper(json_t *const *args, size_t len)
{
	(void)len;

	return map_case(args[0], toupper, false);
}

static json_t *fn_lower(json_t *const *args, size_t len)
{
	(void)len;

	return map_case(args[0], tolower, false);
}

static json_t *fn_title(json_t *const *args, size_t len)
{
	(void)len;

	return map_case(args[0], toupper, true);
}

static json_t *fn_index(json_t *const *args, size_t len)
{
	json_t *value = args[0];

	for (size_t i = 1; i < len && value; i++) {
		if (json_is_object(value) && json_is_string(args[i]))
			value = json_object_get(value, json_string_value(args[i]));
		else if (json_is_array(value) && json_is_integer(args[i]) &&
			 json_integer_value(args[i]) >= 0)
			value = json_array_get(value, (size_t)json_integer_value(args[i]));
		else if (!json_is_null(value))
			return NULL;
		/* An absent key is null; an index beyond the end is an error, as in Go. */
		if (!value && json_is_string(args[i]))
			value = json_null();
	}

	return json_incref(value);
}

static json_t *print_all(json_t *const *args, size_t len, const char *end)
{
	auto_done(strbuf) sb = STRBUF_INIT(PRINT_MAX_BYTES);

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (*end || (!json_is_string(args[i]) && !json_is_string(args[i - 1]))))
			strbuf_addc(&sb, ' ');
		template_print(args[i], &sb);
	}
	strbuf_adds(&sb, end);

	return text_of(&sb);
}

static json_t *fn_print(json_t *const *args, size_t len)
{
	return print_all(args, len, "");
}

static json_t *fn_println(json_t *const *args, size_t len)
{
	return print_all(args, len, "\n");
}

/* One conversion of printf: flags, width, precision, verb. */
struct conversion {
	bool left, zero;
	uint64_t width, precision;
	bool has_precision;
	char verb;
};

#define MAX_WIDTH 1024

static bool parse_conversion(const char **at, struct conversion *ret)
{
	const char *p = *at;
	size_t digits;

	for (; *p == '-' || *p == '0' || *p == '+' || *p == ' ' || *p == '#'; p++) {
		ret->left |= *p == '-';
		ret->zero |= *p == '0';
	}
	digits = strspn(p, "0123456789");
	if (digits && parse_slice_u64((struct slice){ p, digits }, 0, MAX_WIDTH, &ret->width) < 0)
		return false;
	p += digits;
	if (*p == '.') {
		digits = strspn(++p, "0123456789");
		ret->has_precision = true;
		if (digits &&
		    parse_slice_u64((struct slice){ p, digits }, 0, MAX_WIDTH, &ret->precision) < 0)
			return false;
		p += digits;
	}
	if (!*p)
		return false;
	ret->verb = *p++;
	*at = p;

	return true;
}

static bool convert(const struct conversion *c, const json_t *arg, struct strbuf *out)
{
	auto_done(strbuf) sb = STRBUF_INIT(PRINT_MAX_BYTES);
	auto_free char *quoted = NULL;
	size_t len;

	if (c->verb == 'q') {
		quoted = json_is_string(arg) ? json_text(arg) : NULL;
		if (!quoted)
			return false;
		strbuf_adds(&sb, quoted);
	} else if (c->verb == 'x' && json_is_integer(arg)) {
		strbuf_addf(&sb, "%llx", (unsigned long long)json_integer_value(arg));
	} else if (c->verb == 'f' && json_is_number(arg)) {
		strbuf_addf(&sb, "%.*f", c->has_precision ? (int)c->precision : 6,
			    json_number_value(arg));
	} else if (strchr("svdt", c->verb)) {
		template_print(arg, &sb);
	} else {
		return false;
	}
	len = sb.len;
	if (c->has_precision && c->verb == 's')
		len = MIN(len, (size_t)c->precision);
	for (size_t i = len; !c->left && i < c->width; i++)
		strbuf_addc(out, c->zero && c->verb != 's' ? '0' : ' ');
	strbuf_add(out, strbuf_get(&sb), len);
	for (size_t i = len; c->left && i < c->width; i++)
		strbuf_addc(out, ' ');

	return true;
}

static json_t *fn_printf(json_t *const *args, size_t len)
{
	auto_done(strbuf) sb = STRBUF_INIT(PRINT_MAX_BYTES);
	const char *at = json_string_value(args[0]);
	size_t next = 1;

	if (!at)
		return NULL;
	while (*at) {
		struct conversion c = { 0 };

		if (*at != '%') {
			strbuf_addc(&sb, *at++);
			continue;
		}
		at++;
		if (!parse_conversion(&at, &c))
			return NULL;
		if (c.verb == '%')
			strbuf_addc(&sb, '%');
		else if (next >= len || !convert(&c, args[next++], &sb))
			return NULL;
	}

	return text_of(&sb);
}

static json_t *fn_eq(json_t *const *args, size_t len)
{
	for (size_t i = 1; i < len; i++)
		if (json_equal(args[0], args[i]))
			return json_true();

	return json_false();
}

static json_t *fn_ne(json_t *const *args, size_t len)
{
	(void)len;

	return json_boolean(!json_equal(args[0], args[1]));
}

/* -1, 0, 1; -2 when the two cannot be compared. */
static int compare(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b))
		return (json_integer_value(a) > json_integer_value(b)) -
		       (json_integer_value(a) < json_integer_value(b));
	if (json_is_number(a) && json_is_number(b))
		return (json_number_value(a) > json_number_value(b)) -
		       (json_number_value(a) < json_number_value(b));
	if (json_is_string(a) && json_is_string(b)) {
		int r = strcmp(json_string_value(a), json_string_value(b));

		return (r > 0) - (r < 0);
	}

	return -2;
}

static json_t *ordered(int order, bool yes)
{
	return order == -2 ? NULL : json_boolean(yes);
}

static json_t *fn_lt(json_t *const *args, size_t len)
{
	int order = compare(args[0], args[1]);

	(void)len;

	return ordered(order, order < 0);
}

static json_t *fn_le(json_t *const *args, size_t len)
{
	int order = compare(args[0], args[1]);

	(void)len;

	return ordered(order, order <= 0);
}

static json_t *fn_gt(json_t *const *args, size_t len)
{
	int order = compare(args[0], args[1]);

	(void)len;

	return ordered(order, order > 0);
}

static json_t *fn_ge(json_t *const *args, size_t len)
{
	int order = compare(args[0], args[1]);

	(void)len;

	return ordered(order, order >= 0);
}

static json_t *fn_not(json_t *const *args, size_t len)
{
	(void)len;

	return json_boolean(!template_true(args[0]));
}

static json_t *fn_and(json_t *const *args, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		if (!template_true(args[i]))
			return json_incref(args[i]);

	return json_incref(args[len - 1]);
}

static json_t *fn_or(json_t *const *args, size_t len)
{
	for (size_t i = 0; i + 1 < len; i++)
		if (template_true(args[i]))
			return json_incref(args[i]);

	return json_incref(args[len - 1]);
}

int template_call(const char *name, json_t *const *args, size_t args_len, json_t **ret,
		  struct err *err)
{
	static const struct {
		const char *name;
		size_t min, max;
		json_t *(*fn)(json_t *const *args, size_t len); /* NULL: cannot take these */
	} functions[] = {
		{ "json", 1, 1, fn_json },
		{ "len", 1, 1, fn_len },
		{ "join", 2, 2, fn_join },
		{ "split", 2, 2, fn_split },
		{ "upper", 1, 1, fn_upper },
		{ "lower", 1, 1, fn_lower },
		{ "title", 1, 1, fn_title },
		{ "index", 1, SIZE_MAX, fn_index },
		{ "print", 0, SIZE_MAX, fn_print },
		{ "println", 0, SIZE_MAX, fn_println },
		{ "printf", 1, SIZE_MAX, fn_printf },
		{ "eq", 2, SIZE_MAX, fn_eq },
		{ "ne", 2, 2, fn_ne },
		{ "lt", 2, 2, fn_lt },
		{ "le", 2, 2, fn_le },
		{ "gt", 2, 2, fn_gt },
		{ "ge", 2, 2, fn_ge },
		{ "not", 1, 1, fn_not },
		{ "and", 1, SIZE_MAX, fn_and },
		{ "or", 1, SIZE_MAX, fn_or },
	};

	for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
		if (strcmp(functions[i].name, name) != 0)
			continue;
		if (args_len < functions[i].min || args_len > functions[i].max)
			return err_setk(err, ERR_USAGE, EINVAL,
					"template: wrong number of arguments to %s", name);
		*ret = functions[i].fn(args, args_len);
		if (!*ret)
			return err_setk(err, ERR_USAGE, EINVAL,
					"template: %s cannot take these arguments", name);
		return 0;
	}

	return err_setk(err, ERR_USAGE, EINVAL, "template: function '%s' not defined", name);
}
