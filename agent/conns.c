/* conns.c -- the connection table, the reaper and the hang-up watch.
 *
 * The server's loops only note state changes (one atomic store). Everything that takes a system
 * call happens on the thread here: once a second TCP_INFO says how many bytes came and how many the
 * client took. A connection is removed from the table before its descriptor is closed, under the
 * same lock the reaper holds, so a shutdown never hits a stranger that got the same number.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/conns.h"

#include <assert.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/log.h"
#include "core/mem.h"

enum { SLICES = 5 }; /* of a window: all of them must be slow */
enum { TICK_MS = 1000, EVENTS = 16, STACK_BYTES = 128 << 10, STATE_BITS = 3 };

struct conn {
    struct conn *next, *prev;
    uint64_t id;
    int fd;
    uint32_t state_word; /* turn << STATE_BITS | state; atomic */
    int cancel;          /* atomic */
    bool watched;        /* by the lock */
    bool ending;         /* shut down; by the lock */
    struct in6_addr address;
    bool loopback;
    struct conn_record record;
};

struct conns {
    pthread_mutex_t lock;
    struct conn *first;
    uint64_t next_id;
    struct conn_limits limits;
    struct conns_stats stats;
    size_t ending; /* of stats.open */
    struct env *env;
    int epoll, stop;
    pthread_t thread;
};

/* --- judgement --- */

static void open_window(struct conn_record *r, const struct conn_sample *s, int64_t now_ns)
{
    r->window_ns = now_ns;
    r->window_in = s->bytes_in;
    r->window_acked = s->bytes_acked;
}

static void new_turn(struct conn_record *r, const struct conn_sample *s, int64_t now_ns)
{
    bool fresh = !r->seen;
    r->seen = true;
    r->turn = s->turn;
    r->idle_in = s->bytes_in;
    r->head_ns = fresh || s->state == CONN_HEAD ? now_ns : 0;
    r->slow_slices = 0;
    open_window(r, s, now_ns);
}

/* A head begins with the first byte after the last request, or with the connection itself. */
static bool head_too_slow(struct conn_record *r, const struct conn_sample *s,
                          const struct conn_limits *l, int64_t now_ns)
{
    if (s->state != CONN_IDLE && s->state != CONN_HEAD) return false;
    if (r->head_ns == 0 && s->bytes_in != r->idle_in) r->head_ns = now_ns;
    return r->head_ns != 0 && now_ns - r->head_ns >= l->header_ns;
}

bool conn_too_slow(struct conn_record *r, const struct conn_sample *s, const struct conn_limits *l,
                   int64_t now_ns)
{
    if (!r->seen || r->turn != s->turn) new_turn(r, s, now_ns);
    if (head_too_slow(r, s, l, now_ns)) return true;
    if (now_ns - r->window_ns < l->window_ns / SLICES) return false;
    uint64_t came = s->bytes_in - r->window_in, taken = s->bytes_acked - r->window_acked;
    open_window(r, s, now_ns);
    uint64_t enough = l->min_bytes / SLICES;
    bool slow_body = s->state == CONN_BODY && came < enough;
    bool slow_reader = s->state == CONN_SEND && s->unsent > 0 && taken < enough;
    bool stuck = s->unsent > 0 && taken == 0;
    r->slow_slices = slow_body || slow_reader || stuck ? r->slow_slices + 1 : 0;
    return r->slow_slices >= SLICES;
}

/* --- the thread --- */

static int sample(const struct conn *c, struct conn_sample *out)
{
    uint32_t word = __atomic_load_n(&c->state_word, __ATOMIC_RELAXED);
    out->state = (enum conn_state)(word & ((1u << STATE_BITS) - 1));
    out->turn = word >> STATE_BITS;
    struct tcp_info info;
    socklen_t len = sizeof info;
    memset(&info, 0, sizeof info);
    if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0) return -errno;
    int unsent = 0;
    if (ioctl(c->fd, SIOCOUTQ, &unsent) < 0) return -errno;
    out->bytes_in = info.tcpi_bytes_received;
    out->bytes_acked = info.tcpi_bytes_acked;
    out->unsent = (uint32_t)unsent;
    return 0;
}

