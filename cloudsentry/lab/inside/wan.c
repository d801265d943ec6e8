/* The WAN between the two sites of the lab: wan CONFIG
 *
 * One link with a delay, a rate and a loss, shared by everything that crosses it: the routed device wan0 (tun) and one
 * pair of taps for every layer 2 segment that exists at both sites.  Each tap is a port of the segment's bridge at its end.
 *
 * CONFIG is re-read whenever it is replaced (write a new file, then rename it):
 *     ends NETNS NETNS        the namespaces of the two sites (read once)
 *     delay_us N              one way
 *     rate_kbit N             each way, 0 = no limit
 *     loss_ppm N              of a million packets
 *     queue_kb N              what waits for the link beyond this is dropped
 *     mtu N                   larger IP packets vanish, and nobody is told (a black hole); 0 = none do
 *     segment DEVICE BRIDGE BRIDGE
 * CONFIG.counters is rewritten every second: one line for each direction, "packets bytes lost dropped".
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL
#define LOOK (SECOND / 5) /* how often CONFIG is looked at */
#define BURST 64          /* packets read from one device before the next has its turn */
#define VNET 10           /* bytes of the virtio header before each frame, not on the wire */
#define MAX_PAIRS 128

struct packet {
    struct packet *next;
    int64_t due;
    int pair, len;
    unsigned generation;
    char data[];
};
struct direction {
    struct packet *head, *tail;
    int64_t free_at; /* when the link has sent what it already holds */
    uint64_t packets, bytes, lost, dropped;
};
struct pair { /* the same device at both ends */
    char device[IFNAMSIZ], bridge[2][IFNAMSIZ];
    int fd[2], wanted;
    unsigned generation;
};

static struct direction link_to[2]; /* by the end that receives */
static struct pair pairs[MAX_PAIRS];
static int n_pairs, offload = -1;
static char ends[2][64];
static int inside[2] = {-1, -1}, control[2] = {-1, -1};
static int64_t delay_ns;
static double rate_kbit, loss_ppm;
static int mtu;
static int64_t queue_bytes = 4096 * 1024;

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * SECOND + t.tv_nsec;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void open_ends(void) {
    for (int i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "/run/netns/%s", ends[i]);
        inside[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (inside[i] < 0 || setns(inside[i], CLONE_NEWNET)) die(path);
        control[i] = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (control[i] < 0) die("socket");
    }
}

static void set_offload(int fd) {
    /* A frame of 64 KB must not be lost as one, nor measured as one: with loss or an MTU, each packet is by itself. */
    unsigned long flags = offload ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0;
    if (ioctl(fd, TUNSETOFFLOAD, flags)) perror("TUNSETOFFLOAD");
}

static void up_and_join(int end, const char *device, const char *bridge) {
    struct ifreq r;
    memset(&r, 0, sizeof r);
    strncpy(r.ifr_name, device, IFNAMSIZ - 1);
    if (ioctl(control[end], SIOCGIFINDEX, &r)) { perror(device); return; }
    int index = r.ifr_ifindex;
    if (!ioctl(control[end], SIOCGIFFLAGS, &r)) {
        r.ifr_flags |= IFF_UP;
        if (ioctl(control[end], SIOCSIFFLAGS, &r)) perror("SIOCSIFFLAGS");
    }
    if (!*bridge) return;
    memset(&r, 0, sizeof r);
    strncpy(r.ifr_name, bridge, IFNAMSIZ - 1);
    r.ifr_ifindex = index;
    if (ioctl(control[end], SIOCBRADDIF, &r) && errno != EBUSY) perror(bridge);
}

static int make_device(int end, const char *device, const char *bridge, int tap) {
    if (setns(inside[end], CLONE_NEWNET)) die("setns");
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC), header = VNET;
    struct ifreq r;
    memset(&r, 0, sizeof r);
    strncpy(r.ifr_name, device, IFNAMSIZ - 1);
    r.ifr_flags = (tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI | IFF_VNET_HDR;
    if (fd < 0 || ioctl(fd, TUNSETIFF, &r)) {
        perror(device);
        if (fd >= 0) close(fd);
        return -1;
    }
    ioctl(fd, TUNSETVNETHDRSZ, &header);
    set_offload(fd);
    up_and_join(end, device, bridge);
    return fd;
}

