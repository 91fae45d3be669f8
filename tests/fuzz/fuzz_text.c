/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_text.c - the small readers of base/: numbers, sizes, durations, times, base64
 */
#include "fuzz.h"

#include <string.h>

#include "base/base64.h"
#include "base/clock.h"
#include "base/macro.h"
#include "base/parse.h"

static void check_base64(const char *text, size_t len)
{
	auto_free char *bytes = NULL, *again = NULL;
	size_t bytes_len;

	if (base64_decode(text, len, &bytes, &bytes_len) < 0)
		return;
	again = base64_encode(bytes, bytes_len);
	fuzz_assert(again && strlen(again) == len && memcmp(again, text, len) == 0);
}

static void check_time(const char *text)
{
	char buf[CLOCK_RFC3339_BYTES];
	int64_t ns, again;

	if (clock_parse_rfc3339(text, &ns) < 0)
		return;
	clock_rfc3339(ns, buf);
	fuzz_assert(clock_parse_rfc3339(buf, &again) == 0 && again == ns);
}

static void check_numbers(const char *text)
{
	char buf[32];
	uint64_t u64;
	int64_t i64;
	bool flag;

	if (parse_u64(text, 0, UINT64_MAX, &u64) == 0) {
		const char *digits = text + strspn(text, "0");

		(void)snprintf(buf, sizeof(buf), "%llu", (unsigned long long)u64);
		fuzz_assert(strcmp(buf, *digits ? digits : "0") == 0);
	}
	if (parse_i64(text, -10, 10, &i64) == 0)
		fuzz_assert(i64 >= -10 && i64 <= 10);
	if (parse_size(text, &u64) == 0)
		fuzz_assert(text[0] >= '0' && text[0] <= '9');
	if (parse_duration(text, &i64) == 0)
		fuzz_assert(i64 >= 0);
	(void)parse_bool(text, &flag);
}

static void check_slices(const char *text, size_t len)
{
	struct slice rest = { .at = text, .len = len }, part;
	size_t total = 0, parts = 0;

	while (slice_next(&rest, '/', &part)) {
		fuzz_assert(part.len == 0 || !memchr(part.at, '/', part.len));
		total += part.len;
		parts++;
	}
	fuzz_assert(parts > 0 && total + parts - 1 == len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	auto_free char *text = malloc(len + 1);

	fuzz_assert(text);
	memcpy(text, data, len);
	text[len] = '\0';
	check_base64(text, len);
	check_time(text);
	check_numbers(text);
	check_slices(text, len);

	return 0;
}
