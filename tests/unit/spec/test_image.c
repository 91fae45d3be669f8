/* SPDX-License-Identifier: Apache-2.0
 *
 * test_image.c - image documents: what is read, what is refused, what is written
 */
#include "spec/image.h"

#include <errno.h>
#include <string.h>

#include "check.h"

#define HEX "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define DIGEST "sha256:" HEX

static const char full_config[] =
	"{\"created\":\"2026-01-02T03:04:05Z\",\"author\":\"me\",\"architecture\":\"arm64\","
	"\"variant\":\"v8\",\"os\":\"linux\",\"config\":{\"User\":\"1000:1000\","
	"\"ExposedPorts\":{\"80/tcp\":{},\"53/udp\":{}},\"Env\":[\"PATH=/bin\",\"A=b=c\"],"
	"\"Entrypoint\":[\"/init\"],\"Cmd\":[\"a\",\"\"],"
	"\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"],\"Interval\":5},\"Volumes\":{\"/data\":{}},"
	"\"WorkingDir\":\"/w\",\"Labels\":{\"k\":\"v=1\",\"e\":\"\"},\"StopSignal\":\"SIGINT\","
	"\"OnBuild\":[\"RUN x\"],\"Shell\":[\"/bin/bash\",\"-c\"]},"
	"\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" DIGEST "\"]},"
	"\"history\":[{\"created\":\"2026-01-02T03:04:05Z\",\"created_by\":\"ADD\"},"
	"{\"comment\":\"c\",\"empty_layer\":true}]}";

static void check_full(const struct spec_image *image)
{
	assert_string_equal(image->architecture, "arm64");
	assert_string_equal(image->variant, "v8");
	assert_string_equal(image->os, "linux");
	assert_true(image->created_wall_ns == 1767323045000000000LL);
	assert_string_equal(image->user, "1000:1000");
	assert_int_equal(image->exposed_ports.len, 2);
	assert_string_equal(image->env.items[1], "A=b=c");
	assert_string_equal(image->entrypoint.items[0], "/init");
	assert_int_equal(image->cmd.len, 2);
	assert_string_equal(image->cmd.items[1], "");
	assert_non_null(strstr(image->healthcheck, "\"Interval\":5"));
	assert_string_equal(image->volumes.items[0], "/data");
	assert_string_equal(image->working_dir, "/w");
	assert_int_equal(image->labels.len, 2);
	assert_string_equal(image->labels.items[0], "k=v=1");
	assert_string_equal(image->labels.items[1], "e=");
	assert_string_equal(image->stop_signal, "SIGINT");
	assert_string_equal(image->onbuild.items[0], "RUN x");
	assert_string_equal(image->shell.items[0], "/bin/bash");
	assert_string_equal(image->diff_ids.items[0], DIGEST);
	assert_int_equal(image->history_len, 2);
	assert_string_equal(image->history[0].created_by, "ADD");
	assert_string_equal(image->history[0].comment, "");
	assert_true(image->history[1].empty_layer);
}

static void test_config(void **state)
{
	auto_done(spec_image) image = { 0 };
	auto_done(spec_image) again = { 0 };
	auto_free char *text = NULL;

	(void)state;
	assert_int_equal(spec_image_decode(full_config, strlen(full_config), &image, NULL), 0);
	check_full(&image);
	assert_int_equal(spec_image_encode(&image, &text, NULL), 0);
	assert_int_equal(spec_image_decode(text, strlen(text), &again, NULL), 0);
	check_full(&again);
}

#define ROOTFS "\"rootfs\":{\"diff_ids\":[]}"