/* Called with the lock held. */
static void end_connection(struct conns *t, struct conn *c)
{
    c->ending = true;
    t->ending++;
    shutdown(c->fd, SHUT_RDWR);
}

static void reap(struct conns *t, int64_t now_ns)
{
    pthread_mutex_lock(&t->lock);
    for (struct conn *c = t->first; c; c = c->next) {
        struct conn_sample s = {0};
        if (c->ending || sample(c, &s) < 0) continue;
        if (!conn_too_slow(&c->record, &s, &t->limits, now_ns)) continue;
        t->stats.reaped++;
        end_connection(t, c);
    }
    pthread_mutex_unlock(&t->lock);
}

static void hung_up(struct conns *t, uint64_t id)
{
    pthread_mutex_lock(&t->lock);
    for (struct conn *c = t->first; c; c = c->next)
        if (c->id == id && c->watched) {
            __atomic_store_n(&c->cancel, 1, __ATOMIC_RELEASE);
            t->stats.hangups++;
        }
    pthread_mutex_unlock(&t->lock);
}

static void *watch(void *arg)
{
    struct conns *t = arg;
    int64_t next_ns = env_mono_ns(t->env);
    for (;;) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(t->epoll, events, EVENTS, TICK_MS);
        for (int i = 0; i < n; i++) {
            if (events[i].data.u64 == 0) return NULL;
            hung_up(t, events[i].data.u64);
        }
        int64_t now_ns = env_mono_ns(t->env);
        if (now_ns < next_ns) continue;
        reap(t, now_ns);
        next_ns = now_ns + TICK_MS * INT64_C(1000000);
    }
}

static int start_thread(struct conns *t)
{
    pthread_attr_t attr;
    int rc = pthread_attr_init(&attr);
    if (rc) return -rc;
    rc = pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (rc == 0) rc = pthread_create(&t->thread, &attr, watch, t);
    pthread_attr_destroy(&attr);
    if (rc == 0) pthread_setname_np(t->thread, "http-watch");
    return -rc;
}

int conns_new(struct conns **out, const struct conn_limits *l, struct env *env)
{
    struct conns *t = mem_zalloc(sizeof *t);
    if (!t) return -ENOMEM;
    pthread_mutex_init(&t->lock, NULL);
    t->limits = *l;
    t->env = env;
    t->next_id = 1;
    int rc = 0;
    t->stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    t->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = 0};
    if (t->stop < 0 || t->epoll < 0 || epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->stop, &e) < 0)
        rc = -errno;
    if (rc == 0) rc = start_thread(t);
    if (rc == 0) {
        *out = t;
        return 0;
    }
    if (t->stop >= 0) close(t->stop);
    if (t->epoll >= 0) close(t->epoll);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
    return rc;
}

void conns_free(struct conns *t)
{
    if (!t) return;
    if (eventfd_write(t->stop, 1) < 0)
        log_error("cannot stop the connection watch", "errno=%d", errno);
    pthread_join(t->thread, NULL);
    assert(!t->first);
    close(t->stop);
    close(t->epoll);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}

/* --- the table --- */

static void peer_address(struct conn *c, const struct sockaddr *peer)
{
    c->loopback = true; /* also of anything that is no IP address */
    if (!peer) return;
    if (peer->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, peer, sizeof in);
        c->loopback = (ntohl(in.sin_addr.s_addr) >> 24) == 127;
        memcpy(&c->address.s6_addr[12], &in.sin_addr, 4);
    } else if (peer->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, peer, sizeof in6);
        c->loopback = IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
        c->address = in6.sin6_addr;
    }
}

static size_t count_address(const struct conns *t, const struct in6_addr *a)
{
    size_t n = 0;
    for (const struct conn *c = t->first; c; c = c->next)
        n += memcmp(&c->address, a, sizeof *a) == 0;
    return n;
}

