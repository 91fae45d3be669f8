/* SPDX-License-Identifier: Apache-2.0
 *
 * test_tree.c - names of a layer: what is refused, what replaces what, and a random model
 */
#include "image/tree.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "check.h"

static const uint8_t seed[16] = "not so random...";

static int put_dir(struct tree *t, const char *path, uint32_t mode)
{
	const struct tree_attr attr = { .mode = S_IFDIR | mode };
	struct tree_node *parent;
	struct slice name;
	int r = tree_place(t, path, &parent, &name, NULL);

	return r < 0 ? r : tree_put_dir(t, parent, name, &attr, NULL);
}

static int put_file(struct tree *t, const char *path, uint64_t nid)
{
	struct tree_node *parent;
	struct slice name;
	int r = tree_place(t, path, &parent, &name, NULL);

	return r < 0 ? r
		     : tree_put_inode(t, parent, name, tree_make_inode(t, nid, S_IFREG | 0644),
				      NULL);
}

static struct tree_node *get(struct tree *t, const char *path)
{
	struct slice rest = slice_of(path), name;
	struct tree_node *node = tree_root(t);

	while (node && slice_next(&rest, '/', &name))
		node = node->dir ? tree_find(t, node, name) : NULL;

	return node;
}

static void test_refused_paths(void **state)
{
	static const struct {
		const char *path;
		int r;
	} cases[] = {
		{ "a/b", 0 },
		{ "./a//b/", 0 },
		{ "a/./c", 0 },
		{ "...", 0 },
		{ "..a/b", 0 },
		{ "/a", -EINVAL },
		{ "..", -EINVAL },
		{ "a/..", -EINVAL },
		{ "a/../b", -EINVAL },
		{ "./../b", -EINVAL },
		{ "file/x", -EINVAL },
		{ "link/x", -EINVAL },
		{ "link/x/y", -EINVAL },
	};
	auto_ptr(tree) *t = tree_new(seed);
	struct tree_node *parent;
	struct slice name;

	(void)state;
	assert_int_equal(put_file(t, "file", 1), 0);
	assert_int_equal(tree_place(t, "link", &parent, &name, NULL), 0);
	assert_int_equal(
		tree_put_inode(t, parent, name, tree_make_inode(t, 2, S_IFLNK | 0777), NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(tree_place(t, cases[i].path, &parent, &name, NULL), cases[i].r);
}

static void test_limits(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);
	char path[2 * (TREE_MAX_DEPTH + 1) + 1];
	char name[TREE_MAX_NAME_BYTES + 2];
	struct tree_node *parent;
	struct slice last;

	(void)state;
	for (size_t i = 0; i <= TREE_MAX_DEPTH; i++) {
		path[2 * i] = 'd';
		path[2 * i + 1] = '/';
	}
	path[2 * TREE_MAX_DEPTH] = '\0';
	assert_int_equal(tree_place(t, path, &parent, &last, NULL), 0);
	path[2 * TREE_MAX_DEPTH] = 'd';
	path[2 * TREE_MAX_DEPTH + 1] = '\0';
	assert_int_equal(tree_place(t, path, &parent, &last, NULL), -E2BIG);

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(tree_place(t, name, &parent, &last, NULL), -EINVAL);
	assert_int_equal(tree_place(t, name + 1, &parent, &last, NULL), 0);
}

static void test_implicit_parents(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);

	(void)state;
	assert_int_equal(put_file(t, "a/b/f", 1), 0);
	assert_int_equal(get(t, "a/b")->dir->attr.mode, S_IFDIR | 0755);
	assert_int_equal(put_dir(t, "a/b", 0700), 0);
	assert_int_equal(get(t, "a/b")->dir->attr.mode, S_IFDIR | 0700);
	assert_non_null(get(t, "a/b/f"));
	assert_int_equal(tree_root(t)->dir->subdirs, 1);
}

static void test_file_replaces_folder(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);

	(void)state;
	assert_int_equal(put_file(t, "a/b/c/f", 1), 0);
	assert_int_equal(put_file(t, "a/g", 2), 0);
	assert_int_equal(tree_len(t), 6);
	assert_int_equal(put_file(t, "a", 3), 0);
	assert_null(get(t, "a/b/c/f"));
	assert_int_equal(get(t, "a")->inode->nid, 3);
	assert_int_equal(tree_len(t), 2);
	assert_int_equal(tree_root(t)->dir->subdirs, 0);
	/* And back: what had been there does not come again, here or from below. */
	assert_int_equal(put_dir(t, "a", 0755), 0);
	assert_null(get(t, "a/g"));
	assert_true(get(t, "a")->whiteout);
}

