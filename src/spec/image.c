/* SPDX-License-Identifier: Apache-2.0
 *
 * image.c - the image config document
 */
#include "spec/image.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "wire/json.h"

bool spec_digest_valid(const char *digest)
{
	static const char prefix[] = "sha256:";
	size_t prefix_len = sizeof(prefix) - 1;

	if (!digest || strncmp(digest, prefix, prefix_len) != 0)
		return false;

	return strlen(digest) == prefix_len + SPEC_DIGEST_HEX &&
	       strspn(digest + prefix_len, "0123456789abcdef") == SPEC_DIGEST_HEX;
}

void spec_image_done(struct spec_image *image)
{
	if (!image)
		return;
	free(image->architecture);
	free(image->variant);
	free(image->os);
	free(image->author);
	free(image->created);
	strv_done(&image->env);
	strv_done(&image->cmd);
	strv_done(&image->entrypoint);
	free(image->working_dir);
	free(image->user);
	strv_done(&image->exposed_ports);
	strv_done(&image->volumes);
	strv_done(&image->labels);
	free(image->stop_signal);
	strv_done(&image->shell);
	strv_done(&image->onbuild);
	free(image->healthcheck);
	strv_done(&image->diff_ids);
	for (size_t i = 0; i < image->history_len; i++) {
		free(image->history[i].created);
		free(image->history[i].created_by);
		free(image->history[i].author);
		free(image->history[i].comment);
	}
	free(image->history);
	*image = (struct spec_image){ 0 };
}

static int out_of_memory(struct err *err)
{
	return err_set(err, ENOMEM, "out of memory");
}

static struct spec_history *push_history(struct spec_image *image)
{
	struct spec_history *steps =
		reallocarray(image->history, image->history_len + 1, sizeof(*steps));

	if (!steps)
		return NULL;
	image->history = steps;
	steps[image->history_len] = (struct spec_history){ 0 };

	return &steps[image->history_len++];
}

static bool fill_texts(struct spec_history *step)
{
	char **texts[] = { &step->created, &step->created_by, &step->author, &step->comment };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (!*texts[i])
			*texts[i] = strdup("");
		if (!*texts[i])
			return false;
	}

	return true;
}

int spec_image_add_history(struct spec_image *image, const char *created, const char *created_by,
			   const char *comment, bool empty_layer)
{
	struct spec_history *step = push_history(image);

	if (!step)
		return -ENOMEM;
	step->created = created ? strdup(created) : NULL;
	step->created_by = created_by ? strdup(created_by) : NULL;
	step->comment = comment ? strdup(comment) : NULL;
	step->empty_layer = empty_layer;
	if ((created && !step->created) || (created_by && !step->created_by) ||
	    (comment && !step->comment))
		return -ENOMEM;

	return fill_texts(step) ? 0 : -ENOMEM;
}

/* ---- reading ---- */

/* The keys of an object whose values say nothing: exposed ports and volumes. */
static int get_keys(const json_t *object, const char *key, struct strv *ret, struct err *err)
{
	const json_t *set = NULL, *value;
	const char *name;
	int r = json_get_object(object, key, &set, err);

	if (r < 0 || !set)
		return r;
	/* The macro takes a pointer to the non-const type but changes nothing. */
	json_object_foreach ((json_t *)(uintptr_t)set, name, value) {
		if (strv_add(ret, name) < 0)
			return out_of_memory(err);
	}

	return 0;
}

static int get_labels(const json_t *config, struct strv *ret, struct err *err)
{
	const json_t *labels = NULL, *value;
	const char *name;
	int r = json_get_object(config, "Labels", &labels, err);

	if (r < 0 || !labels)
		return r;
	json_object_foreach ((json_t *)(uintptr_t)labels, name, value) {
		const char *text = "";
		char *label;

		r = json_get_text(labels, name, &text, err);
		if (r < 0)
			return err_wrap(err, r, "'Labels'");
		if (asprintf(&label, "%s=%s", name, text) < 0 || strv_give(ret, label) < 0)
			return out_of_memory(err);
	}

	return 0;
}

static int get_healthcheck(const json_t *config, char **ret, struct err *err)
{
	const json_t *check = NULL;
	int r = json_get_object(config, "Healthcheck", &check, err);

	if (r < 0 || !check)
		return r;
	*ret = json_text(check);

	return *ret ? 0 : out_of_memory(err);
}

/* A command that an old image may hold as one text, for a shell. */
static int get_command(const json_t *config, const char *key, struct strv *ret, struct err *err)
{
	const json_t *value = json_object_get(config, key);

	if (!json_is_string(value))
		return json_get_strv(config, key, ret, err);
	if (strv_add(ret, "/bin/sh") < 0 || strv_add(ret, "-c") < 0 ||
	    strv_add(ret, json_string_value(value)) < 0)
		return out_of_memory(err);

	return 0;
}

