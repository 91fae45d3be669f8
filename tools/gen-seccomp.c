/* SPDX-License-Identifier: Apache-2.0
 *
 * gen-seccomp.c - compile the usual default filters while the project is built
 *
 * Writes C to stdout for src/linux/seccomp_builtin.c, so that starting a workload compiles none.
 */
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>

#include "base/macro.h"
#include "linux/caps.h"
#include "linux/seccomp_filter.h"

/* Sets of capabilities that workloads usually hold, as far as they make a difference. */
static const uint64_t SETS[] = { 0, CAPS_BIT(CAP_SYS_CHROOT) };

static int generate(size_t i)
{
	auto_done(seccomp_filter) filter = { 0 };
	struct err err = ERR_INIT;
	char text[512];

	if (seccomp_default_compile(SETS[i], &filter, &err) < 0) {
		fprintf(stderr, "gen-seccomp: %s\n", err_text(&err, text, sizeof(text)));
		return -1;
	}
	printf("static const struct sock_filter BUILTIN_%zu[] = {\n", i);
	for (size_t j = 0; j < filter.len; j++)
		printf("\t{ 0x%02x, %u, %u, 0x%08x },\n", filter.insns[j].code, filter.insns[j].jt,
		       filter.insns[j].jf, filter.insns[j].k);
	printf("};\n");

	return 0;
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(SETS); i++)
		if (generate(i) < 0)
			return 1;
	printf("#define BUILTIN_CAPS UINT64_C(0x%" PRIx64 ")\n", seccomp_default_caps());
	printf("static const struct {\n\tuint64_t caps;\n\tconst struct sock_filter *insns;\n"
	       "\tunsigned short len;\n} BUILTINS[] = {\n");
	for (size_t i = 0; i < ARRAY_SIZE(SETS); i++)
		printf("\t{ UINT64_C(0x%" PRIx64 "), BUILTIN_%zu, ARRAY_SIZE(BUILTIN_%zu) },\n",
		       SETS[i], i, i);
	printf("};\n");

	return 0;
}