/* Whether a connection waits for a request; *served: it has had one answered before. */
static bool is_waiting(const struct conn *c, bool *served)
{
    uint32_t word = __atomic_load_n(&c->state_word, __ATOMIC_RELAXED);
    enum conn_state state = (enum conn_state)(word & ((1u << STATE_BITS) - 1));
    *served = word >> STATE_BITS > 1; /* past the head of the first request */
    return !c->ending && (state == CONN_IDLE || state == CONN_HEAD);
}

/* Makes room by ending the oldest connection that waits, rather one that never brought a request.
 * False: all are at work. The list has the newest first. */
static bool evict(struct conns *t)
{
    struct conn *fresh = NULL, *idle = NULL;
    for (struct conn *c = t->first; c; c = c->next) {
        bool served;
        if (!is_waiting(c, &served)) continue;
        if (served)
            idle = c;
        else
            fresh = c;
    }
    struct conn *victim = fresh ? fresh : idle;
    if (!victim) return false;
    t->stats.evicted++;
    end_connection(t, victim);
    return true;
}

static bool has_room(struct conns *t, const struct conn *c)
{
    if (!c->loopback && count_address(t, &c->address) >= t->limits.max_per_address) return false;
    return t->stats.open - t->ending < t->limits.max_connections || evict(t);
}

struct conn *conns_open(struct conns *t, int fd, const struct sockaddr *peer)
{
    struct conn *c = mem_zalloc(sizeof *c);
    if (!c) return NULL;
    c->fd = fd;
    peer_address(c, peer);
    pthread_mutex_lock(&t->lock);
    if (!has_room(t, c)) {
        t->stats.refused++;
        pthread_mutex_unlock(&t->lock);
        shutdown(fd, SHUT_RDWR);
        mem_free(c);
        return NULL;
    }
    c->id = t->next_id++;
    c->next = t->first;
    if (t->first) t->first->prev = c;
    t->first = c;
    t->stats.open++;
    t->stats.accepted++;
    pthread_mutex_unlock(&t->lock);
    return c;
}

void conns_close(struct conns *t, struct conn *c)
{
    if (!c) return;
    pthread_mutex_lock(&t->lock);
    if (c->prev)
        c->prev->next = c->next;
    else
        t->first = c->next;
    if (c->next) c->next->prev = c->prev;
    t->stats.open--;
    if (c->ending) t->ending--;
    pthread_mutex_unlock(&t->lock);
    mem_free(c);
}

void conn_enter(struct conn *c, enum conn_state state)
{
    uint32_t turn = __atomic_load_n(&c->state_word, __ATOMIC_RELAXED) >> STATE_BITS;
    __atomic_store_n(&c->state_word, (turn + 1) << STATE_BITS | state, __ATOMIC_RELAXED);
}

void conns_watch(struct conns *t, struct conn *c)
{
    struct epoll_event e = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = c->id};
    pthread_mutex_lock(&t->lock);
    __atomic_store_n(&c->cancel, 0, __ATOMIC_RELAXED);
    c->watched = epoll_ctl(t->epoll, EPOLL_CTL_ADD, c->fd, &e) == 0;
    pthread_mutex_unlock(&t->lock);
}

void conns_unwatch(struct conns *t, struct conn *c)
{
    pthread_mutex_lock(&t->lock);
    if (c->watched) epoll_ctl(t->epoll, EPOLL_CTL_DEL, c->fd, NULL);
    c->watched = false;
    pthread_mutex_unlock(&t->lock);
}

const int *conn_cancel_flag(const struct conn *c)
{
    return &c->cancel;
}

void conns_cancel_all(struct conns *t)
{
    pthread_mutex_lock(&t->lock);
    for (struct conn *c = t->first; c; c = c->next)
        if (c->watched) __atomic_store_n(&c->cancel, 1, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&t->lock);
}

void conns_stats(struct conns *t, struct conns_stats *out)
{
    pthread_mutex_lock(&t->lock);
    *out = t->stats;
    pthread_mutex_unlock(&t->lock);
}
