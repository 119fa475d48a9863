/* The least that can receive: opens WebSockets, and reads and discards what comes.
 *
 * usage: reader HOST PORT CHANNELS CONNECTIONS SECONDS THREADS
 * Connection I listens to channel I % CHANNELS, and belongs to thread I / CHANNELS % THREADS.
 * Says "ready" when all are open, and reads for so long after that. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static double cpu(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

struct reader {
    int epoll;
    double until;
    long long bytes;
};

static void *discard(void *given) {
    struct reader *reader = given;
    struct epoll_event events[1024];
    char buffer[65536];
    while (now() < reader->until) {
        int ready = epoll_wait(reader->epoll, events, 1024, 100);
        for (int i = 0; i < ready; i++) {
            long got = read(events[i].data.fd, buffer, sizeof buffer);
            if (got <= 0) epoll_ctl(reader->epoll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
            else reader->bytes += got;
        }
    }
    return NULL;
}

int main(int count, char **args) {
    if (count != 7) return 2;
    int channels = atoi(args[3]), connections = atoi(args[4]), threads = atoi(args[6]);
    if (channels < 1 || threads < 1 || threads > 64) return 2;
    struct rlimit files = {connections + 64, connections + 64};
    struct rlimit had;
    getrlimit(RLIMIT_NOFILE, &had);
    files.rlim_max = had.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(args[2]))};
    inet_pton(AF_INET, args[1], &to.sin_addr);
    char request[512], buffer[65536];
    struct reader readers[64] = {0};
    for (int i = 0; i < threads; i++) readers[i].epoll = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        int length = snprintf(request, sizeof request,
            "GET /rtm?channel=C%010d HTTP/1.1\r\nHost: %s:%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", i % channels, args[1], args[2]);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) || write(fd, request, length) != length) {
            perror("connect");
            return 1;
        }
        if (read(fd, buffer, sizeof buffer) <= 0) return 1;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(readers[i / channels % threads].epoll, EPOLL_CTL_ADD, fd, &event);
    }
    puts("ready");
    fflush(stdout);
    double until = now() + atof(args[5]), began = cpu();
    pthread_t others[64];
    for (int i = 0; i < threads; i++) {
        readers[i].until = until;
        if (i) pthread_create(&others[i], NULL, discard, &readers[i]);
    }
    discard(&readers[0]);
    long long bytes = readers[0].bytes;
    for (int i = 1; i < threads; i++) {
        pthread_join(others[i], NULL);
        bytes += readers[i].bytes;
    }
    printf("%.6f %lld\n", cpu() - began, bytes);
    return 0;
}
