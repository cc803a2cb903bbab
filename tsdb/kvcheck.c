/* kvcheck.c -- walks LMDB's trees with ordinary reads.
 *
 * A page is (mdb.c, data version 1):
 *
 *     0   u64  number of this page
 *     8   u16  pad
 *     10  u16  flags: branch 1, leaf 2, overflow 4, meta 8
 *     12  u16  end of the offsets (lower), u16 start of the nodes (upper)
 *     16  u16  offsets of the nodes, in key order
 *
 * a node 8 bytes, key and data; in a branch the first 6 bytes are the child's number, in a leaf
 * they are u32 data size and u16 flags: data on overflow pages 1, data is another tree 2. A tree is
 * 48 bytes: u32 pad, u16 flags, u16 depth, u64 counts of branch, leaf and overflow pages and
 * entries, u64 root. Pages 0 and 1 are metas: from byte 16 magic, version, address, map size, the
 * trees of free pages and of names, u64 last page, u64 transaction.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "tsdb/kvcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/mem.h"
#include "tsdb/bytes.h"

enum {
    HEAD = 16,
    NODE = 8,
    TREE = 48,
    META_TAIL = 2 * TREE, /* last page and transaction, from the first tree */
    META_SIZE = HEAD + 24 + META_TAIL + 16,
    DEPTH_MAX = 32, /* LMDB's cursors have no more */
    PAGE_MIN = 512,
    PAGE_MAX = 65536,
    KEY_MAX = 511,
};
enum { PAGE_BRANCH = 1, PAGE_LEAF = 2, PAGE_KINDS = 0x7f };
enum { NODE_BIG = 1, NODE_TREE = 2 };
enum tree_kind { TREE_FREE, TREE_NAMES, TREE_DATA };

#define META_MAGIC UINT32_C(0xBEEFC0DE)
#define NO_PAGE    UINT64_MAX
#define PAGES_MAX  (UINT64_C(1) << 36)

struct tree {
    enum tree_kind kind;
    unsigned flags, depth;
    uint64_t root, entries;
};

struct meta {
    uint64_t last_page, txn_id;
    struct tree free, names;
};

struct check {
    kvcheck_read_fn *read;
    void *arg;
    uint64_t size;
    size_t page_bytes;
    uint64_t last_page;
    uint8_t *used; /* a bit a page */
    struct errmsg *err;
};

static int bad_page(struct check *c, uint64_t page, const char *what)
{
    return errmsg_set(c->err, E_CORRUPT, "page %llu %s", (unsigned long long)page, what);
}

/* Claims pages for one owner. */
static int use_pages(struct check *c, uint64_t first, uint64_t count, uint64_t from)
{
    if (first < 2 || first > c->last_page || count > c->last_page - first + 1)
        return bad_page(c, from, "points outside the file");
    for (uint64_t p = first; p < first + count; p++) {
        if (c->used[p / 8] >> (p % 8) & 1) return bad_page(c, p, "belongs to two owners");
        c->used[p / 8] |= (uint8_t)(1u << p % 8);
    }
    return 0;
}

static uint64_t value_pages(const struct check *c, uint64_t bytes)
{
    return (HEAD - 1 + bytes) / c->page_bytes + 1;
}

static int read_page(struct check *c, uint64_t page, uint8_t *p)
{
    int rc = c->read(c->arg, page * c->page_bytes, p, c->page_bytes);
    if (rc < 0)
        return errmsg_set(c->err, rc, "page %llu: %s", (unsigned long long)page, err_text(rc));
    return get_le64(p) == page ? 0 : bad_page(c, page, "has another page's number");
}

/* --- pages --------------------------------------------------------------------------------------
 */

static size_t key_count(const uint8_t *p)
{
    return (get_le16(p + 12) - (size_t)HEAD) / 2;
}

static int check_layout(struct check *c, uint64_t page, const uint8_t *p, bool leaf)
{
    unsigned lower = get_le16(p + 12), upper = get_le16(p + 14);
    if ((get_le16(p + 10) & PAGE_KINDS) != (leaf ? PAGE_LEAF : PAGE_BRANCH))
        return bad_page(c, page, "is of the wrong kind");
    if (lower < HEAD || lower % 2 || lower > upper || upper > c->page_bytes)
        return bad_page(c, page, "has bounds that make no sense");
    for (size_t i = 0; i < key_count(p); i++) {
        size_t at = get_le16(p + HEAD + 2 * i);
        if (at < upper || at % 2 || at + NODE > c->page_bytes ||
            at + NODE + get_le16(p + at + 6) > c->page_bytes)
            return bad_page(c, page, "has a node outside itself");
        if (get_le16(p + at + 6) > KEY_MAX) return bad_page(c, page, "has a key that is too long");
    }
    return 0;
}