static int read_config(struct spec_image *image, const json_t *config, struct err *err)
{
	const struct {
		const char *key;
		struct strv *to;
	} lists[] = {
		{ "Env", &image->env },
		{ "Shell", &image->shell },
		{ "OnBuild", &image->onbuild },
	};
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{ "WorkingDir", &image->working_dir },
		{ "User", &image->user },
		{ "StopSignal", &image->stop_signal },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(lists); i++)
		r = json_get_strv(config, lists[i].key, lists[i].to, err);
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		r = json_get_strdup(config, texts[i].key, texts[i].to, err);
	if (r == 0)
		r = get_command(config, "Cmd", &image->cmd, err);
	if (r == 0)
		r = get_command(config, "Entrypoint", &image->entrypoint, err);
	if (r == 0)
		r = get_keys(config, "ExposedPorts", &image->exposed_ports, err);
	if (r == 0)
		r = get_keys(config, "Volumes", &image->volumes, err);
	if (r == 0)
		r = get_labels(config, &image->labels, err);
	if (r == 0)
		r = get_healthcheck(config, &image->healthcheck, err);

	return r < 0 ? err_wrap(err, r, "'config'") : 0;
}

static int read_rootfs(struct spec_image *image, const json_t *root, struct err *err)
{
	const json_t *rootfs = NULL;
	int r = json_get_object(root, "rootfs", &rootfs, err);

	if (r < 0)
		return r;
	if (!rootfs)
		return err_setk(err, ERR_USAGE, EINVAL, "'rootfs' is missing");
	r = json_get_strv(rootfs, "diff_ids", &image->diff_ids, err);
	if (r < 0)
		return err_wrap(err, r, "'rootfs'");
	if (image->diff_ids.len > SPEC_MAX_LAYERS)
		return err_setk(err, ERR_USAGE, EFBIG, "more than %d layers", SPEC_MAX_LAYERS);
	for (size_t i = 0; i < image->diff_ids.len; i++)
		if (!spec_digest_valid(image->diff_ids.items[i]))
			return err_setk(err, ERR_USAGE, EINVAL, "malformed diff_id \"%.100s\"",
					image->diff_ids.items[i]);

	return 0;
}

static int read_step(struct spec_image *image, const json_t *item, struct err *err)
{
	struct spec_history *step;
	int r;

	if (!json_is_object(item))
		return err_setk(err, ERR_USAGE, EINVAL, "an entry is not an object");
	step = push_history(image);
	if (!step)
		return out_of_memory(err);
	r = json_get_strdup(item, "created", &step->created, err);
	if (r == 0)
		r = json_get_strdup(item, "created_by", &step->created_by, err);
	if (r == 0)
		r = json_get_strdup(item, "author", &step->author, err);
	if (r == 0)
		r = json_get_strdup(item, "comment", &step->comment, err);
	if (r == 0)
		r = json_get_bool(item, "empty_layer", &step->empty_layer, err);
	if (r < 0)
		return r;

	return fill_texts(step) ? 0 : out_of_memory(err);
}

static int read_history(struct spec_image *image, const json_t *root, struct err *err)
{
	const json_t *history = NULL, *item;
	size_t i;
	int r = json_get_array(root, "history", &history, err);

	if (r < 0 || !history)
		return r;
	if (json_array_size(history) > SPEC_MAX_HISTORY)
		return err_setk(err, ERR_USAGE, EFBIG, "more than %d steps of history",
				SPEC_MAX_HISTORY);
	json_array_foreach (history, i, item) {
		r = read_step(image, item, err);
		if (r < 0)
			return err_wrap(err, r, "'history'");
	}

	return 0;
}

static int read_image(struct spec_image *image, const json_t *root, struct err *err)
{
	const json_t *config = NULL;
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{ "architecture", &image->architecture },
		{ "variant", &image->variant },
		{ "os", &image->os },
		{ "author", &image->author },
		{ "created", &image->created },
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(texts); i++)
		r = json_get_strdup(root, texts[i].key, texts[i].to, err);
	if (r == 0)
		r = json_get_object(root, "config", &config, err);
	if (r == 0 && config)
		r = read_config(image, config, err);
	if (r == 0)
		r = read_rootfs(image, root, err);
	if (r == 0)
		r = read_history(image, root, err);
	if (r < 0)
		return r;
	/* A time that cannot be read is shown as it stands, and sorts as unknown. */
	if (image->created)
		(void)clock_parse_rfc3339(image->created, &image->created_wall_ns);

	return 0;
}

