/* SPDX-License-Identifier: Apache-2.0
 *
 * check.h - cmocka with the headers it needs before it
 */
#ifndef TESTS_CHECK_H
#define TESTS_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