static void test_config_refusals(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "{" ROOTFS "}", 0 },
		{ "{\"config\":null," ROOTFS "}", 0 },
		{ "{\"config\":{\"Cmd\":null,\"Labels\":null}," ROOTFS "}", 0 },
		{ "{}", -EINVAL },
		{ "[]", -EINVAL },
		{ "", -EINVAL },
		{ "{" ROOTFS "} x", -EINVAL },
		{ "{" ROOTFS "," ROOTFS "}", -EINVAL }, /* duplicate key */
		{ "{\"config\":{\"User\":\"a\",\"User\":\"b\"}," ROOTFS "}", -EINVAL },
		{ "{\"config\":{\"Env\":[1]}," ROOTFS "}", -EINVAL },
		{ "{\"config\":{\"Env\":[\"a\\u0000b\"]}," ROOTFS "}", -EINVAL },
		{ "{\"config\":{\"Labels\":{\"a\":1}}," ROOTFS "}", -EINVAL },
		{ "{\"config\":{\"Labels\":[]}," ROOTFS "}", -EINVAL },
		{ "{\"config\":[]," ROOTFS "}", -EINVAL },
		{ "{\"history\":[1]," ROOTFS "}", -EINVAL },
		{ "{\"rootfs\":{\"diff_ids\":[\"sha256:abc\"]}}", -EINVAL },
		{ "{\"rootfs\":{\"diff_ids\":[\"sha512:" HEX "\"]}}", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_done(spec_image) image = { 0 };

		assert_int_equal(
			spec_image_decode(cases[i].text, strlen(cases[i].text), &image, NULL),
			cases[i].r);
	}
}

/* "Cmd" as one text is for a shell. */
static void test_shell_form(void **state)
{
	static const char text[] = "{\"config\":{\"Cmd\":\"echo $A\"}," ROOTFS "}";
	auto_done(spec_image) image = { 0 };

	(void)state;
	assert_int_equal(spec_image_decode(text, strlen(text), &image, NULL), 0);
	assert_int_equal(image.cmd.len, 3);
	assert_string_equal(image.cmd.items[2], "echo $A");
}

static void test_digest(void **state)
{
	(void)state;
	assert_true(spec_digest_valid(DIGEST));
	assert_false(spec_digest_valid(NULL));
	assert_false(spec_digest_valid(""));
	assert_false(spec_digest_valid(HEX));
	assert_false(spec_digest_valid(DIGEST "0"));
	assert_false(spec_digest_valid("sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca4"
				       "95991b7852b855"));
	assert_false(spec_digest_valid("sha256:../../../../../../../../../../../../../../../../../"
				       "../../../etc/shad"));
}

#define BLOB "{\"digest\":\"" DIGEST "\",\"size\":5}"

static void test_manifest(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{ "{\"config\":" BLOB ",\"layers\":[" BLOB "]}", 0 },
		{ "{\"mediaType\":\"" SPEC_MEDIA_DOCKER_MANIFEST "\",\"config\":" BLOB
		  ",\"layers\":[]}",
		  0 },
		{ "{\"mediaType\":\"" SPEC_MEDIA_OCI_INDEX "\",\"config\":" BLOB ",\"layers\":[]}",
		  -EINVAL },
		{ "{\"config\":" BLOB ",\"layers\":[" BLOB "],\"manifests\":[]}", -EINVAL },
		{ "{\"config\":" BLOB "}", -EINVAL },
		{ "{\"layers\":[]}", -EINVAL },
		{ "{\"config\":{\"digest\":\"" DIGEST "\"},\"layers\":[]}", -EINVAL },
		{ "{\"config\":{\"digest\":\"" DIGEST "\",\"size\":-1},\"layers\":[]}", -EINVAL },
		{ "{\"config\":{\"digest\":\"sha256:1\",\"size\":1},\"layers\":[]}", -EINVAL },
		{ "{\"config\":{\"size\":1},\"layers\":[]}", -EINVAL },
		{ "{\"config\":" BLOB ",\"layers\":[7]}", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		auto_done(spec_manifest) manifest = { 0 };

		assert_int_equal(
			spec_manifest_decode(cases[i].text, strlen(cases[i].text), &manifest, NULL),
			cases[i].r);
	}
}

