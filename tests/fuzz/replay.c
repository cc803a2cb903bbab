/* replay.c -- feeds every file of the given folders to LLVMFuzzerTestOneInput: how the fuzz corpora
 * become ordinary tests. An empty or missing folder fails: a target without a corpus tests nothing.
 *
 * SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return -1;
    size_t cap = 1 << 20, len = 0;
    uint8_t *data = malloc(cap);
    if (data) len = fread(data, 1, cap, f);
    fclose(f);
    if (!data) return -1;
    /* an exact-size copy, so that the address sanitizer sees reads past the end */
    uint8_t *exact = malloc(len ? len : 1);
    if (exact) {
        memcpy(exact, data, len);
        LLVMFuzzerTestOneInput(exact, len);
    }
    free(exact);
    free(data);
    return exact ? 0 : -1;
}

int main(int argc, char **argv)
{
    size_t files = 0;
    for (int i = 1; i < argc; i++) {
        DIR *d = opendir(argv[i]);
        if (!d) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *e; (e = readdir(d));) {
            char path[4096];
            if (e->d_name[0] == '.') continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            if (replay_file(path) < 0) {
                perror(path);
                closedir(d);
                return 1;
            }
            files++;
        }
        closedir(d);
    }
    printf("%zu inputs replayed\n", files);
    return files ? 0 : 1;
}