static void close_pair(struct pair *p) {
    for (int i = 0; i < 2; i++)
        if (p->fd[i] >= 0) { close(p->fd[i]); p->fd[i] = -1; }
    p->device[0] = 0;
    p->generation++;
}

static void want_pair(const char *device, const char *a, const char *b, int tap) {
    struct pair *vacant = NULL;
    for (int i = 0; i < n_pairs; i++) {
        struct pair *p = &pairs[i];
        if (!p->device[0]) { vacant = p; continue; }
        if (strcmp(p->device, device)) continue;
        if (!strcmp(p->bridge[0], a) && !strcmp(p->bridge[1], b)) {
            /* A bridge may have gone and come back under its name between two looks. */
            for (int k = 0; k < 2; k++)
                if (p->fd[k] >= 0 && *p->bridge[k]) up_and_join(k, device, p->bridge[k]);
            p->wanted = 1;
            return;
        }
        close_pair(p);
        vacant = p;
    }
    if (!vacant) {
        if (n_pairs == MAX_PAIRS) { fprintf(stderr, "no room for %s\n", device); return; }
        vacant = &pairs[n_pairs++];
    }
    snprintf(vacant->device, IFNAMSIZ, "%s", device);
    snprintf(vacant->bridge[0], IFNAMSIZ, "%s", a);
    snprintf(vacant->bridge[1], IFNAMSIZ, "%s", b);
    for (int i = 0; i < 2; i++) vacant->fd[i] = make_device(i, device, vacant->bridge[i], tap);
    vacant->wanted = vacant->fd[0] >= 0 && vacant->fd[1] >= 0; /* else closed below, tried again at the next change */
}

static void read_config(const char *path) {
    char line[256], a[64], b[64], device[64];
    long long n;
    FILE *f = fopen(path, "re");
    if (!f) return;
    for (int i = 0; i < n_pairs; i++) pairs[i].wanted = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "ends %63s %63s", a, b) == 2 && inside[0] < 0) {
            snprintf(ends[0], sizeof ends[0], "%s", a);
            snprintf(ends[1], sizeof ends[1], "%s", b);
            open_ends();
        } else if (sscanf(line, "delay_us %lld", &n) == 1) delay_ns = n * 1000;
        else if (sscanf(line, "rate_kbit %lld", &n) == 1) rate_kbit = n;
        else if (sscanf(line, "loss_ppm %lld", &n) == 1) loss_ppm = n;
        else if (sscanf(line, "queue_kb %lld", &n) == 1) queue_bytes = n * 1024;
        else if (sscanf(line, "mtu %lld", &n) == 1) mtu = n;
    }
    if (offload != (loss_ppm == 0 && !mtu)) {
        offload = loss_ppm == 0 && !mtu;
        for (int i = 0; i < n_pairs; i++)
            for (int k = 0; k < 2; k++)
                if (pairs[i].fd[k] >= 0) set_offload(pairs[i].fd[k]);
    }
    if (inside[0] >= 0) want_pair("wan0", "", "", 0);
    rewind(f);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "segment %15s %15s %15s", device, a, b) == 3) want_pair(device, a, b, 1);
    fclose(f);
    for (int i = 0; i < n_pairs; i++)
        if (pairs[i].device[0] && !pairs[i].wanted) close_pair(&pairs[i]);
}

