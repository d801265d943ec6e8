/* writer MB MODE RATE: fills memory, then writes it at RATE MB/s of pages (0: as fast as it can).
 *
 * MODE  idle    fills and sleeps
 *       seq     rewrites whole pages, one after another
 *       random  changes one word of a page chosen by chance, so that each page counts for one word's work
 *
 * Every word is a function of its page and of the version that wrote it, and the versions are kept apart: on SIGUSR1
 * each word of each page is compared with what it must be.  A page that a migration lost, repeated or tore shows.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define WORDS 512 /* of 8 bytes, in a page of 4 KiB */
#define BATCH 64

static uint64_t (*pages)[WORDS];
static uint32_t *versions;
static size_t count;
static volatile sig_atomic_t asked;

static void ask(int signal) { (void)signal; asked = 1; }

static uint64_t word(uint64_t page, uint64_t version) {
    uint64_t x = (page << 32) ^ version ^ 0x9e3779b97f4a7c15ULL;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
    return x ^ (x >> 31);
}

static void write_words(size_t page, int words) {
    for (int i = 0; i < words; i++) {
        uint32_t version = versions[page] + 1;
        pages[page][version % WORDS] = word(page, version);
        versions[page] = version;
    }
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static void tell(const char *path, const char *text) {
    char part[64];
    snprintf(part, sizeof part, "%s.part", path);
    FILE *f = fopen(part, "w");
    if (!f) return;
    fputs(text, f);
    fclose(f);
    rename(part, path);
}

static void verify(void) {
    size_t wrong = 0;
    uint64_t written = 0;
    for (size_t p = 0; p < count; p++) {
        uint32_t last = versions[p], lap = last - last % WORDS;
        int good = 1;
        for (uint32_t k = 0; k < WORDS; k++) {
            uint32_t version = lap + k <= last ? lap + k : lap + k - WORDS;
            good &= pages[p][k] == word(p, version);
        }
        wrong += !good;
        written += last;
    }
    char text[96];
    snprintf(text, sizeof text, "%zu %zu %llu\n", count, wrong, (unsigned long long)written);
    tell("/www/verdict", text);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int sequential = !strcmp(argv[2], "seq"), idle = !strcmp(argv[2], "idle");
    double rate = atof(argv[3]);
    count = (size_t)atol(argv[1]) * 256;
    pages = mmap(NULL, count * sizeof *pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    versions = calloc(count, sizeof *versions);
    if (pages == MAP_FAILED || !versions) return 1;
    for (size_t p = 0; p < count; p++) {
        for (int k = 0; k < WORDS; k++) pages[p][k] = word(p, k);
        versions[p] = WORDS - 1;
    }
    signal(SIGUSR1, ask);
    tell("/www/filled", "filled\n");
    uint64_t chance = 88172645463325252ULL, done = 0, told = 0;
    double began = now(), last = began;
    for (size_t next = 0;;) {
        if (asked) { asked = 0; verify(); }
        if (idle) { pause(); continue; }
        for (int i = 0; i < BATCH; i++, done++) {
            chance ^= chance << 13; chance ^= chance >> 7; chance ^= chance << 17;
            size_t page = sequential ? next++ % count : chance % count;
            write_words(page, sequential ? WORDS : 1);
        }
        double t = now(), due = rate > 0 ? began + done / 256.0 / rate : t;
        if (t - last >= 1) {
            char text[32];
            snprintf(text, sizeof text, "%.1f\n", (done - told) / 256.0 / (t - last));
            tell("/www/rate", text);
            last = t; told = done;
        }
        if (t - due > 0.5) began += t - due; /* what a pause has cost is not made up for */
        if (due > t) usleep((useconds_t)((due - t) * 1e6));
    }
}
