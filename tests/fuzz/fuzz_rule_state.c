/* fuzz_rule_state.c -- any bytes as a saved rule state: refused, or a state that encodes and
 * decodes to itself.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>
#include <stdlib.h>

#include "rules/engine_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct saved_rule first, second;
    if (state_decode((struct str){(const char *)data, size}, &first) < 0) return 0;
    struct buf once = BUF_INIT(1 << 26), twice = BUF_INIT(1 << 26);
    state_encode(first.key, &first.alerts, 0, &once);
    if (state_decode((struct str){once.p, once.len}, &second) < 0) abort();
    state_encode(second.key, &second.alerts, 0, &twice);
    if (once.len != twice.len || memcmp(once.p, twice.p, once.len) != 0) abort();
    if (first.alerts.count != second.alerts.count) abort();
    buf_release(&once);
    buf_release(&twice);
    alert_state_release(&first.alerts);
    alert_state_release(&second.alerts);
    return 0;
}
