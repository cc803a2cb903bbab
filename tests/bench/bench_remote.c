/* bench_remote.c -- reading a remote engine's answer, in pieces as a connection brings them: CPU
 * time a sample and bytes a second, and the memory that stays.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tsdb/promql/remote_answer.h"

enum { SERIES = 1000, POINTS = 2000, PIECE = 16384 };

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void make_matrix(struct buf *b)
{
    buf_addstr(b, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[");
    for (int i = 0; i < SERIES; i++) {
        buf_addf(b,
                 "%s{\"metric\":{\"__name__\":\"http_requests_total\",\"instance\":\"10.0.%d.%d:"
                 "8000\",\"job\":\"api\",\"code\":\"200\"},\"values\":[",
                 i ? "," : "", i / 256, i % 256);
        for (int k = 0; k < POINTS; k++)
            buf_addf(b, "%s[%d,\"%d.%03d\"]", k ? "," : "", 1700000000 + 15 * k, i * k, k % 1000);
        buf_addstr(b, "]}");
    }
    buf_addstr(b, "]}}");
    if (b->err) abort();
}

int main(void)
{
    struct buf text = BUF_INIT((size_t)1 << 30);
    struct arena arena;
    struct remote_answer *a = NULL;
    struct remote_reply reply;
    struct errmsg err = {0};
    make_matrix(&text);
    arena_init(&arena, (size_t)1 << 30);
    if (remote_answer_new(&a, REMOTE_QUERY, &arena, NULL) < 0) abort();
    int64_t begin = now_ns();
    for (size_t at = 0; at < text.len; at += PIECE) {
        struct str piece = {text.p + at, MIN((size_t)PIECE, text.len - at)};
        if (remote_answer_feed(a, piece, &err) < 0) abort();
    }
    if (remote_answer_end(a, &reply, &err) < 0) abort();
    double seconds = (double)(now_ns() - begin) / 1e9, mib = (double)text.len / (1 << 20);
    if (reply.result.samples != (uint64_t)SERIES * POINTS) abort();
    printf("remote answer: %.0f MiB, %d samples: %.0f MiB/s, %.0f ns a sample, %.0f MiB kept\n",
           mib, SERIES * POINTS, mib / seconds, seconds * 1e9 / (SERIES * POINTS),
           (double)arena.used / (1 << 20));
    remote_answer_free(a);
    arena_release(&arena);
    buf_release(&text);
    return 0;
}
