/* cmd_form.c -- what a question to a daemon is written in: forms, times, names in paths.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/cmd_form.h"

#include <stdio.h>
#include <stdlib.h>

#include "tsdb/labels.h"

/* --- forms --- */

static void escape(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                     c == '_' || c == '-' || c == '.' || c == '~';
        if (plain)
            buf_addch(out, c);
        else
            buf_addf(out, "%%%02X", (unsigned)(unsigned char)c);
    }
}

void form_add(struct buf *form, const char *name, struct str value)
{
    if (form->len) buf_addch(form, '&');
    escape(form, str_of(name));
    buf_addch(form, '=');
    escape(form, value);
}

void form_seconds(struct buf *form, const char *name, int64_t ms)
{
    char text[32];
    int64_t part = ms % 1000;
    snprintf(text, sizeof text, "%s%lld.%03d", ms < 0 ? "-" : "", llabs((long long)(ms / 1000)),
             (int)(part < 0 ? -part : part));
    form_add(form, name, str_of(text));
}

void form_uint(struct buf *form, const char *name, uint64_t v)
{
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)v);
    form_add(form, name, str_of(text));
}

/* --- times --- */

static bool takes(const struct cmd *c, const char *name)
{
    const struct cmd_option *o;
    for (size_t i = 0; (o = cmd_option_at(c->command, i)); i++)
        if (strcmp(o->name, name) == 0) return true;
    return false;
}

int cmd_range(const struct cmd *c, int64_t now_ms, struct time_range *out)
{
    int64_t since_ms = 0;
    bool has_time = takes(c, "--time") && cmd_given(c, "--time");
    bool has_start = cmd_given(c, "--start"), has_since = cmd_given(c, "--since");
    *out = (struct time_range){.start_ms = now_ms, .end_ms = now_ms};
    if (has_start && has_since)
        return cmd_fail(EXIT_USAGE, "--since and --start exclude each other");
    if (has_time && (has_start || cmd_given(c, "--end")))
        return cmd_fail(EXIT_USAGE, "--time and --start or --end exclude each other");
    int code = cmd_duration(c, "--since", &since_ms);
    if (code == EXIT_OK && has_time) code = cmd_time(c, "--time", &out->end_ms);
    if (code == EXIT_OK) code = cmd_time(c, "--end", &out->end_ms);
    out->start_ms = has_since ? out->end_ms - since_ms : out->end_ms;
    if (code == EXIT_OK) code = cmd_time(c, "--start", &out->start_ms);
    if (code != EXIT_OK) return code;
    out->given = has_start || has_since;
    if (!out->given && cmd_given(c, "--end"))
        return cmd_fail(EXIT_USAGE, "--end needs --start or --since");
    if (out->start_ms > out->end_ms) return cmd_fail(EXIT_USAGE, "--start is after the end");
    return EXIT_OK;
}

void form_range(struct buf *form, const struct time_range *r)
{
    if (!r->given) return;
    form_seconds(form, "start", r->start_ms);
    form_seconds(form, "end", r->end_ms);
}

/* --- names --- */

static bool is_name_byte(struct str name, size_t i)
{
    char c = name.p[i];
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return letter || c == '_' || (i > 0 && c >= '0' && c <= '9');
}

/* One character of UTF-8 at s, and the bytes it takes; 0xfffd for what is none. */
static unsigned rune_at(struct str s, size_t *len)
{
    unsigned char b = (unsigned char)s.p[0];
    size_t want = b < 0x80 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4;
    *len = 1;
    if (want > s.len || !str_is_utf8((struct str){s.p, want})) return 0xfffd;
    *len = want;
    if (want == 1) return b;
    unsigned v = b & (0x7fU >> want);
    for (size_t i = 1; i < want; i++)
        v = v << 6 | ((unsigned char)s.p[i] & 0x3fU);
    return v;
}

void form_label(struct buf *out, struct str name)
{
    if (label_name_is_legacy(name)) {
        buf_add(out, name.p, name.len);
        return;
    }
    buf_addstr(out, "U__");
    for (size_t i = 0, len = 1; i < name.len; i += len) {
        unsigned rune = rune_at((struct str){name.p + i, name.len - i}, &len);
        if (name.p[i] == '_')
            buf_addstr(out, "__");
        else if (is_name_byte(name, i))
            buf_addch(out, name.p[i]);
        else
            buf_addf(out, "_%x_", rune);
    }
}
