/* SPDX-License-Identifier: Apache-2.0
 *
 * test_merge.c - names of layers over each other: what overlayfs would show of them
 */
#include "image/merge.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"
#include "image/member.h"

static const uint8_t seed[16] = "not so random...";

/* What matters of a member here. */
struct member {
	enum tar_type type;
	const char *path, *link;
	uint32_t mode;
};
#define DIR(path, mode)                 \
	{                               \
		TAR_DIR, path, "", mode \
	}
#define FILE(path)                       \
	{                                \
		TAR_FILE, path, "", 0644 \
	}
#define LINK(path, target)                    \
	{                                     \
		TAR_HARDLINK, path, target, 0 \
	}

/* The next layer over @merged. */
static int over(struct tree *merged, uint32_t number, const struct member *members, size_t len)
{
	auto_ptr(tree) *layer = tree_new(seed);

	for (size_t i = 0; i < len; i++) {
		const struct tar_entry entry = { .type = members[i].type,
						 .name = members[i].path,
						 .link = members[i].link,
						 .mode = members[i].mode };
		struct tree_inode *inode;
		struct tree_attr attr;

		assert_int_equal(member_add(layer, &entry, &attr, &inode, NULL), 0);
		if (inode)
			inode->nid = i + 1;
	}

	return merge_layer(merged, layer, number, NULL);
}
#define OVER(merged, number, ...)                                    \
	over(merged, number, (const struct member[]){ __VA_ARGS__ }, \
	     sizeof((const struct member[]){ __VA_ARGS__ }) / sizeof(struct member))

static struct tree_node *get(struct tree *t, const char *path)
{
	struct slice rest = slice_of(path), name;
	struct tree_node *node = tree_root(t);

	while (node && slice_next(&rest, '/', &name))
		node = node->dir ? tree_find(t, node, name) : NULL;

	return node;
}

/* The mode of a folder, and whether overlayfs shows it. */
static void expect_dir(struct tree *t, const char *path, uint32_t mode, bool shown)
{
	const struct tree_node *node = get(t, path);

	assert_non_null(node);
	assert_non_null(node->dir);
	assert_int_equal(node->dir->attr.mode, S_IFDIR | mode);
	assert_int_equal(node->dir->named, shown);
}

static void test_implied(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);

	(void)state;
	assert_int_equal(OVER(t, 0, DIR("./", 0711), DIR("tmp", 01777), DIR("a", 0700),
			      DIR("a/b", 0750), FILE("implied/f")),
			 0);
	expect_dir(t, "implied", 0755, true);
	assert_int_equal(OVER(t, 1, FILE("tmp/x"), FILE("a/b/c/f"), FILE("implied/g")), 0);
	assert_int_equal(tree_root(t)->dir->attr.mode, S_IFDIR | 0711);
	assert_false(tree_root(t)->dir->named);
	expect_dir(t, "tmp", 01777, false);
	expect_dir(t, "a", 0700, false);
	expect_dir(t, "a/b", 0750, false);
	expect_dir(t, "a/b/c", 0755, true);
	/* Whoever names it last is right. */
	assert_int_equal(OVER(t, 2, DIR("tmp", 0700), FILE("a/b/f")), 0);
	expect_dir(t, "tmp", 0700, true);
	expect_dir(t, "a/b", 0750, false);
}

static void test_hidden(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);

	(void)state;
	assert_int_equal(OVER(t, 0, DIR("opaque", 0700), FILE("opaque/f"), DIR("gone", 0700),
			      DIR("back", 0700), FILE("back/f"), DIR("file", 0700), FILE("file/f"),
			      FILE("was-file")),
			 0);
	assert_int_equal(OVER(t, 1, FILE("opaque/g"), FILE("opaque/.wh..wh..opq"), FILE(".wh.gone"),
			      FILE(".wh.back"), FILE("back/g"), FILE("file"), FILE("was-file/f")),
			 0);
	expect_dir(t, "opaque", 0755, true);
	assert_null(get(t, "opaque/f"));
	assert_non_null(get(t, "opaque/g")->inode);
	assert_null(get(t, "gone")->dir);
	assert_null(get(t, "gone")->inode);
	expect_dir(t, "back", 0755, true);
	assert_null(get(t, "back/f"));
	assert_non_null(get(t, "file")->inode);
	expect_dir(t, "was-file", 0755, true);
	/* What was hidden has no say any more. */
	assert_int_equal(OVER(t, 2, FILE("gone/f"), FILE("file/f")), 0);
	expect_dir(t, "gone", 0755, true);
	expect_dir(t, "file", 0755, true);
}

static void test_links(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);
	const struct tree_inode *inode;

	(void)state;
	assert_int_equal(OVER(t, 0, FILE("f"), LINK("twin", "f"), FILE("other")), 0);
	inode = get(t, "f")->inode;
	assert_int_equal(inode->nid, merge_nid(0, 1));
	assert_false(inode->copied);
	/* The target is what was there below, whatever the layer puts in its place. */
	assert_int_equal(OVER(t, 1, LINK("l", "f"), LINK("m", "l"), FILE("f"), LINK("n", "f")), 0);
	assert_ptr_equal(get(t, "twin")->inode, inode);
	assert_ptr_equal(get(t, "l")->inode, inode);
	assert_ptr_equal(get(t, "m")->inode, inode);
	assert_int_equal(inode->nlink, 3);
	assert_true(inode->copied);
	assert_int_equal(get(t, "n")->inode->nid, merge_nid(1, 3));
	assert_false(get(t, "n")->inode->copied);
	assert_int_equal(OVER(t, 2, FILE(".wh.l"), FILE(".wh.m"), FILE("twin")), 0);
	assert_int_equal(inode->nlink, 0);
}

static void test_refused_links(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);

	(void)state;
	assert_int_equal(OVER(t, 0, LINK("l", "f")), -ENOENT);
	assert_int_equal(OVER(t, 0, FILE("d/f")), 0);
	assert_int_equal(OVER(t, 1, LINK("l", "d/none")), -ENOENT);
	assert_int_equal(OVER(t, 1, LINK("l", "d")), -EINVAL);
	assert_int_equal(OVER(t, 1, FILE("d/.wh.f")), 0);
	assert_int_equal(OVER(t, 2, LINK("l", "d/f")), -ENOENT);
	/* A name that another member of the layer takes has no target any more. */
	assert_int_equal(OVER(t, 2, LINK("l", "d/f"), FILE("l")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_implied),
		cmocka_unit_test(test_hidden),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_refused_links),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
