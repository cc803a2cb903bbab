/* app.c -- the shared state of the running daemon, and its settings' lock.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "agent/app.h"

#include <string.h>

void app_init(struct app *a, struct env *env)
{
    *a = (struct app){.env = env, .start_ms = env_now_ms(env), .reload_ok = true};
    a->reload_ms = a->start_ms;
    pthread_mutex_init(&a->lock, NULL);
}

void app_release(struct app *a)
{
    route_counters_free(a->counters);
    pthread_mutex_destroy(&a->lock);
}

void app_settings(struct app *a, struct app_settings *out)
{
    pthread_mutex_lock(&a->lock);
    *out = a->settings;
    pthread_mutex_unlock(&a->lock);
}

void app_set_settings(struct app *a, const struct app_settings *s)
{
    pthread_mutex_lock(&a->lock);
    a->settings = *s;
    pthread_mutex_unlock(&a->lock);
}