int spec_image_decode(const char *text, size_t len, struct spec_image *ret, struct err *err)
{
	auto_done(spec_image) image = { 0 };
	auto_json *root = NULL;
	int r = json_parse(text, len, "image config", &root, err);

	if (r == 0)
		r = read_image(&image, root, err);
	if (r < 0)
		return err_wrap(err, r, "reading the image config");
	*ret = image;
	image = (struct spec_image){ 0 };

	return 0;
}

/* ---- writing ---- */

static int set_object(json_t *parent, const char *key, json_t **object)
{
	return json_object_set_new(parent, key, take_ptr(*object)) < 0 ? -ENOMEM : 0;
}

static int set_list(json_t *object, const char *key, const struct strv *list)
{
	return list->len > 0 ? json_set_strv(object, key, list) : 0;
}

static int set_keys(json_t *object, const char *key, const struct strv *keys)
{
	auto_json *set = json_object();

	if (keys->len == 0)
		return 0;
	for (size_t i = 0; i < keys->len; i++)
		if (json_object_set_new(set, keys->items[i], json_object()) < 0)
			return -ENOMEM;

	return set_object(object, key, &set);
}

static int set_labels(json_t *config, const struct strv *labels)
{
	auto_json *set = json_object();

	if (labels->len == 0)
		return 0;
	for (size_t i = 0; i < labels->len; i++) {
		struct slice rest = slice_of(labels->items[i]), name;
		auto_free char *key = NULL;

		(void)slice_next(&rest, '=', &name);
		key = strndup(name.at, name.len);
		if (!key || json_set_text(set, key, rest.at ? rest.at : "") < 0)
			return -ENOMEM;
	}

	return set_object(config, "Labels", &set);
}

static int set_healthcheck(json_t *config, const char *text)
{
	auto_json *check = NULL;

	if (!text)
		return 0;
	if (json_parse(text, strlen(text), "health check", &check, NULL) < 0)
		return -EINVAL;

	return set_object(config, "Healthcheck", &check);
}

static int set_config(json_t *root, const struct spec_image *image)
{
	auto_json *config = json_object();

	if (json_set_text(config, "User", image->user) < 0 ||
	    set_keys(config, "ExposedPorts", &image->exposed_ports) < 0 ||
	    set_list(config, "Env", &image->env) < 0 ||
	    set_list(config, "Entrypoint", &image->entrypoint) < 0 ||
	    set_list(config, "Cmd", &image->cmd) < 0 ||
	    set_healthcheck(config, image->healthcheck) < 0 ||
	    set_keys(config, "Volumes", &image->volumes) < 0 ||
	    json_set_text(config, "WorkingDir", image->working_dir) < 0 ||
	    set_labels(config, &image->labels) < 0 ||
	    json_set_text(config, "StopSignal", image->stop_signal) < 0 ||
	    set_list(config, "OnBuild", &image->onbuild) < 0 ||
	    set_list(config, "Shell", &image->shell) < 0)
		return -ENOMEM;

	return set_object(root, "config", &config);
}

static int set_rootfs(json_t *root, const struct spec_image *image)
{
	auto_json *rootfs = json_object();

	if (json_set_text(rootfs, "type", "layers") < 0 ||
	    json_set_strv(rootfs, "diff_ids", &image->diff_ids) < 0)
		return -ENOMEM;

	return set_object(root, "rootfs", &rootfs);
}

/* Members that hold nothing are left out, as other engines do. */
static int set_unless_empty(json_t *object, const char *key, const char *text)
{
	return text && *text ? json_set_text(object, key, text) : 0;
}

static int set_history(json_t *root, const struct spec_image *image)
{
	auto_json *history = json_array();

	for (size_t i = 0; i < image->history_len; i++) {
		const struct spec_history *step = &image->history[i];
		json_t *item = json_object();

		if (json_array_append_new(history, item) < 0 ||
		    set_unless_empty(item, "created", step->created) < 0 ||
		    set_unless_empty(item, "created_by", step->created_by) < 0 ||
		    set_unless_empty(item, "author", step->author) < 0 ||
		    set_unless_empty(item, "comment", step->comment) < 0 ||
		    (step->empty_layer && json_set_bool(item, "empty_layer", true) < 0))
			return -ENOMEM;
	}

	return set_object(root, "history", &history);
}

int spec_image_encode(const struct spec_image *image, char **ret_text, struct err *err)
{
	auto_json *root = json_object();
	char *text;

	if (json_set_text(root, "created", image->created) < 0 ||
	    json_set_text(root, "author", image->author) < 0 ||
	    json_set_text(root, "architecture", image->architecture) < 0 ||
	    json_set_text(root, "variant", image->variant) < 0 ||
	    json_set_text(root, "os", image->os) < 0 || set_config(root, image) < 0 ||
	    set_rootfs(root, image) < 0 || set_history(root, image) < 0)
		return out_of_memory(err);
	text = json_text(root);
	if (!text)
		return out_of_memory(err);
	*ret_text = text;

	return 0;
}
