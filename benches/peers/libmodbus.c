/* libmodbus as its own examples use it: select() over all sockets.
 *
 *     libmodbus ADDRESS PORT FILE     serves the block in the file */

#include <errno.h>
#include <modbus/modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#define BASE 40000
#define BACKLOG 128

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static modbus_mapping_t *load(const char *path)
{
    uint16_t words[197];
    int count = 0;
    FILE *file = fopen(path, "r");
    if (file == NULL)
        fail(path);
    while (count < 197 && fscanf(file, "%hu", &words[count]) == 1)
        count++;
    fclose(file);
    modbus_mapping_t *map = modbus_mapping_new_start_address(0, 0, 0, 0, BASE, count, 0, 0);
    if (map == NULL)
        fail("no registers");
    for (int i = 0; i < count; i++)
        map->tab_registers[i] = words[i];
    return map;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s ADDRESS PORT FILE\n", argv[0]);
        return 1;
    }
    modbus_mapping_t *map = load(argv[3]);
    modbus_t *modbus = modbus_new_tcp(argv[1], atoi(argv[2]));
    if (modbus == NULL)
        fail(argv[1]);
    int listener = modbus_tcp_listen(modbus, BACKLOG);
    if (listener < 0)
        fail("cannot listen");

    fd_set all;
    FD_ZERO(&all);
    FD_SET(listener, &all);
    int last = listener;
    for (;;) {
        fd_set ready = all;
        if (select(last + 1, &ready, NULL, NULL, NULL) < 0)
            fail("select");
        for (int fd = 0; fd <= last; fd++) {
            if (!FD_ISSET(fd, &ready))
                continue;
            if (fd == listener) {
                int client = modbus_tcp_accept(modbus, &listener);
                if (client < 0 || client >= FD_SETSIZE)
                    fail("cannot accept");
                int on = 1;
                setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
                FD_SET(client, &all);
                if (client > last)
                    last = client;
                continue;
            }
            uint8_t request[MODBUS_TCP_MAX_ADU_LENGTH];
            modbus_set_socket(modbus, fd);
            int length = modbus_receive(modbus, request);
            if (length > 0)
                length = modbus_reply(modbus, request, length, map);
            if (length < 0) {
                close(fd);
                FD_CLR(fd, &all);
            }
        }
    }
}
