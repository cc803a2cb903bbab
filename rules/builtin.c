/* builtin.c -- the built-in rule files, carried in the binary as they are written.
 *
 * The assembler's .incbin takes them from the source tree; like every compilation it runs in the
 * repository's root.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include "rules/builtin.h"

#define CARRY(symbol, path)                                                                        \
    __asm__(".pushsection .rodata\n"                                                               \
            ".global " #symbol "\n.hidden " #symbol "\n" #symbol ":\n"                             \
            ".incbin \"" path "\"\n"                                                               \
            ".global " #symbol "_end\n.hidden " #symbol "_end\n" #symbol "_end:\n.byte 0\n"        \
            ".popsection\n")

CARRY(builtin_host_yml, "rules/builtin/host.yml");
CARRY(builtin_self_yml, "rules/builtin/self.yml");

extern const char builtin_host_yml[], builtin_host_yml_end[];
extern const char builtin_self_yml[], builtin_self_yml_end[];

static const struct {
    const char *name, *file, *text, *end;
} sets[] = {
    {"host", "builtin/host.yml", builtin_host_yml, builtin_host_yml_end},
    {"self", "builtin/self.yml", builtin_self_yml, builtin_self_yml_end},
};

bool builtin_rules_at(size_t i, struct builtin_rules *out)
{
    if (i >= sizeof sets / sizeof *sets) return false;
    size_t len = (size_t)(sets[i].end - sets[i].text);
    *out = (struct builtin_rules){
        sets[i].name, sets[i].file, {sets[i].text, len}
    };
    return true;
}