static int walk_tree(struct check *c, const struct tree *t, uint64_t from);

/* The ids of one freed transaction: their number, then page numbers; none may be in use. */
static int check_free_list(struct check *c, uint64_t page, const uint8_t *data, uint64_t bytes)
{
    uint64_t count = bytes >= 8 ? get_le64(data) : 0;
    if (bytes < 8 || bytes % 8 || count != bytes / 8 - 1)
        return bad_page(c, page, "has a bad list of free pages");
    for (uint64_t i = 1; i <= count; i++) {
        int rc = use_pages(c, get_le64(data + 8 * i), 1, page);
        if (rc < 0) return rc;
    }
    return 0;
}

static int check_big_value(struct check *c, uint64_t page, const uint8_t *data, uint64_t bytes,
                           enum tree_kind kind)
{
    uint64_t first = get_le64(data);
    int rc = use_pages(c, first, value_pages(c, bytes), page);
    if (rc < 0 || kind != TREE_FREE) return rc;
    uint8_t *list = mem_alloc(bytes);
    if (!list) return -ENOMEM;
    rc = c->read(c->arg, first * c->page_bytes + HEAD, list, bytes);
    if (rc == 0) rc = check_free_list(c, page, list, bytes);
    mem_free(list);
    return rc;
}

static struct tree tree_at(const uint8_t *p, enum tree_kind kind)
{
    return (struct tree){kind, get_le16(p + 4), get_le16(p + 6), get_le64(p + 40),
                         get_le64(p + 32)};
}

static int check_leaf_node(struct check *c, uint64_t page, const uint8_t *p, size_t at,
                           enum tree_kind kind)
{
    uint64_t bytes = get_le32(p + at);
    unsigned flags = get_le16(p + at + 4);
    size_t data = at + NODE + get_le16(p + at + 6);
    uint64_t here = flags & NODE_BIG ? 8 : bytes;
    if (flags & ~(unsigned)(NODE_BIG | NODE_TREE))
        return bad_page(c, page, "has unknown node flags");
    if (here > c->page_bytes - data) return bad_page(c, page, "has a value outside itself");
    if (flags & NODE_BIG) return check_big_value(c, page, p + data, bytes, kind);
    if (flags & NODE_TREE) {
        if (kind != TREE_NAMES || bytes != TREE)
            return bad_page(c, page, "has a tree out of place");
        struct tree sub = tree_at(p + data, TREE_DATA);
        return walk_tree(c, &sub, page);
    }
    return kind == TREE_FREE ? check_free_list(c, page, p + data, bytes) : 0;
}

/* --- trees --------------------------------------------------------------------------------------
 */

static int walk_page(struct check *c, const struct tree *t, uint64_t page, unsigned level,
                     uint64_t from, uint64_t *entries);

static int walk_nodes(struct check *c, const struct tree *t, uint64_t page, const uint8_t *p,
                      unsigned level, uint64_t *entries)
{
    bool leaf = level == t->depth;
    size_t keys = key_count(p);
    /* LMDB asserts two children, except while it works on the list of free pages. */
    if (keys < (leaf || t->kind == TREE_FREE ? 1u : 2u)) return bad_page(c, page, "is too empty");
    for (size_t i = 0; i < keys; i++) {
        size_t at = get_le16(p + HEAD + 2 * i);
        uint64_t child = get_le32(p + at) | (uint64_t)get_le16(p + at + 4) << 32;
        int rc = leaf ? check_leaf_node(c, page, p, at, t->kind)
                      : walk_page(c, t, child, level + 1, page, entries);
        if (rc < 0) return rc;
    }
    if (leaf) *entries += keys;
    return 0;
}

static int walk_page(struct check *c, const struct tree *t, uint64_t page, unsigned level,
                     uint64_t from, uint64_t *entries)
{
    int rc = use_pages(c, page, 1, from);
    if (rc < 0) return rc;
    uint8_t *p = mem_alloc(c->page_bytes);
    if (!p) return -ENOMEM;
    rc = read_page(c, page, p);
    if (rc == 0) rc = check_layout(c, page, p, level == t->depth);
    if (rc == 0) rc = walk_nodes(c, t, page, p, level, entries);
    mem_free(p);
    return rc;
}