static void take(int pair, int end) {
    static char buffer[70000];
    struct direction *d = &link_to[1 - end];
    for (int k = 0; k < BURST; k++) {
        int len = read(pairs[pair].fd[end], buffer, sizeof buffer);
        if (len <= 0) return;
        int packet = len - VNET - (*pairs[pair].bridge[end] ? ETH_HLEN : 0);
        if (mtu && packet > mtu) { d->dropped++; continue; }
        int64_t t = now(), waiting = d->free_at > t ? d->free_at - t : 0;
        if (loss_ppm > 0 && drand48() * 1e6 < loss_ppm) { d->lost++; continue; }
        if (rate_kbit > 0 && waiting * rate_kbit / 8e6 + len > queue_bytes) { d->dropped++; continue; }
        struct packet *p = malloc(sizeof *p + len);
        if (!p) { d->dropped++; continue; }
        *p = (struct packet){.pair = pair, .len = len, .generation = pairs[pair].generation};
        memcpy(p->data, buffer, len); /* after the line above, which may write the padding where data begins */
        if (d->free_at < t) d->free_at = t;
        if (rate_kbit > 0) d->free_at += (int64_t)((len - VNET) * 8e6 / rate_kbit);
        p->due = d->free_at + delay_ns;
        if (d->tail) d->tail->next = p; else d->head = p;
        d->tail = p;
        d->packets++;
        d->bytes += len - VNET;
    }
}

static void deliver(int end) {
    struct direction *d = &link_to[end];
    int64_t t = now();
    while (d->head && d->head->due <= t) {
        struct packet *p = d->head;
        struct pair *q = &pairs[p->pair];
        if (q->generation == p->generation && q->fd[end] >= 0 && write(q->fd[end], p->data, p->len) < 0) d->dropped++;
        d->head = p->next;
        if (!d->head) d->tail = NULL;
        free(p);
    }
}

static void write_counters(const char *path) {
    char part[4096 + 32], whole[4096 + 16];
    snprintf(whole, sizeof whole, "%.4096s.counters", path);
    snprintf(part, sizeof part, "%.4096s.counters.part", path);
    FILE *f = fopen(part, "we");
    if (!f) return;
    for (int i = 1; i >= 0; i--) { /* from the first end to the second, then back */
        struct direction *d = &link_to[i];
        fprintf(f, "%llu %llu %llu %llu\n", (unsigned long long)d->packets, (unsigned long long)d->bytes,
                (unsigned long long)d->lost, (unsigned long long)d->dropped);
    }
    if (!fclose(f)) rename(part, whole);
}

static void wait_for_packets(int64_t limit) {
    struct pollfd on[2 * MAX_PAIRS];
    int of[2 * MAX_PAIRS], n = 0;
    int64_t t = now(), until = limit;
    for (int i = 0; i < n_pairs; i++)
        for (int k = 0; k < 2; k++)
            if (pairs[i].fd[k] >= 0) {
                of[n] = 2 * i + k;
                on[n++] = (struct pollfd){pairs[i].fd[k], POLLIN, 0};
            }
    for (int i = 0; i < 2; i++)
        if (link_to[i].head && link_to[i].head->due < until) until = link_to[i].head->due;
    int64_t left = until > t ? until - t : 0;
    struct timespec wait = {left / SECOND, left % SECOND};
    if (ppoll(on, n, &wait, NULL) <= 0) return;
    for (int i = 0; i < n; i++)
        if (on[i].revents & POLLIN) take(of[i] / 2, of[i] % 2);
}

static int replaced(const char *path, struct stat *last) {
    struct stat s;
    if (stat(path, &s)) return 0;
    int other = s.st_ino != last->st_ino || s.st_mtim.tv_sec != last->st_mtim.tv_sec || s.st_mtim.tv_nsec != last->st_mtim.tv_nsec;
    *last = s;
    return other;
}

int main(int argc, char **argv) {
    if (argc != 2) { fprintf(stderr, "usage: %s CONFIG\n", argv[0]); return 2; }
    struct stat last = {0};
    int64_t look = 0, count = 0;
    prctl(PR_SET_TIMERSLACK, 1000);
    srand48(time(NULL) ^ getpid());
    for (;;) {
        int64_t t = now();
        if (t >= look) { look = t + LOOK; if (replaced(argv[1], &last)) read_config(argv[1]); }
        if (t >= count) { count = t + SECOND; write_counters(argv[1]); }
        wait_for_packets(look);
        for (int end = 0; end < 2; end++) deliver(end);
    }
}
