/* test_escaping.c -- names for readers of the old alphabet, what Accept asks for, and expositions
 * that come back as they went.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "collector/expo_family.h"
#include "core/env.h"
#include "core/mem.h"
#include "exporters/exposition.h"

static void check_escape(const char *name, enum escaping scheme, const char *want, bool back)
{
    struct buf b = BUF_INIT(1 << 12);
    int rc = back ? name_unescape(str_of(name), scheme, &b) : name_escape(str_of(name), scheme, &b);
    assert_int_equal(rc, 0);
    if (strcmp(b.p ? b.p : "", want) != 0)
        fail_msg("%s by %s: %s, not %s", name, escaping_names[scheme], b.p, want);
    buf_release(&b);
}

static void names_are_escaped(void **state)
{
    UNUSED(state);
    static const struct {
        const char *name, *by[ESCAPINGS];
    } rows[] = {
        {"",                                     {"", "", "", ""}                                        },
        {"a_b:c1",                               {"a_b:c1", "a_b:c1", "a__b:c1", "a_b:c1"}               },
        {"1a.b_c",                               {"1a.b_c", "_a_b_c", "__a_dot_b__c", "U___31_a_2e_b__c"}},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb1",
         {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb1", "___", "______", "U___e9__20ac__1f631_"}               },
        {"a\xff"
         "b",                           {"a\xff"
          "b",
          "a_b", "a__b", "U__a_FFFD_b"}                                            },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (int k = 0; k < ESCAPINGS; k++)
            check_escape(rows[i].name, (enum escaping)k, rows[i].by[k], false);
}

static void escaped_names_come_back(void **state)
{
    UNUSED(state);
    static const struct {
        const char *escaped, *name;
        enum escaping scheme;
    } rows[] = {
        {"U___e9__20ac__1f631_", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\xb1", ESCAPING_VALUES},
        {"U__a_2E_b__c",         "a.b_c",                                ESCAPING_VALUES},
        {"U__",                  "",                                     ESCAPING_VALUES},
        {"U__a_",                "U__a_",                                ESCAPING_VALUES},
        {"U__a_2e",              "U__a_2e",                              ESCAPING_VALUES},
        {"U__a_110000_",         "U__a_110000_",                         ESCAPING_VALUES},
        {"U__a_0000041_",        "U__a_0000041_",                        ESCAPING_VALUES},
        {"a_dot_b__c_",          "a.b_c_",                               ESCAPING_DOTS  },
        {"U__a_2e_b",            "U__a_2e_b",                            ESCAPING_NONE  },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_escape(rows[i].escaped, rows[i].scheme, rows[i].name, true);
}

static void scrapers_get_what_they_accept(void **state)
{
    UNUSED(state);
#define PLAIN "text/plain; version=0.0.4; charset=utf-8"
#define V1    "text/plain; version=1.0.0; charset=utf-8"
    static const struct {
        const char *accept, *type;
        enum escaping escaping;
    } rows[] = {
        {NULL,                                                               PLAIN,                       ESCAPING_UNDERSCORES},
        {"*/*",                                                              PLAIN,                       ESCAPING_UNDERSCORES},
        {"application/json",                                                 PLAIN,                       ESCAPING_UNDERSCORES},
        {"text/plain",                                                       PLAIN,                       ESCAPING_UNDERSCORES},
        {"text/plain;version=0.0.4;escaping=dots",                           PLAIN "; escaping=dots",     ESCAPING_DOTS       },
        {"text/plain; version=\"1.0.0\" ; escaping=allow-utf-8",             V1 "; escaping=allow-utf-8",
         ESCAPING_NONE                                                                                                        },
        {"text/plain;version=1.0.0",                                         V1,                          ESCAPING_UNDERSCORES},
        {"text/plain;version=2;escaping=values",                             PLAIN,                       ESCAPING_UNDERSCORES},
        {"text/plain;escaping=what",                                         PLAIN,                       ESCAPING_UNDERSCORES},
        {"text/plain;escaping=values;q=0,*/*",                               PLAIN,                       ESCAPING_UNDERSCORES},
        {"text/plain;escaping=dots;q=0.2, text/plain;escaping=values;q=0.3",
         PLAIN "; escaping=values",                                                                       ESCAPING_VALUES     },
 /* Prometheus 3, and 2 */
        {"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
         "application/openmetrics-text;version=0.0.1;q=0.4,"
         "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/"
         "*;q=0.1",                                                 V1 "; escaping=allow-utf-8", ESCAPING_NONE       },
        {"application/openmetrics-text;version=1.0.0,application/"
         "openmetrics-text;version=0.0.1;q=0.75,"
         "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",                PLAIN,                       ESCAPING_UNDERSCORES},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct exposition_format f = exposition_negotiate(rows[i].accept);
        if (strcmp(exposition_content_type(&f), rows[i].type) != 0)
            fail_msg("%s: %s", rows[i].accept, exposition_content_type(&f));
        assert_int_equal(f.escaping, rows[i].escaping);
    }
}

