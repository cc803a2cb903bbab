/* slot.c -- evaluation slots and steady time.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/slot.h"

#include <string.h>

#include "core/hash.h"

int64_t slot_offset(const char *file, const char *name, int64_t interval_ms)
{
    uint64_t h = fnv1a64(FNV1A64_INIT, file, strlen(file));
    h = fnv1a64(h, ";", 1);
    h = fnv1a64(h, name, strlen(name));
    return (int64_t)(h % (uint64_t)interval_ms);
}

int64_t slot_before(int64_t t_ms, int64_t interval_ms, int64_t offset_ms)
{
    int64_t rest = (t_ms - offset_ms) % interval_ms;
    return t_ms - (rest < 0 ? rest + interval_ms : rest);
}

int64_t steady_clock_note(struct steady_clock *c, int64_t wall_ms, int64_t mono_ns)
{
    int64_t step = 0;
    if (c->started) {
        step = (wall_ms - c->wall_ms) - (mono_ns - c->mono_ns) / 1000000;
        if (step < CLOCK_STEP_MS && step > -CLOCK_STEP_MS) step = 0;
    }
    *c = (struct steady_clock){true, wall_ms, mono_ns, c->stepped_ms + step};
    return step;
}

void schedule_init(struct schedule *s, const char *file, const char *name, int64_t interval_ms,
                   int64_t now_ms)
{
    *s = (struct schedule){.interval_ms = interval_ms, .last_ms = SLOT_NONE};
    s->offset_ms = slot_offset(file, name, interval_ms);
    s->next_ms = slot_before(now_ms, interval_ms, s->offset_ms) + interval_ms;
}

bool schedule_take(struct schedule *s, int64_t now_ms, int64_t *slot, uint64_t *missed)
{
    if (s->next_ms > now_ms) return false;
    *slot = slot_before(now_ms, s->interval_ms, s->offset_ms);
    *missed = (uint64_t)((*slot - s->next_ms) / s->interval_ms);
    s->next_ms = *slot + s->interval_ms;
    s->last_ms = *slot;
    return true;
}

void schedule_step(struct schedule *s, int64_t now_ms)
{
    s->next_ms = slot_before(now_ms, s->interval_ms, s->offset_ms);
    if (s->next_ms == s->last_ms) s->next_ms += s->interval_ms;
}
