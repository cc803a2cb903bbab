/* test_compliance_names.c -- the scripts once more with metric names removed at once.
 *
 *     test_compliance_names [DIR]
 *
 * The scripts are written for engines that remove __name__ at the end of a query, which neither
 * Prometheus nor this project does by default. Cases of the classes core and recent (DIR/promql/
 * cases*.json) come out the same either way; `promql/names-at-once: N passed, N failed` says so.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/env.h"
#include "core/mem.h"
#include "tsdb/promql/script.h"

enum { MAX_TEXT = 16 << 20, SHOWN = 20 };

struct score {
    size_t passed, failed;
};

/* Verdicts of one file, a line each. */
static void run_script(const char *path, struct buf *out)
{
    char *text = NULL;
    size_t len = 0, passed = 0, failed = 0;
    assert_int_equal(env_read_file(env_system(), path, MAX_TEXT, &text, &len), 0);
    int rc = promql_script_text("T", (struct str){text, len}, SCRIPT_NAMES_AT_ONCE, out, &passed,
                                &failed);
    assert_int_equal(rc, 0);
    mem_free(text);
}

static void judge(const json_t *c, const struct buf *verdicts, struct score *s)
{
    char ok[64];
    const char *class = json_string_value(json_object_get(c, "class"));
    if (strcmp(class, "core") != 0 && strcmp(class, "recent") != 0) return;
    int len = snprintf(ok, sizeof ok, "\nok T:%lld\n",
                       (long long)json_integer_value(json_object_get(c, "line")));
    if (memmem(verdicts->p, verdicts->len, ok, (size_t)len)) {
        s->passed++;
    } else if (s->failed++ < SHOWN) {
        fprintf(stderr, "%s: not with names removed at once\n",
                json_string_value(json_object_get(c, "expr")));
    }
}

/* The cases of one index that are of this file. */
static void judge_file(const char *dir, const char *file, const json_t *index, struct score *s)
{
    char path[4096];
    struct buf verdicts = BUF_INIT(MAX_TEXT);
    size_t i;
    const json_t *c;
    snprintf(path, sizeof path, "%s/promql/%s", dir, file);
    buf_addch(&verdicts, '\n');
    run_script(path, &verdicts);
    json_array_foreach(index, i, c) if (strcmp(json_string_value(json_object_get(c, "file")),
                                               file) == 0) judge(c, &verdicts, s);
    buf_release(&verdicts);
}

static struct score check_folder(const char *dir)
{
    char pattern[4096];
    struct score s = {0};
    glob_t found = {0};
    snprintf(pattern, sizeof pattern, "%s/promql/cases*.json", dir);
    if (glob(pattern, 0, NULL, &found) != 0) return s;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *index = json_load_file(found.gl_pathv[i], 0, NULL);
        const char *last = "";
        for (size_t k = 0; k < json_array_size(index); k++) { /* cases of a file stand together */
            const json_t *c = json_array_get(index, k);
            const char *file = json_string_value(json_object_get(c, "file"));
            if (strcmp(file, last) != 0) judge_file(dir, file, index, &s);
            last = file;
        }
        json_decref(index);
    }
    globfree(&found);
    return s;
}

static void names_go_when_the_flag_says(void **state)
{
    UNUSED(state);
    static const char *const expected[] = {"{n=\"a_total\"}", "{}"};
    for (unsigned flags = 0; flags <= SCRIPT_NAMES_AT_ONCE; flags++) {
        struct buf script = BUF_INIT(4096), out = BUF_INIT(4096);
        size_t passed = 0, failed = 0;
        buf_addf(&script,
                 "load 1m\n a_total 0 60\n\neval instant at 1m label_replace(irate(a_total[2m]), "
                 "\"n\", \"$1\", \"__name__\", \"(.*)\")\n %s 1\n",
                 expected[flags]);
        assert_int_equal(promql_script_text("T", (struct str){script.p, script.len}, flags, &out,
                                            &passed, &failed),
                         0);
        assert_string_equal(out.p, "ok T:4\n");
        buf_release(&script);
        buf_release(&out);
    }
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_when_the_flag_says),
    };
    if (argc < 2) return cmocka_run_group_tests(tests, NULL, NULL);
    struct score s = check_folder(argv[1]);
    if (s.passed + s.failed == 0)
        printf("promql/names-at-once: skipped (no promql/cases*.json)\n");
    else
        printf("promql/names-at-once: %zu passed, %zu failed\n", s.passed, s.failed);
    return 0;
}