static void names_are_written_as_asked(void **state)
{
    UNUSED(state);
    static const char *const want[ESCAPINGS] = {
        "# TYPE \"a.b\" gauge\n{\"a.b\",\"l.x\"=\"v.1\",m=\"n\"} 1\n",
        "# TYPE a_b gauge\na_b{l_x=\"v.1\",m=\"n\"} 1\n",
        "# TYPE a_dot_b gauge\na_dot_b{l_dot_x=\"v.1\",m=\"n\"} 1\n",
        "# TYPE U__a_2e_b gauge\nU__a_2e_b{U__l_2e_x=\"v.1\",m=\"n\"} 1\n",
    };
    const struct label labels[] = {
        {STR("l.x"), STR("v.1")},
        {STR("m"),   STR("n")  },
    };
    for (int i = 0; i < ESCAPINGS; i++) {
        struct buf out = BUF_INIT(1 << 12);
        struct exposition x;
        exposition_init(&x, &out);
        x.escaping = (enum escaping)i;
        exposition_sample(&x, "a.b", "", METRIC_GAUGE, (struct labels){labels, 2}, 1);
        assert_string_equal(out.p, want[i]);
        exposition_release(&x);
        buf_release(&out);
    }
}

/* --- there and back --- */

static void read_text(struct families *f, struct str text)
{
    struct diags diags;
    struct expo_input in = {.text = text, .file = "t", .diags = &diags};
    diags_init(&diags);
    families_init(f, 64 << 20);
    int rc = families_read_text(f, &in);
    if (rc < 0) fail_msg("%d: %s", diags.first->line, diags.first->text);
    diags_release(&diags);
}

static void write_text(const struct families *f, struct buf *out)
{
    struct exposition x;
    exposition_init(&x, out);
    for (const struct family *family = f->first; family; family = family->next) {
        char *help = mem_strndup(family->help.p, family->help.len);
        for (const struct family_sample *s = family->samples; s; s = s->next) {
            char *name = mem_strndup(s->name.p, s->name.len);
            exposition_sample(&x, name, help, family->type, s->labels, s->value);
            mem_free(name);
        }
        mem_free(help);
    }
    exposition_release(&x);
    assert_int_equal(out->err, 0);
}

static void check_same(const struct families *a, const struct families *b)
{
    assert_int_equal(a->count, b->count);
    const struct family *y = b->first;
    for (const struct family *x = a->first; x; x = x->next, y = y->next) {
        assert_true(str_eq(x->name, y->name) && str_eq(x->help, y->help) && x->type == y->type);
        assert_int_equal(x->sample_count, y->sample_count);
        const struct family_sample *t = y->samples;
        for (const struct family_sample *s = x->samples; s; s = s->next, t = t->next) {
            assert_true(str_eq(s->name, t->name) && labels_eq(s->labels, t->labels));
            assert_true(double_bits(s->value) == double_bits(t->value));
        }
    }
}

static void node_exporters_text_comes_back(void **state)
{
    static const char *const files[] = {"tests/fixtures/exposition/node_exporter.prom",
                                        "tests/fixtures/exposition/prometheus.prom"};
    UNUSED(state);
    for (size_t i = 0; i < COUNT(files); i++) {
        char *text = NULL;
        size_t len = 0;
        struct families first, second;
        struct buf out = BUF_INIT(1 << 20);
        assert_int_equal(env_read_file(env_system(), files[i], 1 << 20, &text, &len), 0);
        read_text(&first, (struct str){text, len});
        write_text(&first, &out);
        read_text(&second, (struct str){out.p, out.len});
        assert_true(first.count > 5);
        check_same(&first, &second);
        families_release(&first);
        families_release(&second);
        buf_release(&out);
        mem_free(text);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(escaped_names_come_back),
        cmocka_unit_test(scrapers_get_what_they_accept),
        cmocka_unit_test(names_are_written_as_asked),
        cmocka_unit_test(node_exporters_text_comes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