static void test_index(void **state)
{
	static const char text[] =
		"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" SPEC_MEDIA_OCI_MANIFEST
		"\",\"digest\":\"" DIGEST "\",\"size\":7,\"platform\":{\"architecture\":\"amd64\","
		"\"os\":\"linux\"},\"annotations\":{\"org.opencontainers.image.ref.name\":\"1\","
		"\"io.containerd.image.name\":\"docker.io/library/x:1\"}}]}";
	static const char both[] = "{\"manifests\":[],\"layers\":[]}";
	auto_done(spec_index) index = { 0 };
	auto_done(spec_index) again = { 0 };
	auto_free char *written = NULL;

	(void)state;
	assert_int_equal(spec_index_decode(text, strlen(text), &index, NULL), 0);
	assert_int_equal(index.manifests_len, 1);
	assert_string_equal(index.manifests[0].name, "docker.io/library/x:1");
	assert_string_equal(index.manifests[0].architecture, "amd64");
	assert_true(index.manifests[0].size_bytes == 7);
	assert_int_equal(spec_index_encode(&index, &written, NULL), 0);
	assert_int_equal(spec_index_decode(written, strlen(written), &again, NULL), 0);
	assert_string_equal(again.manifests[0].name, "docker.io/library/x:1");
	assert_string_equal(again.manifests[0].digest, DIGEST);
	assert_int_equal(spec_index_decode(both, strlen(both), &again, NULL), -EINVAL);
}

static void test_manifest_round_trip(void **state)
{
	char media[] = SPEC_MEDIA_OCI_LAYER;
	struct spec_descriptor layer = { .media_type = media, .digest = DIGEST, .size_bytes = 9 };
	const struct spec_manifest manifest = { .config = { .digest = DIGEST, .size_bytes = 3 },
						.layers = &layer,
						.layers_len = 1 };
	auto_done(spec_manifest) again = { 0 };
	auto_free char *text = NULL;

	(void)state;
	assert_int_equal(spec_manifest_encode(&manifest, &text, NULL), 0);
	assert_int_equal(spec_manifest_decode(text, strlen(text), &again, NULL), 0);
	assert_string_equal(again.media_type, SPEC_MEDIA_OCI_MANIFEST);
	assert_string_equal(again.layers[0].media_type, SPEC_MEDIA_OCI_LAYER);
	assert_true(again.layers[0].size_bytes == 9);
}

static void test_docker_archive(void **state)
{
	static const char text[] =
		"[{\"Config\":\"abc.json\",\"RepoTags\":[\"x:1\",\"x:2\"],\"Layers\":[\"a/layer."
		"tar\"]},{\"Config\":\"d.json\",\"RepoTags\":null,\"Layers\":[]}]";
	static const char *const bad[] = { "{}", "[1]", "[{\"Layers\":[]}]",
					   "[{\"Config\":\"a\",\"Config\":\"b\"}]" };
	auto_done(spec_docker_archive) archive = { 0 };

	(void)state;
	assert_int_equal(spec_docker_archive_decode(text, strlen(text), &archive, NULL), 0);
	assert_int_equal(archive.images_len, 2);
	assert_string_equal(archive.images[0].repo_tags.items[1], "x:2");
	assert_string_equal(archive.images[0].layers.items[0], "a/layer.tar");
	assert_int_equal(archive.images[1].repo_tags.len, 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		auto_done(spec_docker_archive) none = { 0 };

		assert_int_equal(spec_docker_archive_decode(bad[i], strlen(bad[i]), &none, NULL),
				 -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config),	       cmocka_unit_test(test_config_refusals),
		cmocka_unit_test(test_shell_form),     cmocka_unit_test(test_digest),
		cmocka_unit_test(test_manifest),       cmocka_unit_test(test_index),
		cmocka_unit_test(test_docker_archive), cmocka_unit_test(test_manifest_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
