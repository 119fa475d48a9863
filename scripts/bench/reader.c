/* The least that can receive: opens WebSockets, and reads and discards what comes.
 *
 * usage: reader HOST PORT PATH CONNECTIONS SECONDS
 * Says "ready" when all are open, and reads for so long after that. */
#include <arpa/inet.h>
#include <netinet/in.h>
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

int main(int count, char **args) {
    if (count != 6) return 2;
    int connections = atoi(args[4]);
    struct rlimit files = {connections + 64, connections + 64};
    struct rlimit had;
    getrlimit(RLIMIT_NOFILE, &had);
    files.rlim_max = had.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(args[2]))};
    inet_pton(AF_INET, args[1], &to.sin_addr);
    char request[512], buffer[65536];
    int length = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n", args[3], args[1], args[2]);
    int epoll = epoll_create1(0);
    for (int i = 0; i < connections; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) || write(fd, request, length) != length) {
            perror("connect");
            return 1;
        }
        if (read(fd, buffer, sizeof buffer) <= 0) return 1;
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    }
    puts("ready");
    fflush(stdout);
    double until = now() + atof(args[5]), began = cpu();
    long long bytes = 0;
    struct epoll_event events[1024];
    while (now() < until) {
        int ready = epoll_wait(epoll, events, 1024, 100);
        for (int i = 0; i < ready; i++) {
            long got = read(events[i].data.fd, buffer, sizeof buffer);
            if (got <= 0) epoll_ctl(epoll, EPOLL_CTL_DEL, events[i].data.fd, NULL);
            else bytes += got;
        }
    }
    printf("%.6f %lld\n", cpu() - began, bytes);
    return 0;
}
