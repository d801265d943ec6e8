/* The default program of a server of the lab: web FOLDER PORT [WORK_US]
 *
 * Serves FOLDER's files over HTTP/1.1 with kept connections, on IPv4 and IPv6, from one thread; says who answered
 * (X-Served-By: $SERVER_NAME).  Each answer costs WORK_US
 * microseconds of CPU (default 200, of a page's making): so it is the quota of its control group that bounds the server, long
 * before the clients and the balancer that share the machine with it.  At 50 % of a core that is about 2,300 answers per
 * second, what the source's Xeon gave.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 64
#define REQUEST 8192
#define HEAD 512

struct client {
    int fd, used, close_after;
    char request[REQUEST + 1];
    char *out;
    size_t len, sent;
};

static int poller, root;
static const char *name = "";
static long work_ns = 200 * 1000;

static void work(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    long long until = t.tv_sec * 1000000000LL + t.tv_nsec + work_ns;
    while (t.tv_sec * 1000000000LL + t.tv_nsec < until) clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
}

static void forget(struct client *c) {
    close(c->fd);
    free(c->out);
    free(c);
}

static void watch(struct client *c, int how, unsigned events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(poller, how, c->fd, &e);
}

/* What is left of the answer goes out as far as the connection takes it; -1 when the connection is done for. */
static int push(struct client *c) {
    while (c->sent < c->len) {
        ssize_t n = send(c->fd, c->out + c->sent, c->len - c->sent, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN ? 0 : -1;
        c->sent += n;
    }
    free(c->out);
    c->out = NULL;
    c->len = c->sent = 0;
    return c->close_after ? -1 : 0;
}

static void prepare(struct client *c, const char *status, int head_only, int file, size_t size) {
    c->out = malloc(HEAD + size);
    int head = snprintf(c->out, HEAD, "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\nX-Served-By: %.255s\r\n"
                        "Content-Length: %zu\r\nConnection: %s\r\n\r\n", status, name, size, c->close_after ? "close" : "keep-alive");
    size_t got = 0;
    while (!head_only && got < size) {
        ssize_t n = read(file, c->out + head + got, size - got);
        if (n <= 0) { c->close_after = 1; break; }
        got += n;
    }
    c->len = head + got;
}

static void answer(struct client *c) {
    char method[8] = "", path[1024] = "", version[16] = "";
    sscanf(c->request, "%7s /%1023s %15s", method, path, version);
    if (!*version) { snprintf(version, sizeof version, "%s", path); *path = 0; } /* of "GET / HTTP/1.1" */
    c->close_after = strcasestr(c->request, "\nconnection: close") ||
                     (!strcmp(version, "HTTP/1.0") && !strcasestr(c->request, "\nconnection: keep-alive"));
    path[strcspn(path, "?#")] = 0;
    struct stat s;
    int head = !strcmp(method, "HEAD"), known = head || !strcmp(method, "GET");
    int file = known && !strstr(path, "..") && *path != '/' ? openat(root, path, O_RDONLY | O_CLOEXEC) : -1;
    if (file >= 0 && (fstat(file, &s) || !S_ISREG(s.st_mode))) { close(file); file = -1; }
    work();
    if (file < 0) prepare(c, known ? "404 Not Found" : "405 Method Not Allowed", 1, -1, 0);
    else { prepare(c, "200 OK", head, file, s.st_size); close(file); }
}

/* -1 when the connection is done for. */
static int serve(struct client *c) {
    if (c->len) return push(c);
    ssize_t n = recv(c->fd, c->request + c->used, REQUEST - c->used, 0);
    if (n <= 0) return n < 0 && errno == EAGAIN ? 0 : -1;
    c->used += n;
    c->request[c->used] = 0;
    char *end = strstr(c->request, "\r\n\r\n");
    if (!end) return c->used == REQUEST ? -1 : 0;
    answer(c);
    c->used = 0; /* bodies and pipelined requests are not for this server */
    return push(c);
}

static int listen_on(int port) {
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, off = 0;
    struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_any};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (struct sockaddr *)&any, sizeof any) || listen(fd, 4096)) { perror("listen"); exit(1); }
    return fd;
}

static void welcome(int door) {
    for (int fd; (fd = accept4(door, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct client *c = calloc(1, sizeof *c);
        c->fd = fd;
        watch(c, EPOLL_CTL_ADD, EPOLLIN);
    }
}

int main(int argc, char **argv) {
    if (argc < 3) { fprintf(stderr, "usage: %s FOLDER PORT [WORK_US]\n", argv[0]); return 2; }
    signal(SIGPIPE, SIG_IGN);
    root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0) { perror(argv[1]); return 1; }
    if (getenv("SERVER_NAME")) name = getenv("SERVER_NAME");
    if (argc > 3) work_ns = atol(argv[3]) * 1000;
    int door = listen_on(atoi(argv[2]));
    poller = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, found[EVENTS];
    epoll_ctl(poller, EPOLL_CTL_ADD, door, &e);
    for (;;) {
        int n = epoll_wait(poller, found, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            struct client *c = found[i].data.ptr;
            if (!c) welcome(door);
            else if (serve(c) < 0) forget(c);
            else watch(c, EPOLL_CTL_MOD, c->len ? EPOLLOUT : EPOLLIN);
        }
    }
}