static void test_hard_links(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);
	struct tree_inode *inode, *again;
	struct tree_node *parent;
	struct slice name;

	(void)state;
	assert_int_equal(put_file(t, "d/f", 1), 0);
	assert_int_equal(tree_link_target(t, "./d//f", &inode, NULL), 0);
	assert_int_equal(tree_place(t, "e/g", &parent, &name, NULL), 0);
	assert_int_equal(tree_put_inode(t, parent, name, inode, NULL), 0);
	assert_int_equal(inode->nlink, 2);
	/* Onto itself: nothing changes. */
	assert_int_equal(tree_put_inode(t, parent, name, inode, NULL), 0);
	assert_int_equal(inode->nlink, 2);
	assert_int_equal(put_file(t, "e/g", 2), 0);
	assert_int_equal(inode->nlink, 1);

	assert_int_equal(tree_link_target(t, "d", &again, NULL), -EINVAL);
	assert_int_equal(tree_link_target(t, "d/none", &again, NULL), -ENOENT);
	assert_int_equal(tree_link_target(t, "d/../d/f", &again, NULL), -EINVAL);
	assert_int_equal(tree_link_target(t, "/d/f", &again, NULL), -EINVAL);
	assert_int_equal(tree_link_target(t, "d/f/x", &again, NULL), -EINVAL);
}

static void test_whiteouts(void **state)
{
	auto_ptr(tree) *t = tree_new(seed);
	struct tree_node *root = tree_root(t);

	(void)state;
	assert_int_equal(tree_whiteout(t, root, slice_of("gone"), NULL), 0);
	assert_null(get(t, "gone")->inode);
	assert_null(get(t, "gone")->dir);
	/* In either order the layer's own name stays, and what is below it does not. */
	assert_int_equal(tree_whiteout(t, root, slice_of("d"), NULL), 0);
	assert_int_equal(put_file(t, "d/f", 1), 0);
	assert_true(get(t, "d")->whiteout && get(t, "d")->dir);
	assert_int_equal(put_file(t, "e/f", 1), 0);
	assert_int_equal(tree_whiteout(t, root, slice_of("e"), NULL), 0);
	assert_true(get(t, "e")->whiteout && get(t, "e/f")->inode);
}

/* Names of the model: all paths of up to three letters out of three. */
#define MODEL_NAMES 39

enum model_kind {
	MODEL_NONE,
	MODEL_DIR,
	MODEL_FILE,
};

static void model_path(size_t i, char path[8])
{
	static const size_t first[] = { 0, 3, 12, 39 };
	size_t len = i < 3 ? 1 : i < 12 ? 2 : 3, rest = i - first[len - 1];

	for (size_t at = 0; at < len; at++) {
		size_t digit = rest;

		for (size_t skip = at + 1; skip < len; skip++)
			digit /= 3;
		path[2 * at] = (char)('a' + digit % 3);
		path[2 * at + 1] = '/';
	}
	path[2 * len - 1] = '\0';
}

static bool is_below(const char *path, const char *top)
{
	return strncmp(path, top, strlen(top)) == 0 && path[strlen(top)] == '/';
}

static void model_put(enum model_kind kinds[MODEL_NAMES], size_t at, enum model_kind kind, int r)
{
	char path[8], other[8];
	bool blocked = false;

	model_path(at, path);
	for (size_t i = 0; i < MODEL_NAMES; i++) {
		model_path(i, other);
		blocked = blocked || (is_below(path, other) && kinds[i] == MODEL_FILE);
	}
	assert_int_equal(r, blocked ? -EINVAL : 0);
	for (size_t i = 0; i < MODEL_NAMES; i++) {
		model_path(i, other);
		/* Parents above the file that blocks are made, and so on the way to success. */
		if (is_below(path, other) && kinds[i] == MODEL_NONE) {
			bool under_file = false;

			for (size_t k = 0; k < MODEL_NAMES; k++) {
				char above[8];

				model_path(k, above);
				under_file = under_file ||
					     (is_below(other, above) && kinds[k] == MODEL_FILE);
			}
			if (!under_file)
				kinds[i] = MODEL_DIR;
		}
		if (!blocked && kind == MODEL_FILE && is_below(other, path))
			kinds[i] = MODEL_NONE;
	}
	if (!blocked)
		kinds[at] = kind;
}

static void test_random_model(void **state)
{
	uint32_t random = 7;

	(void)state;
	for (int round = 0; round < 300; round++) {
		enum model_kind kinds[MODEL_NAMES] = { MODEL_NONE };
		auto_ptr(tree) *t = tree_new(seed);

		for (int step = 0; step < 60; step++) {
			char path[8];
			size_t at;
			bool dir;

			random = random * 1664525 + 1013904223;
			at = (random >> 8) % MODEL_NAMES;
			dir = random & 0x40;
			model_path(at, path);
			model_put(kinds, at, dir ? MODEL_DIR : MODEL_FILE,
				  dir ? put_dir(t, path, 0755) : put_file(t, path, at + 1));
		}
		for (size_t i = 0; i < MODEL_NAMES; i++) {
			struct tree_node *node;
			char path[8];

			model_path(i, path);
			node = get(t, path);
			assert_int_equal(node && node->dir, kinds[i] == MODEL_DIR);
			assert_int_equal(node && node->inode, kinds[i] == MODEL_FILE);
			if (node && node->inode) {
				assert_int_equal(node->inode->nid, i + 1);
				assert_int_equal(node->inode->nlink, 1);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_paths),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_implicit_parents),
		cmocka_unit_test(test_file_replaces_folder),
		cmocka_unit_test(test_hard_links),
		cmocka_unit_test(test_whiteouts),
		cmocka_unit_test(test_random_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
