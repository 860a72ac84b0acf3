/* The least that a server of a page can do, which the status page is compared with: it sends the same
 * bytes to whoever asks, and as many connections are open as at the status page.
 *
 *     page ADDRESS PORT FILE     serves what is in the file */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 128
#define CONNECTIONS 32
#define PATIENCE_MS 5

static char page[1 << 20];

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(1);
}

static size_t load(const char *path)
{
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(path);
    size_t length = fread(page, 1, sizeof page, file);
    fclose(file);
    return length;
}

static int listen_at(const char *host, const char *port)
{
    int on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(port))};
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || inet_pton(AF_INET, host, &address.sin_addr) != 1)
        fail(host);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, BACKLOG) < 0)
        fail("cannot listen");
    return listener;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s ADDRESS PORT FILE\n", argv[0]);
        return 1;
    }
    size_t length = load(argv[3]);
    int listener = listen_at(argv[1], argv[2]);
    int open[CONNECTIONS];
    for (unsigned count = 0;; count++) {
        int client = accept(listener, NULL, NULL);
        if (client < 0)
            fail("cannot accept");
        int *place = &open[count % CONNECTIONS];
        if (count >= CONNECTIONS)
            close(*place);
        *place = client;
        fcntl(client, F_SETFL, O_NONBLOCK);
        struct pollfd request = {.fd = client, .events = POLLIN};
        char ignored[4096];
        poll(&request, 1, PATIENCE_MS);
        /* Who has asked for nothing, or has no room for it, gets less: the next comes at once. */
        if (recv(client, ignored, sizeof ignored, 0) > 0)
            send(client, page, length, MSG_NOSIGNAL);
    }
}
