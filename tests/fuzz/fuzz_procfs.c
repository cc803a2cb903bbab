/* fuzz_procfs.c -- every host collector over arbitrary bytes.
 *
 * The first byte chooses the collector, the second where the rest is cut in two: one text for the
 * first cycle and one for the second, which meets the names remembered from the first. Every file
 * the collector opens holds that text.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "collector/collect_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct env env; /* first */
    struct io io;
    struct str text;
};

static int open_any(struct env *e, const char *path, int flags, mode_t mode)
{
    UNUSED(e);
    UNUSED(path);
    UNUSED(flags);
    UNUSED(mode);
    return 1000;
}

static int close_any(struct env *e, int fd)
{
    UNUSED(e);
    UNUSED(fd);
    return 0;
}

static ssize_t pread_text(struct env *e, int fd, void *p, size_t len, int64_t offset)
{
    struct str text = ((struct world *)e)->text;
    UNUSED(fd);
    if ((size_t)offset >= text.len) return 0;
    size_t n = MIN(text.len - (size_t)offset, len);
    memcpy(p, text.p + offset, n);
    return (ssize_t)n;
}

static int list_some(struct env *e, const char *path, int (*each)(void *arg, const char *name),
                     void *arg)
{
    UNUSED(e);
    UNUSED(path);
    int rc = each(arg, "eth0");
    return rc ? rc : each(arg, "lo");
}

static int visit(void *arg, const struct local_sample *s)
{
    *(size_t *)arg += s->labels.count;
    return 0;
}

static void cycle(struct collect *c, struct kept_files *files, struct world *w, struct str text)
{
    struct latest l;
    size_t labels = 0;
    w->text = text;
    kept_files_begin(files);
    collect_run(c, 1000);
    series_publish(&c->table, NULL, NULL);
    latest_init(&l);
    latest_add(&l, &c->table);
    if (latest_visit(&l, visit, &labels) < 0) abort(); /* the input is far below the limits */
    latest_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    log_set_level(LOG_LEVEL_OFF);
    const struct collector *def = collectors[data[0] % collector_count];
    struct str rest = {(const char *)data + 2, size - 2};
    size_t cut = rest.len * data[1] / 255;
    struct world w = {.env = *env_system()};
    w.io = *w.env.io;
    w.io.open = open_any;
    w.io.close = close_any;
    w.io.pread = pread_text;
    w.io.list = list_some;
    w.env.io = &w.io;

    struct collector_config config = {.host_root = "/nonexistent"};
    struct collect_roots roots;
    struct kept_files files;
    struct collect c;
    if (collect_roots_init(&roots, &config) < 0) return 0;
    kept_files_init(&files, &w.env, &roots);
    if (collect_init(&c, def, NULL, &w.env, &roots, &files) == 0) {
        cycle(&c, &files, &w, (struct str){rest.p, cut});
        cycle(&c, &files, &w, (struct str){rest.p + cut, rest.len - cut});
        collect_release(&c);
    }
    kept_files_release(&files);
    collect_roots_release(&roots);
    return 0;
}