static int walk_tree(struct check *c, const struct tree *t, uint64_t from)
{
    uint64_t entries = 0;
    if (t->root == NO_PAGE)
        return t->entries == 0 && t->depth == 0 ? 0
                                                : bad_page(c, from, "has a tree without a root");
    if (t->kind != TREE_FREE && t->flags)
        return bad_page(c, from, "has a tree of a kind we do not use");
    if (t->depth == 0 || t->depth > DEPTH_MAX) return bad_page(c, from, "has a tree of bad depth");
    int rc = walk_page(c, t, t->root, 1, from, &entries);
    if (rc == 0 && entries != t->entries) rc = bad_page(c, from, "miscounts the entries of a tree");
    return rc;
}

/* --- metas --------------------------------------------------------------------------------------
 */

static int read_meta(struct check *c, uint64_t page, struct meta *out)
{
    uint8_t p[META_SIZE];
    if (c->size < page * c->page_bytes + META_SIZE)
        return errmsg_set(c->err, E_CORRUPT, "%llu bytes are too short for a database",
                          (unsigned long long)c->size);
    int rc = c->read(c->arg, page * c->page_bytes, p, sizeof p);
    if (rc < 0)
        return errmsg_set(c->err, rc, "page %llu: %s", (unsigned long long)page, err_text(rc));
    if (get_le32(p + HEAD) != META_MAGIC || get_le32(p + HEAD + 4) != 1)
        return errmsg_set(c->err, E_CORRUPT, "not a database of this version");
    const uint8_t *trees = p + HEAD + 24;
    size_t page_bytes = get_le32(trees);
    if (page_bytes < PAGE_MIN || page_bytes > PAGE_MAX || page_bytes & (page_bytes - 1) ||
        (page > 0 && page_bytes != c->page_bytes))
        return bad_page(c, page, "has a bad page size");
    c->page_bytes = page_bytes;
    *out = (struct meta){
        .last_page = get_le64(trees + META_TAIL),
        .txn_id = get_le64(trees + META_TAIL + 8),
        .free = tree_at(trees, TREE_FREE),
        .names = tree_at(trees + TREE, TREE_NAMES),
    };
    return 0;
}

static int check_meta(struct check *c, const struct meta *m)
{
    uint64_t page_bytes = c->page_bytes;
    uint64_t need = (m->last_page + 1) * page_bytes;
    if (m->last_page < 1 || m->last_page > PAGES_MAX || need > c->size)
        return errmsg_set(c->err, E_CORRUPT, "%llu bytes long, but its pages need %llu",
                          (unsigned long long)c->size, (unsigned long long)need);
    c->last_page = m->last_page;
    c->used = mem_zalloc(m->last_page / 8 + 1);
    if (!c->used) return -ENOMEM;
    int rc = walk_tree(c, &m->names, 0);
    if (rc == 0) rc = walk_tree(c, &m->free, 0); /* last: free pages must be in nobody's use */
    mem_free(c->used);
    return rc;
}

int kvcheck(kvcheck_read_fn *read, void *arg, uint64_t size, uint64_t txn_id, struct errmsg *err)
{
    struct check c = {.read = read, .arg = arg, .size = size, .err = err};
    struct meta m[2] = {0};
    int rc = read_meta(&c, 0, &m[0]);
    if (rc == 0) rc = read_meta(&c, 1, &m[1]);
    if (rc < 0) return rc;
    const struct meta *last = m[0].txn_id < m[1].txn_id ? &m[1] : &m[0];
    if (txn_id) last = m[0].txn_id == txn_id ? &m[0] : m[1].txn_id == txn_id ? &m[1] : NULL;
    return last ? check_meta(&c, last) : E_STALE;
}

/* --- files --------------------------------------------------------------------------------------
 */

struct file {
    struct env *env;
    int fd;
};

static int read_file(void *arg, uint64_t offset, void *p, size_t len)
{
    struct file *f = arg;
    ssize_t n = env_pread_all(f->env, f->fd, p, len, (int64_t)offset);
    return n < 0 ? (int)n : (size_t)n == len ? 0 : E_CORRUPT;
}

int kvcheck_file(struct env *env, const char *path, uint64_t txn_id, struct errmsg *err)
{
    struct io_stat st = {0};
    struct errmsg why = {0};
    struct file f = {env, env->io->open(env, path, O_RDONLY, 0)};
    if (f.fd < 0)
        return errmsg_set(err, f.fd == -ENOENT ? E_NOT_FOUND : f.fd, "%s: %s", path,
                          err_text(f.fd));
    int rc = env->io->stat(env, path, &st);
    if (rc == 0) rc = kvcheck(read_file, &f, (uint64_t)st.size_bytes, txn_id, &why);
    (void)env->io->close(env, f.fd);
    if (rc < 0) errmsg_set(err, rc, "%s: %s", path, why.text[0] ? why.text : err_text(rc));
    return rc;
}
