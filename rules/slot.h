/* slot.h -- when a group is evaluated, and what a step of the clock does to it. Pure.
 *
 * Slots are the times congruent to a group's offset modulo its interval; the slot is the timestamp
 * of the evaluation. Durations of alerts are counted in steady time: wall time less every step the
 * wall clock has made since the engine started, so that setting the clock neither fires nor hides
 * an alert, and time spent suspended does not count.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#ifndef TOCSIN_RULES_SLOT_H
#define TOCSIN_RULES_SLOT_H

#include <stdbool.h>
#include <stdint.h>

/* fnv1a64(file ";" name) mod interval */
int64_t slot_offset(const char *file, const char *name, int64_t interval_ms);
/* The last slot at or before t. */
int64_t slot_before(int64_t t_ms, int64_t interval_ms, int64_t offset_ms);

/* A difference between wall and monotonic clock that is no slewing. */
#define CLOCK_STEP_MS INT64_C(250)

struct steady_clock {
    bool started;
    int64_t wall_ms, mono_ns; /* when last looked at */
    int64_t stepped_ms;       /* steps of the wall clock so far, together */
};
/* Takes a reading of both clocks; returns the step since the last one, 0 for none. */
int64_t steady_clock_note(struct steady_clock *c, int64_t wall_ms, int64_t mono_ns);

/* The slots of one group. */
struct schedule {
    int64_t interval_ms, offset_ms;
    int64_t next_ms; /* wall time of the next slot */
    int64_t last_ms; /* slot evaluated last; SLOT_NONE */
};
#define SLOT_NONE INT64_MIN
void schedule_init(struct schedule *s, const char *file, const char *name, int64_t interval_ms,
                   int64_t now_ms);
/* True when a slot is due; *slot is the latest one and *missed those that were passed over. The
 * schedule moves on. */
bool schedule_take(struct schedule *s, int64_t now_ms, int64_t *slot, uint64_t *missed);
/* The wall clock was set: the slot that now holds is due at once, unless it is the one done last;
 * nothing counts as missed. */
void schedule_step(struct schedule *s, int64_t now_ms);

#endif
